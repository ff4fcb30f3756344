//! Each check against a target that has the defect and against its benign twin.

use std::sync::Arc;

use crate::check::As;
use crate::check::security::fixture::*;
use crate::schema::Schema;

mod verbose {
    use super::*;
    use crate::check::security::exposure::verbose::VerboseError as Check;

    const TRACE: &str =
        "Traceback (most recent call last):\n  File \"/srv/shop/orders.py\", line 12, in get\nKeyError: 1";

    fn scan(target: Target) -> Scan {
        let mut scan = Scan::new(api(vec![operation("GET", "/orders")], &[]), target);
        scan.traffic = vec![(0, Request::new("GET", "/orders?id=-1")), (0, Request::new("GET", "/orders?id=-2"))];
        scan
    }

    #[test]
    fn stack_trace_and_database_error_are_found_once() {
        scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            _ => json_answer(500, &json!({"error": "boom", "trace": TRACE})),
        })
        .check(&Check, &[("GET /orders", "", Severity::Medium)]);
        scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            _ => json_answer(400, &json!({"message": "ERROR: syntax error at or near \"x\""})),
        })
        .check(&Check, &[("GET /orders", "", Severity::Medium)]);
        scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            _ => text_answer(500, "cannot read /srv/shop/config/database.yml"),
        })
        .check(&Check, &[("GET /orders", "", Severity::Low)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("constant error text", |request, _| match request.target.as_str() {
                "/orders" => json_answer(200, &json!({"id": 1})),
                _ => json_answer(500, &json!({"error": "INTERNAL", "request_id": "01J"})),
            }),
            ("a log viewer whose data are traces", |_, _| json_answer(200, &json!({"lines": TRACE}))),
            ("every error of the server looks so, even to an unknown path", |_, _| text_answer(404, TRACE)),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(scan(target).check(&Check, &[])));
        }
        // What we said ourselves.
        let mut echo = scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            target => json_answer(422, &json!({"error": format!("bad {target}")})),
        });
        echo.traffic = vec![(0, Request::new("GET", "/orders?id=/srv/shop/config/database.yml"))];
        echo.check(&Check, &[]);
    }
}

mod debug {
    use super::*;
    use crate::check::security::exposure::debug::DebugEndpoint as Check;

    #[test]
    fn places_with_their_signature_are_found_and_secrets_masked() {
        let scan = Scan::new(api(Vec::new(), &[]), |request, who| {
            assert_eq!(who, As::Anonymous);
            match request.target.as_str() {
                "/debug/env" => json_answer(
                    200,
                    &json!({"env": {
                    "PATH": "/bin", "HOME": "/root", "DB_PASSWORD": "correct horse battery"}}),
                ),
                "/.env" => text_answer(200, "# settings\nAPP_KEY=abcdefgh\nDEBUG=1\nexport PORT=80\n"),
                "/.git/HEAD" => text_answer(200, "ref: refs/heads/main\n"),
                "/metrics" => text_answer(200, "# HELP x y\n# TYPE x counter\nx 1\n"),
                "/id_rsa" => text_answer(200, "-----BEGIN PRIVATE KEY-----\nMIIEvwIBADANBgkqhkiG9w0BAQ\n"),
                _ => not_found(),
            }
        });
        let found = scan.check(
            &Check,
            &[
                ("GET /.env", "", Severity::High),
                ("GET /.git/HEAD", "", Severity::High),
                ("GET /id_rsa", "", Severity::High),
                ("GET /debug/env", "", Severity::High),
                ("GET /metrics", "", Severity::Info),
            ],
        );
        let text = serde_json::to_string(&found).expect("serialises");
        assert!(!text.contains("correct horse battery") && !text.contains("MIIEvwIBADANBgkqhkiG9w0BAQ"));
    }

    #[test]
    fn benign_twins_are_silent() {
        let none = || api(Vec::new(), &[]);
        let twins: Vec<(&str, Api, Target)> =
            vec![
                ("nothing there", none(), |_, _| not_found()),
                ("catch-all page", none(), |_, _| text_answer(200, CATCH_ALL)),
                ("needs credentials", none(), |_, _| json_answer(401, &json!({"propertySources": []}))),
                ("a server that echoes to every path", none(), |_, _| {
                    json_answer(200, &json!({"PATH": "/", "HOME": "/", "USER": "x", "propertySources": 1, "_links": 1}))
                }),
                ("an ordinary page at a suspicious path", none(), |request, _| match request.target.as_str() {
                    "/debug" => json_answer(200, &json!({"level": "info"})),
                    "/env" => json_answer(200, &json!({"environment": "production"})),
                    "/.git/HEAD" => answer(200, &[("Content-Type", "text/html")], "<html>ref: refs/heads</html>"),
                    "/metrics" => json_answer(200, &json!({"requests": 3})),
                    _ => not_found(),
                }),
                ("metrics that the document lists", api(vec![operation("GET", "/metrics")], &[]), |request, _| {
                    match request.target.as_str() {
                        "/metrics" => text_answer(200, "# HELP x y\n# TYPE x counter\nx 1\n"),
                        _ => not_found(),
                    }
                }),
            ];
        for (name, api, target) in twins {
            println_on_failure(name, || drop(Scan::new(api, target).check(&Check, &[])));
        }
    }
}

mod data {
    use super::*;
    use crate::check::security::exposure::data::ExcessiveData as Check;

    fn users() -> Api {
        api(vec![operation("GET", "/users/{id}")], &[bearer()])
    }

    #[test]
    fn secrets_at_undocumented_and_write_only_places_are_found() {
        let found = Scan::new(users(), |_, who| match who {
            As::Primary => json_answer(200, &json!({"id": 1, "name": "Ada", "hash": BCRYPT, "secret": BCRYPT})),
            _ => json_answer(401, &json!({})),
        })
        .check(
            &Check,
            &[
                ("GET /users/{id}", "response /hash", Severity::Medium),
                ("GET /users/{id}", "response /secret", Severity::Medium),
            ],
        );
        assert!(found[0].explanation.contains("$2b$[masked]UW"), "{}", found[0].explanation);
        Scan::new(users(), |_, _| json_answer(200, &json!({"password": "hunter2hunter2"})))
            .check(&Check, &[("GET /users/{id}", "response /password", Severity::High)]);
        Scan::new(users(), |_, _| json_answer(200, &json!({"upstream": "http://10.3.0.17:8080/"})))
            .check(&Check, &[("GET /users/{id}", "response /upstream", Severity::Info)]);
    }

    /// A read whose document has all that it shows.
    fn described(path: &str, properties: Value) -> Api {
        let mut read = operation("GET", path);
        read.responses[0].content[0].schema = Some(Schema::new(properties, Arc::default(), ""));
        api(vec![read], &[bearer()])
    }

    #[test]
    fn documented_password_is_found_and_a_documented_hash_of_a_file_is_not() {
        let user = json!({"properties": {"users": {"items": {"properties": {"password": {"type": "string"}}}}}});
        Scan::new(described("/users", user.clone()), |_, _| {
            json_answer(200, &json!({"users": [{"password": "pass1"}]}))
        })
        .check(&Check, &[("GET /users", "response /users/[]/password", Severity::High)]);
        Scan::new(described("/users", user), |_, _| json_answer(200, &json!({"users": [{"password": "*****"}]})))
            .check(&Check, &[]);
        let file = json!({"properties": {"sha256": {"type": "string"}, "client_secret": {"type": "string"}}});
        Scan::new(described("/files", file), |_, _| {
            json_answer(200, &json!({"sha256": "e3b0c44298fc1c149afbf4c8996fb924", "client_secret": "shown-once-1"}))
        })
        .check(&Check, &[]);
    }

    #[test]
    fn lists_of_people_are_found_when_everybody_sees_the_same() {
        let list = || described("/users", json!({"items": {"properties": {"email": {"type": "string"}}}}));
        let everybody: Target =
            |_, _| json_answer(200, &json!([{"email": "a@post.example"}, {"email": "b@post.example"}]));
        Scan::new(list(), everybody).check(&Check, &[("GET /users", "response /[]", Severity::Medium)]);
        let twins: Vec<(&str, Target)> = vec![
            ("one's own", |_, who| match who {
                As::Primary => json_answer(200, &json!([{"email": "a@post.example"}, {"email": "b@post.example"}])),
                _ => json_answer(401, &json!({})),
            }),
            ("masked", |_, _| {
                json_answer(200, &json!([{"email": "a***@post.example"}, {"email": "b***@post.example"}]))
            }),
            ("offices", |_, _| {
                json_answer(200, &json!([{"email": "info@post.example"}, {"email": "sales@post.example"}]))
            }),
            ("others for others", |_, who| match who {
                As::Primary => json_answer(200, &json!([{"email": "a@post.example"}, {"email": "b@post.example"}])),
                _ => json_answer(200, &json!([{"email": "c@post.example"}, {"email": "d@post.example"}])),
            }),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(list(), target).check(&Check, &[])));
        }
        // Shops have addresses, too.
        let shops = described("/shops", json!({"items": {"properties": {"email": {"type": "string"}}}}));
        Scan::new(shops, everybody).check(&Check, &[]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("documented fields only", |_, _| json_answer(200, &json!({"id": 1, "name": "Ada"}))),
            ("masked", |_, _| json_answer(200, &json!({"id": 1, "password": "********"}))),
            ("null", |_, _| json_answer(200, &json!({"id": 1, "password": null}))),
            ("about a password, none itself", |_, _| json_answer(200, &json!({"passwordExpires": "2030-01-01"}))),
            ("documented value that looks so", |_, _| json_answer(200, &json!({"name": BCRYPT}))),
            ("an error that shows it", |_, _| json_answer(400, &json!({"hash": BCRYPT}))),
            ("undocumented but harmless", |_, _| json_answer(200, &json!({"isbn": "9780306406157", "views": 4242}))),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(users(), target).check(&Check, &[])));
        }
        let login = api(vec![operation("POST", "/login")], &[]);
        Scan::new(login, |_, _| json_answer(200, &json!({"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"})))
            .check(&Check, &[]);
    }
}

mod extra {
    use super::*;
    use crate::check::security::exposure::extra::UndescribedMembers as Check;

    #[test]
    fn members_that_nobody_described_are_one_finding() {
        let two = || api(vec![operation("GET", "/me"), operation("GET", "/you")], &[]);
        let found = Scan::new(two(), |_, _| json_answer(200, &json!({"id": 1, "salt": "x"})))
            .check(&Check, &[("*", "", Severity::Info)]);
        assert!(found[0].explanation.contains("GET /me: /salt; GET /you: /salt"), "{}", found[0].explanation);
        Scan::new(two(), |_, _| json_answer(200, &json!({"id": 1, "name": "x"}))).check(&Check, &[]);
        Scan::new(two(), |_, _| json_answer(404, &json!({"salt": 1}))).check(&Check, &[]);
    }
}

mod version {
    use super::*;
    use crate::check::security::exposure::version::VersionDisclosure as Check;

    fn scan(target: Target) -> Scan {
        let mut scan = Scan::new(api(vec![operation("GET", "/me")], &[]), target);
        scan.traffic = vec![(0, Request::new("GET", "/me?nginx/1.18.0"))];
        scan
    }

    #[test]
    fn products_with_versions_are_one_finding() {
        scan(|_, _| answer(200, &[("Server", "nginx/1.18.0"), ("X-Powered-By", "PHP/8.1.2")], "{}"))
            .check(&Check, &[("*", "", Severity::Info)]);
        scan(|_, _| answer(404, &[("Content-Type", "text/html")], "<address>Apache/2.4.41 (Ubuntu)</address>"))
            .check(&Check, &[("*", "", Severity::Info)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("no version", |_, _| answer(200, &[("Server", "nginx"), ("X-Powered-By", "Express")], "{}")),
            ("data about versions", |_, _| json_answer(200, &json!({"server": "nginx/1.18.0"}))),
            ("our own words", |request, _| json_answer(404, &json!({"no": request.target}))),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(scan(target).check(&Check, &[])));
        }
    }
}

mod inventory {
    use super::*;
    use crate::check::security::exposure::data::ExcessiveData;
    use crate::check::security::exposure::inventory::Inventory as Check;

    fn wallets() -> Api {
        api(vec![protected(operation("GET", "/v2/wallets"), "token")], &[bearer()])
    }

    fn coins() -> Response {
        json_answer(200, &json!({"coins": 12}))
    }

    fn who_are_you() -> Response {
        json_answer(401, &json!({"error": "who are you"}))
    }

    #[test]
    fn old_version_without_protection_is_found() {
        Scan::new(wallets(), |request, who| match (request.target.as_str(), who) {
            ("/v2/wallets", As::Anonymous) => who_are_you(),
            ("/v2/wallets" | "/v1/wallets", _) => coins(),
            _ => not_found(),
        })
        .check(&Check, &[("GET /v1/wallets", "", Severity::High)]);
    }

    #[test]
    fn secrets_of_hidden_paths_are_exposed_data() {
        const HASH: &str = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        fn shows(path: &str, hash: &str) -> Response {
            match path {
                "/v2/wallets" => coins(),
                "/internal" => json_answer(200, &json!({"clerks": [{"pass_hash": hash}]})),
                _ => not_found(),
            }
        }
        let place = "response /clerks/[]/pass_hash";
        let found = Scan::new(wallets(), |request, _| shows(&request.target, HASH))
            .check(&ExcessiveData, &[("GET /internal", place, Severity::High)]);
        assert!(!serde_json::to_string(&found).unwrap().contains(HASH), "a secret is shown");
        Scan::new(wallets(), |request, _| shows(&request.target, "********")).check(&ExcessiveData, &[]);
    }

    #[test]
    fn what_is_only_not_documented_is_one_remark() {
        let found = Scan::new(wallets(), |request, who| match (request.target.as_str(), who) {
            ("/v2/wallets" | "/v1/wallets", As::Anonymous) => who_are_you(),
            ("/v2/wallets" | "/v1/wallets" | "/backup", _) => coins(),
            _ => not_found(),
        })
        .check(&Check, &[("*", "", Severity::Info)]);
        assert!(found[0].explanation.ends_with("/backup, /v1/wallets."), "{}", found[0].explanation);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("one version", |request, _| if request.target == "/v2/wallets" { coins() } else { not_found() }),
            ("a page for any path", |request, _| match request.target.as_str() {
                "/v2/wallets" => coins(),
                _ => text_answer(200, CATCH_ALL),
            }),
            ("JSON for any path", |_, _| coins()),
            ("an error that says 200", |request, _| match request.target.as_str() {
                "/v2/wallets" => coins(),
                _ => json_answer(200, &json!({"success": false})),
            }),
            ("a redirect", |request, _| match request.target.as_str() {
                "/v2/wallets" => coins(),
                _ => answer(301, &[("Location", "/v2/wallets")], "{}"),
            }),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(wallets(), target).check(&Check, &[])));
        }
        // Any version is answered, and nothing is known of one that cannot exist.
        let both = vec![operation("GET", "/v2/wallets"), operation("GET", "/v1/wallets")];
        Scan::new(
            api(both, &[]),
            |request, _| if request.target.ends_with("/wallets") { coins() } else { not_found() },
        )
        .check(&Check, &[]);
    }
}

mod published {
    use super::*;
    use crate::check::security::exposure::published::PublishedDocument as Check;

    fn none() -> Api {
        api(Vec::new(), &[])
    }

    #[test]
    fn documents_are_one_remark_and_internal_ones_are_found() {
        Scan::new(none(), |request, _| match request.target.as_str() {
            "/openapi.json" => json_answer(200, &json!({"openapi": "3.1.0", "info": {"title": "Shop"}, "paths": {}})),
            "/docs" => answer(200, &[("Content-Type", "text/html")], "<script>SwaggerUIBundle({})</script>"),
            "/internal/openapi.json" => {
                json_answer(200, &json!({"swagger": "2.0", "info": {"title": "Internal shop"}, "paths": {}}))
            }
            _ => not_found(),
        })
        .check(&Check, &[("GET /internal/openapi.json", "", Severity::Medium), ("*", "", Severity::Info)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("needs credentials", |_, _| json_answer(401, &json!({"openapi": "3.1.0", "paths": {}}))),
            ("a page about the API", |request, _| match request.target.as_str() {
                "/docs" => answer(200, &[("Content-Type", "text/html")], "<h1>Our API</h1>"),
                _ => not_found(),
            }),
            ("the same for any path", |_, _| json_answer(200, &json!({"openapi": "3.1.0", "paths": {}}))),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(none(), target).check(&Check, &[])));
        }
    }
}

mod cache {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;
    use crate::check::security::exposure::cache::CachedPrivate as Check;

    /// What the caches of these tests keep.
    static KEPT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    fn cached(key: &str, who: As) -> Response {
        let mut kept = KEPT.lock().expect("no panic");
        match who {
            As::Primary => {
                kept.insert(key.to_owned());
                json_answer(200, &json!({"sum": 81.5, "owner": "ada"}))
            }
            _ if kept.contains(key) => json_answer(200, &json!({"sum": 81.5, "owner": "ada"})),
            _ => json_answer(401, &json!({})),
        }
    }

    fn one() -> Api {
        api(vec![protected(operation("GET", "/me"), "token")], &[bearer()])
    }

    #[test]
    fn answers_that_a_cache_gives_away_are_found() {
        Scan::new(one(), |request, who| cached(&request.target, who)).check(&Check, &[("GET /me", "", Severity::High)]);
        Scan::new(one(), |request, who| match request.target.ends_with(".css") {
            true => cached(&format!("file {}", request.target), who),
            false if who == As::Primary => json_answer(200, &json!({"sum": 81.5})),
            false => json_answer(401, &json!({})),
        })
        .check(&Check, &[("GET /me", "", Severity::Medium)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("no cache", |_, who| match who {
                As::Primary => json_answer(200, &json!({"sum": 81.5})),
                _ => json_answer(401, &json!({})),
            }),
            ("public", |_, _| json_answer(200, &json!({"rate": 7}))),
            ("checks credentials on no path but this", |request, who| match (request.target.as_str(), who) {
                ("/me", As::Primary) => json_answer(200, &json!({"sum": 81.5})),
                (target, _) if target.starts_with("/me/") => json_answer(200, &json!({"sum": 81.5})),
                _ => json_answer(401, &json!({})),
            }),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(one(), target).check(&Check, &[])));
        }
    }
}
