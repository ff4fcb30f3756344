//! Which cases of an operation come first: a scan that runs out of time has then asked the most different questions.

use std::collections::HashMap;

use super::COMBINATION;
use crate::generate::{Case, Intent};

/// Every kind of question once before any kind is asked again about another place; the kinds that break most programs
/// first, and of the places those that lie least deep: what is deep is often shared with other operations.
pub(super) fn breadth_first(mut cases: Vec<Case>) -> Vec<Case> {
    cases.sort_by_key(|case| case.label.matches('/').count());
    let mut asked: HashMap<(u8, String), usize> = HashMap::new();
    let mut ranked: Vec<((usize, u8), Case)> = Vec::with_capacity(cases.len());
    for case in cases {
        let kind = kind(&case);
        let rank = kind.0;
        let times = asked.entry(kind).or_default();
        *times += 1;
        ranked.push(((*times, rank), case));
    }
    ranked.sort_by_key(|(key, _)| *key);
    ranked.into_iter().map(|(_, case)| case).collect()
}

/// A rank, and what is asked without the place that it is asked about.
fn kind(case: &Case) -> (u8, String) {
    // "body /name: type violated by null" asks for the type by null.
    let question = |label: &str| label.rsplit_once(": ").map_or("", |(_, question)| question).to_owned();
    match &case.intent {
        Intent::Unusual { kind, .. } => (0, (*kind).to_owned()),
        Intent::Positive if case.label.ends_with("is zero") => (1, "zero".to_owned()),
        Intent::Positive if case.label.ends_with("is negative") => (1, "negative".to_owned()),
        Intent::Positive if case.label.ends_with("is null") => (1, "null".to_owned()),
        Intent::Negative { keyword, .. } if keyword == "type" => (2, question(&case.label)),
        Intent::MalformedBody { kind } => (3, (*kind).to_owned()),
        Intent::MissingRequired { .. } => (3, "required".to_owned()),
        Intent::Negative { keyword, .. } => (4, keyword.clone()),
        Intent::Positive if case.label.starts_with(COMBINATION) => (5, COMBINATION.to_owned()),
        Intent::Positive => (5, question(&case.label)),
        other => (3, format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::generate::fixture::{api, operation};
    use crate::generate::{Phase, cases};
    use serde_json::json;

    #[test]
    fn each_kind_of_question_is_asked_once_before_any_is_asked_again() {
        let body = json!({"requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {
            "from": {"type": "integer"}, "to": {"type": "integer"}, "name": {"type": "string"}}}}}}});
        let api = api(vec![operation("POST", "/a", body)]);
        let all = cases(&api, &api.operations[0], Phase::Coverage, 1);
        let kinds: Vec<_> = all.iter().map(super::kind).collect();
        let fresh = kinds.iter().enumerate().take_while(|(at, kind)| !kinds[..*at].contains(kind)).count();
        let mut distinct = kinds.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(fresh, distinct.len(), "{kinds:?}");
        assert!(fresh > 10 && fresh < all.len());
    }

    #[test]
    fn of_two_places_the_less_deep_one_is_asked_about_first() {
        let body = json!({"requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {
            "filter": {"type": "object", "properties": {"size": {"type": "object", "properties": {
                "from": {"type": "integer"}}}}},
            "limit": {"type": "integer"},
            "note": {"type": ["string", "null"]}}}}}}});
        let api = api(vec![operation("POST", "/a", body)]);
        let all = cases(&api, &api.operations[0], Phase::Coverage, 1);
        let place = |label: &str| all.iter().position(|case| case.label == label).expect(label);
        assert!(place("body /limit is zero") < place("body /filter/size/from is zero"));
        assert!(place("body /note is null") < place("body /filter/size/from is zero"));
    }
}
