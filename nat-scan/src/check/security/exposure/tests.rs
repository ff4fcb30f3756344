//! Each check against a target that has the defect and against its benign twin.

use crate::check::As;
use crate::check::security::fixture::*;

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
                _ => not_found(),
            }
        });
        let found = scan.check(
            &Check,
            &[
                ("GET /.env", "", Severity::High),
                ("GET /.git/HEAD", "", Severity::High),
                ("GET /debug/env", "", Severity::High),
                ("GET /metrics", "", Severity::Info),
            ],
        );
        assert!(!serde_json::to_string(&found).expect("serialises").contains("correct horse battery"));
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
