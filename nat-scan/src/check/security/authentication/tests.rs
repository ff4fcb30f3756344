//! Each check against a target that has the defect and against its benign twin.

mod desk;

use crate::check::As;
use crate::check::security::fixture::*;

mod anonymous {
    use super::*;
    use crate::check::security::authentication::anonymous::AuthenticationIgnored;

    const CHECK: AuthenticationIgnored = AuthenticationIgnored::SECURITY;

    fn orders(_: &Request, _: As) -> Response {
        json_answer(200, &json!({"id": 7, "name": "Ada"}))
    }

    #[test]
    fn protected_operation_open_to_all_is_found() {
        let scan = Scan::new(
            api(vec![protected(operation("GET", "/orders"), "token"), operation("GET", "/news")], &[bearer()]),
            |request, who| match request.target.as_str() {
                "/orders" | "/news" => orders(request, who),
                _ => not_found(),
            },
        );
        let found = scan.check(&CHECK, &[("GET /orders", "", Severity::High)]);
        assert_eq!(found[0].curl, "curl -sS -g --path-as-is -i -X 'GET' 'http://shop.test:80/orders' -H 'Accept:'");
    }

    #[test]
    fn writes_open_to_all_are_critical_and_left_alone_in_safe_mode() {
        let mut scan =
            Scan::new(api(vec![protected(operation("POST", "/orders"), "token")], &[bearer()]), |request, who| {
                if request.target == "/orders" { orders(request, who) } else { not_found() }
            });
        scan.check(&CHECK, &[("POST /orders", "", Severity::Critical)]);
        scan.safe_mode = true;
        scan.check(&CHECK, &[]);
    }

    #[test]
    fn invalid_credentials_that_are_taken_for_valid_are_found() {
        let scan =
            Scan::new(api(vec![protected(operation("GET", "/orders"), "token")], &[bearer()]), |request, who| {
                match (request.target.as_str(), who) {
                    ("/orders", As::Primary | As::Garbage) => orders(request, who),
                    ("/orders", _) => json_answer(401, &json!({})),
                    _ => not_found(),
                }
            });
        scan.check(&CHECK, &[("GET /orders", "", Severity::High)]);
    }

    #[test]
    fn scan_without_credentials_judges_declared_operations() {
        let mut scan = Scan::new(
            api(vec![protected(operation("GET", "/orders"), "token"), operation("GET", "/news")], &[bearer()]),
            |request, who| match request.target.as_str() {
                "/orders" | "/news" => orders(request, who),
                _ => not_found(),
            },
        );
        scan.authenticated = false;
        scan.check(&CHECK, &[("GET /orders", "", Severity::High)]);
    }

    #[test]
    fn sibling_that_refuses_makes_an_undeclared_operation_suspect() {
        let operations = || vec![operation("GET", "/orders"), operation("GET", "/orders/7"), operation("GET", "/news")];
        let target: Target = |request, who| match (request.target.as_str(), who) {
            ("/orders", As::Primary) | ("/orders/7" | "/news", _) => orders(request, who),
            ("/orders", _) => json_answer(401, &json!({})),
            _ => not_found(),
        };
        Scan::new(api(operations(), &[]), target).check(&CHECK, &[("GET /orders/7", "", Severity::High)]);
        // A document that speaks of security elsewhere says that this one is public.
        Scan::new(api(operations(), &[bearer()]), target).check(&CHECK, &[]);
    }

    #[test]
    fn refusals_keep_the_contract_too() {
        let refuse: Target = |request, who| match who {
            As::Primary => orders(request, who),
            _ => json_answer(401, &json!({"error": "who are you"})),
        };
        let documented = |media: &str| {
            let mut operation = protected(operation("GET", "/orders"), "token");
            operation.responses = vec![ResponseSpec {
                status: StatusPattern::Exact(401),
                headers: Vec::new(),
                content: vec![MediaType {
                    media_type: media.to_owned(),
                    schema: None,
                    examples: Vec::new(),
                    encoding: BTreeMap::new(),
                    pointer: String::new(),
                }],
                links: Vec::new(),
                pointer: String::new(),
            }];
            Scan::new(api(vec![operation], &[bearer()]), refuse)
        };
        let contract = AuthenticationIgnored::CONTRACT;
        let other = ("GET /orders", "response 401 header Content-Type", Severity::Low);
        documented("text/html").check(&contract, &[other]);
        documented("application/json").check(&contract, &[]);
        documented("text/html").check(&CHECK, &[]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let mut optional = protected(operation("GET", "/orders"), "token");
        optional.security.push(BTreeMap::new());
        let one = |operation| api(vec![operation], &[bearer()]);
        let orders_protected = || protected(operation("GET", "/orders"), "token");
        let twins: Vec<(&str, Api, Target)> = vec![
            ("refused", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => json_answer(401, &json!({"error": "who are you"})),
            }),
            ("redirected to a login page", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => answer(302, &[("Location", "/login")], ""),
            }),
            ("200 with an error inside", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => json_answer(200, &json!({"success": false, "error": "login"})),
            }),
            ("another, public view", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => json_answer(200, &json!({"id": null})),
            }),
            ("same shape, nothing in common", one(orders_protected()), |_, who| match who {
                As::Primary => json_answer(200, &json!({"id": 7, "name": "Ada"})),
                _ => json_answer(200, &json!({"id": 0, "name": "guest"})),
            }),
            ("nothing worth protecting", one(orders_protected()), |_, _| json_answer(200, &json!([]))),
            ("a server that says the same to every path", one(orders_protected()), orders),
            ("catch-all page", one(orders_protected()), |_, _| text_answer(200, CATCH_ALL)),
            ("optional security", one(optional), orders),
            ("public by the document", one(operation("GET", "/orders")), orders),
            ("hands out tokens", one(protected(operation("POST", "/auth/login"), "token")), orders),
        ];
        for (name, api, target) in twins {
            println_on_failure(name, || drop(Scan::new(api, target).check(&CHECK, &[])));
        }
    }
}
