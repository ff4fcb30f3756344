//! Each check against a target that has the defect and against its benign twin.

use crate::check::security::fixture::*;

mod cors {
    use super::*;
    use crate::check::security::configuration::cors::Cors as Check;

    fn with_cors(request: &Request, trusted: fn(&str) -> bool, credentials: &str) -> Response {
        let origin = request.header("origin").map(|value| String::from_utf8_lossy(value).into_owned());
        let mut response = json_answer(200, &json!({"id": 1}));
        if let Some(origin) = origin.filter(|origin| trusted(origin)) {
            response.headers.push(("Access-Control-Allow-Origin".to_owned(), origin.into_bytes()));
            response.headers.push(("Access-Control-Allow-Credentials".to_owned(), credentials.as_bytes().to_vec()));
        }
        response
    }

    fn cookie() -> (&'static str, SecurityScheme) {
        ("session", SecurityScheme::ApiKey { location: Location::Cookie, name: "sid".to_owned() })
    }

    #[test]
    fn reflected_origin_with_credentials_is_rated_by_how_browsers_authenticate() {
        const LOCATION: &str = "header Access-Control-Allow-Origin";
        let one = |schemes: &[(&str, SecurityScheme)]| api(vec![operation("GET", "/me")], schemes);
        let reflect: Target = |request, _| with_cors(request, |_| true, "true");
        Scan::new(one(&[cookie()]), reflect).check(&Check, &[("GET /me", LOCATION, Severity::High)]);
        Scan::new(one(&[bearer()]), reflect).check(&Check, &[("GET /me", LOCATION, Severity::Medium)]);
        let mut public = Scan::new(one(&[]), reflect);
        public.authenticated = false;
        public.check(&Check, &[("GET /me", LOCATION, Severity::Info)]);
        let null: Target = |request, _| with_cors(request, |origin| origin == "null", "true");
        Scan::new(one(&[cookie()]), null).check(&Check, &[("GET /me", LOCATION, Severity::High)]);
        let prefix: Target = |request, _| with_cors(request, |origin| origin.starts_with("https://shop.test"), "true");
        Scan::new(one(&[cookie()]), prefix).check(&Check, &[("GET /me", LOCATION, Severity::High)]);
        let two = api(vec![operation("GET", "/me"), operation("GET", "/you")], &[cookie()]);
        Scan::new(two, reflect).check(&Check, &[("*", LOCATION, Severity::High)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("no CORS", |_, _| json_answer(200, &json!({"id": 1}))),
            ("reflected without credentials", |request, _| with_cors(request, |_| true, "false")),
            ("a list of exact origins", |request, _| with_cors(request, |o| o == "https://shop.test", "true")),
            ("a star", |_, _| answer(200, &[("Access-Control-Allow-Origin", "*")], "{}")),
            ("the origin echoed in an error", |request, _| {
                let mut response = with_cors(request, |_| true, "true");
                if request.header("origin").is_some() {
                    response.status = 403;
                }
                response
            }),
        ];
        for (name, target) in twins {
            let api = api(vec![operation("GET", "/me")], &[cookie()]);
            println_on_failure(name, || drop(Scan::new(api, target).check(&Check, &[])));
        }
    }
}

mod headers {
    use super::*;
    use crate::check::security::configuration::headers::SecurityHeaders as Check;

    #[test]
    fn missing_headers_are_one_finding() {
        let operations =
            vec![protected(operation("GET", "/me"), "token"), protected(operation("GET", "/orders"), "token")];
        let found = Scan::new(api(operations, &[bearer()]), |_, _| json_answer(200, &json!({"id": 1})))
            .check(&Check, &[("*", "", Severity::Info)]);
        assert_eq!(
            found[0].explanation,
            "Missing: Cache-Control: no-store (2 of 2 answers); X-Content-Type-Options: nosniff (2 of 2 answers)."
        );
    }

    #[test]
    fn headers_that_do_not_apply_are_not_missed() {
        // Neither https, nor HTML, nor private: one header is enough.
        let one = api(vec![operation("GET", "/news")], &[]);
        let target: Target = |_, _| {
            let headers = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")];
            answer(200, &headers, r#"{"id":1}"#)
        };
        Scan::new(one, target).check(&Check, &[]);
    }
}

mod method {
    use super::*;
    use crate::check::security::configuration::method::Methods as Check;

    fn one() -> Api {
        api(vec![operation("GET", "/me")], &[])
    }

    fn note(request: &Request) -> String {
        let note = request.header("x-nat-note").unwrap_or_default();
        format!("X-Nat-Note: {}", String::from_utf8_lossy(note))
    }

    #[test]
    fn trace_and_override_are_found() {
        let trace: Target = |request, _| match request.method.as_str() {
            "TRACE" => text_answer(200, &note(request)),
            "GET" if request.target == "/me" => json_answer(200, &json!({"id": 1})),
            _ => not_found(),
        };
        Scan::new(one(), trace).check(&Check, &[("*", "", Severity::Low)]);
        let mut safe = Scan::new(one(), trace);
        safe.safe_mode = true;
        safe.check(&Check, &[]);
        Scan::new(one(), |request, _| match request.header("x-http-method") {
            Some(b"NATCHECK") => json_answer(405, &json!({})),
            _ if request.method == "GET" => json_answer(200, &json!({"id": 1})),
            _ => not_found(),
        })
        .check(&Check, &[("*", "header X-HTTP-Method", Severity::Info)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("refused", |request, _| match request.method.as_str() {
                "GET" => json_answer(200, &json!({"id": 1})),
                _ => json_answer(405, &json!({})),
            }),
            ("repeats everything to everybody", |request, _| text_answer(200, &note(request))),
            ("a filter that dislikes the word", |request, _| {
                match request.headers.iter().any(|(_, value)| value == b"NATCHECK") {
                    true => json_answer(405, &json!({})),
                    false => json_answer(200, &json!({"id": 1})),
                }
            }),
            ("a filter that dislikes the header", |request, _| match request.header("x-http-method-override") {
                Some(_) => json_answer(405, &json!({})),
                None => json_answer(200, &json!({"id": 1})),
            }),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(one(), target).check(&Check, &[])));
        }
    }
}

mod host {
    use super::*;
    use crate::check::security::configuration::host::HostTrusted as Check;

    fn one() -> Api {
        api(vec![operation("GET", "/me")], &[])
    }

    fn linked(request: &Request, header: &str) -> Response {
        let host = request.header(header).map_or("shop.test".into(), String::from_utf8_lossy);
        json_answer(200, &json!({"self": format!("https://{host}/me")}))
    }

    #[test]
    fn links_to_a_host_that_the_request_names_are_found() {
        let found = |target: Target, location: &str, severity| {
            Scan::new(one(), target).check(&Check, &[("*", location, severity)]);
        };
        found(|request, _| linked(request, "x-forwarded-host"), "header X-Forwarded-Host", Severity::Low);
        found(|request, _| linked(request, "host"), "header Host", Severity::Low);
        found(
            |request, _| {
                let host = request.header("host").map_or("shop.test".into(), String::from_utf8_lossy);
                answer(201, &[("Location", &format!("http://{host}/me/1"))], "{}")
            },
            "header Host",
            Severity::Info,
        );
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("a configured name", |_, _| json_answer(200, &json!({"self": "https://shop.test/me"}))),
            ("repeats headers without links", |request, _| {
                json_answer(200, &json!({"host": request.header("x-forwarded-host").map(<[u8]>::len)}))
            }),
            ("repeats every header as a link", |request, _| {
                let link = |value: &[u8]| format!("http://{}", String::from_utf8_lossy(value).replace("http://", ""));
                let all: Vec<String> = request.headers.iter().map(|(_, value)| link(value)).collect();
                json_answer(200, &json!(all))
            }),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(one(), target).check(&Check, &[])));
        }
    }
}
