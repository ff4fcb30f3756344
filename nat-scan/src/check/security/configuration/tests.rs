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
