//! Each check against a target that has the defect and against its benign twin.

use std::time::Duration;

use crate::check::As;
use crate::check::security::fixture::*;
use crate::generate::{Base, Intent, Phase, cases};
use crate::schema::Schema;
use crate::spec::{Parameter, RequestBody, Style};

/// A valid case of each operation, as if the target had accepted it.
fn accepted(api: &Api) -> Vec<Option<Base>> {
    let first = |operation: &Operation| {
        let mut cases = cases(api, operation, Phase::HappyPath, 1).into_iter();
        cases.find(|case| case.intent == Intent::Positive).map(|least| Base { least, most: None })
    };
    api.operations.iter().map(first).collect()
}

/// Takes an object with this member.
fn taking(path: &str, member: &str, schema: Value) -> Api {
    let mut operation = operation("POST", path);
    let node = json!({"type": "object", "required": [member], "properties": {member: schema}});
    operation.body = Some(RequestBody {
        required: true,
        content: vec![MediaType {
            media_type: "application/json".to_owned(),
            schema: Some(Schema::new(node, Default::default(), "")),
            examples: Vec::new(),
            encoding: BTreeMap::new(),
            pointer: String::new(),
        }],
    });
    api(vec![operation], &[])
}

fn sent(request: &Request, member: &str) -> String {
    let body: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
    body[member].as_str().unwrap_or_default().to_owned()
}

fn after(ms: f64, response: Response) -> Response {
    Response { elapsed: Duration::from_secs_f64(ms / 1_000.0), ..response }
}

mod redos {
    use super::*;
    use crate::check::security::limits::redos::ExpensivePattern;

    fn run(text: &str) -> i32 {
        i32::try_from(text.bytes().take_while(u8::is_ascii_lowercase).count()).unwrap()
    }

    fn judged(request: &Request, ms: fn(&str) -> f64) -> Response {
        let text = sent(request, "email");
        let status = if text.contains('!') || !text.contains('@') { 422 } else { 200 };
        after(ms(&text), json_answer(status, &json!({})))
    }

    fn check(schema: Value, target: Target, expected: &[(&str, &str, Severity)]) -> Vec<Finding> {
        let mut scan = Scan::new(taking("/join", "email", schema), target);
        scan.accepted = accepted(&scan.api);
        scan.check(&ExpensivePattern, expected)
    }

    const FOUND: &[(&str, &str, Severity)] = &[("POST /join", "body /email", Severity::Medium)];

    #[test]
    fn times_that_double_are_found() {
        let found = check(
            json!({"type": "string"}),
            |request, _| judged(request, |text| 3.0 + 0.000_2 * 2_f64.powi(run(text))),
            FOUND,
        );
        assert!(found[0].explanation.contains("2.0 times as long"), "{}", found[0].explanation);
        // Steeper ones are approached as carefully.
        check(
            json!({"type": "string"}),
            |request, _| judged(request, |text| 3.0 + 0.000_02 * 4_f64.powi(run(text))),
            FOUND,
        );
    }

    #[test]
    fn documented_pattern_gives_the_text() {
        let pattern = json!({"type": "string", "pattern": "^x(ba|b|a)+@$"});
        let found = check(
            pattern,
            |request, _| {
                judged(request, |text| {
                    let pairs = text.strip_prefix('x').map_or(0, |rest| rest.matches("ba").count());
                    2.0 + 0.000_2 * 2_f64.powi(i32::try_from(pairs).unwrap())
                })
            },
            FOUND,
        );
        assert!(found[0].explanation.contains("documented pattern"), "{}", found[0].explanation);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: [(&str, Target); 6] = [
            ("constant", |request, _| judged(request, |_| 3.0)),
            ("slow and constant", |request, _| judged(request, |_| 200.0)),
            ("too slow to try", |request, _| judged(request, |_| 900.0)),
            ("linear", |request, _| judged(request, |text| 3.0 + text.len() as f64 * 0.05)),
            ("square", |request, _| judged(request, |text| 3.0 + (text.len() as f64).powi(2) * 0.000_02)),
            ("nothing is judged", |request, _| {
                after(2_f64.powi(run(&sent(request, "email"))), json_answer(200, &json!({})))
            }),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(check(json!({"type": "string"}), target, &[])));
        }
    }
}

mod pages {
    use super::*;
    use crate::check::security::limits::pages::PageSize;

    fn listing() -> Api {
        let mut list = operation("GET", "/items");
        list.parameters.push(Parameter {
            name: "limit".to_owned(),
            location: Location::Query,
            required: false,
            schema: Schema::new(json!({"type": "integer", "maximum": 4}), Default::default(), ""),
            style: Style::Form,
            explode: true,
            content_type: None,
            examples: Vec::new(),
            pointer: String::new(),
        });
        api(vec![list], &[])
    }

    /// A page of so many of twelve items.
    fn page(request: &Request, most: i64) -> Response {
        let asked = request.target.split("limit=").nth(1).and_then(|text| text.parse().ok()).unwrap_or(3);
        let count = if asked <= 0 { 0 } else { asked.min(most).min(12) };
        json_answer(200, &json!((0..count).map(|id| json!({"id": id})).collect::<Vec<Value>>()))
    }

    fn check(target: Target, expected: &[(&str, &str, Severity)]) {
        let mut scan = Scan::new(listing(), target);
        scan.accepted = accepted(&scan.api);
        scan.check(&PageSize, expected);
    }

    #[test]
    fn pages_beyond_the_maximum_are_found_and_clamped_ones_are_not() {
        check(|request, _| page(request, 1_000), &[("GET /items", "query limit", Severity::Medium)]);
        check(|request, _| page(request, 4), &[]);
        check(|request, _| page(request, 3), &[]);
        check(
            |request, _| if request.target.contains("400") { json_answer(422, &json!({})) } else { page(request, 9) },
            &[],
        );
    }
}

mod bodies {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::check::security::limits::body::BodySize;
    use crate::check::security::limits::bomb::ExpandingBody;

    fn unpacked(request: &Request, most: usize) -> Response {
        let bytes = request.body.clone().unwrap_or_default();
        if request.header("content-encoding").is_none() {
            return json_answer(200, &json!({}));
        }
        let mut out = Vec::new();
        match GzDecoder::new(bytes.as_ref()).take(most as u64 + 1).read_to_end(&mut out) {
            Ok(_) if out.len() > most => json_answer(413, &json!({})),
            Ok(_) => json_answer(200, &json!({})),
            Err(_) => json_answer(400, &json!({})),
        }
    }

    #[test]
    fn unpacking_without_limit_is_found() {
        let check = |target: Target, expected: &[(&str, &str, Severity)]| {
            let mut scan = Scan::new(taking("/in", "text", json!({"type": "string"})), target);
            scan.accepted = accepted(&scan.api);
            scan.check(&ExpandingBody, expected);
        };
        check(|request, _| unpacked(request, 64 << 20), &[("POST /in", "body", Severity::Medium)]);
        check(|request, _| unpacked(request, 1 << 20), &[]);
        // Whoever does not look at the body unpacks nothing.
        check(|_, _| json_answer(200, &json!({})), &[]);
        check(|_, _| json_answer(415, &json!({})), &[]);
    }

    #[test]
    fn bodies_of_any_size_are_found_once() {
        let check = |schema: Value, most: usize, expected: &[(&str, &str, Severity)]| {
            let target: Target = if most > 8 << 20 {
                |_, _| json_answer(200, &json!({}))
            } else {
                |request, _| match request.body.as_ref().map_or(0, |body| body.len()) {
                    0..1_000_000 => json_answer(200, &json!({})),
                    _ => json_answer(413, &json!({})),
                }
            };
            let mut scan = Scan::new(taking("/in", "text", schema), target);
            scan.accepted = accepted(&scan.api);
            scan.check(&BodySize, expected);
        };
        check(json!({"type": "string"}), 64 << 20, &[("*", "", Severity::Medium)]);
        check(json!({"type": "string"}), 1 << 20, &[]);
        check(json!({"type": "string", "maxLength": 9}), 64 << 20, &[]);
    }
}

mod rate {
    use super::*;
    use crate::check::security::limits::rate::NoRateLimit;

    #[test]
    fn limits_are_believed_when_they_are_announced_or_felt() {
        let check = |target: Target, expected: &[(&str, &str, Severity)]| {
            Scan::new(api(vec![operation("GET", "/a")], &[]), target).check(&NoRateLimit, expected);
        };
        check(|_, _| json_answer(200, &json!({})), &[("*", "", Severity::Info)]);
        check(|_, _| answer(200, &[("RateLimit-Limit", "10")], "{}"), &[]);
        check(|_, _| answer(200, &[("X-RateLimit-Remaining", "10")], "{}"), &[]);
        check(|_, who| if who == As::Primary { json_answer(429, &json!({})) } else { not_found() }, &[]);
    }
}
