//! Random requests: a pure function of choices, an accepted request, and what answers showed.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::body::Codec;
use super::choice::Choices;
use super::draw::{Drawer, Source};
use super::plan::{body_place, place, rivals};
use super::{Argument, BodyValue, Case, Intent, Phase, is_reserved_header, render};
use crate::chain::{Pool, Spot, nouns_of_path};
use crate::classify::{WireTruth, classify, wire};
use crate::schema::{Direction, Schema};
use crate::spec::{Api, Location, Operation};

/// What random requests of an operation are made of.
pub(crate) struct Stock<'a> {
    pub(crate) operation: &'a Operation,
    /// A valid request, accepted if one was: what a request without choices is.
    pub(crate) plain: &'a Case,
    /// The same with everything that is documented, if that is known.
    pub(crate) full: &'a Case,
    pub(crate) pool: &'a Pool,
    /// Templates that would answer in the operation's place.
    pub(crate) rivals: &'a [String],
}

/// A request, and how many of its choices matter.
pub(crate) struct Drawn {
    pub(crate) case: Case,
    pub(crate) used: usize,
    /// Of its bytes.
    pub(crate) digest: u64,
}

/// Paths that servers prefer to this operation's.
pub(crate) fn rivals_of(api: &Api, operation: &Operation) -> Vec<String> {
    rivals(api, operation).into_iter().map(str::to_owned).collect()
}

/// How many places of a request can be anything but what they are: a measure of how much there is to try.
pub(crate) fn freedom(operation: &Operation, full: &Case) -> usize {
    let parameters = operation.parameters.iter().filter(|parameter| parameter.location != Location::Path).count();
    let leaves = match &full.body {
        Some(BodyValue::Typed { value, .. }) => leaves(value),
        _ => 0,
    };
    parameters + leaves
}

fn leaves(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Object(members) => members.values().map(leaves).sum(),
        // Number and order of items are free, too.
        serde_json::Value::Array(items) => 2 + items.first().map_or(0, leaves),
        _ => 1,
    }
}

/// The request of these choices; none when it cannot be sent, or is invalid by accident. Equal arguments, equal request.
pub(crate) fn case(stock: &Stock<'_>, source: Source, sequence: &[u32], ordinal: u32) -> Option<Drawn> {
    let mut choices = Choices::new(sequence);
    let nouns = nouns_of_path(&stock.operation.path);
    let mut drawer =
        Drawer { choices: &mut choices, source, pool: stock.pool, nouns: &nouns, bindings: Vec::new(), nodes: 0 };
    let mut arguments = Vec::new();
    for index in 0..stock.operation.parameters.len() {
        arguments.extend(argument(stock, &mut drawer, index));
    }
    let body = body(stock, &mut drawer);
    let mut bindings = std::mem::take(&mut drawer.bindings);
    let used = choices.used();
    let own = |spot: &Spot| bindings.iter().any(|binding| binding.spot == *spot);
    let kept: Vec<_> =
        stock.plain.bindings.iter().chain(&stock.full.bindings).filter(|known| !own(&known.spot)).cloned().collect();
    bindings.extend(kept);
    let case = Case {
        operation: stock.operation.index,
        phase: Phase::Random,
        ordinal,
        label: format!("a random request, {} values", source.as_str()),
        intent: Intent::Random { source: source.as_str() },
        method: None,
        arguments,
        body,
        bindings,
    };
    let request = render(stock.operation, &case, "").ok()?;
    let path = request.target.split('?').next().unwrap_or_default();
    if stock.rivals.iter().any(|rival| wire::captures(rival, path).is_some()) {
        return None;
    }
    // What is invalid by accident shows less than the cases that are invalid in one place.
    let stray =
        source != Source::Hostile && matches!(classify(stock.operation, &request, ""), WireTruth::Negative { .. });
    if stray {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    (&request.target, &request.headers, &request.body).hash(&mut hasher);
    for binding in &case.bindings {
        binding.source.hash(&mut hasher);
    }
    Some(Drawn { case, used, digest: hasher.finish() })
}

fn argument(stock: &Stock<'_>, drawer: &mut Drawer<'_, '_, '_>, index: usize) -> Option<Argument> {
    let parameter = stock.operation.parameters.get(index)?;
    if parameter.location == Location::Header && is_reserved_header(&parameter.name) {
        return None;
    }
    let find = |case: &Case| case.arguments.iter().find(|argument| argument.parameter == index).cloned();
    let (plain, full) = (find(stock.plain), find(stock.full));
    let choice = match parameter.location {
        // Made-up ids lead nowhere, as a rule.
        Location::Path => drawer.choices.below(8).saturating_sub(6),
        _ => drawer.choices.below(4),
    };
    match (&plain, choice) {
        (_, 0) => return plain,
        (None, 1) if full.is_some() => return full,
        (Some(_), 3) if !parameter.required => return None,
        _ => {}
    }
    let now = plain.as_ref().or(full.as_ref()).map(|argument| &argument.value);
    let before = drawer.bindings.len();
    let value = drawer.root(&parameter.schema, &parameter.name, Spot::Argument(index), now);
    let value = value.filter(|value| place(parameter).admits(value));
    // A live value stands for a whole argument, not for a part of it.
    if value.as_ref().is_none_or(|value| value.is_array() || value.is_object()) {
        drawer.bindings.truncate(before);
    }
    match value {
        Some(value) => Some(Argument { parameter: index, value }),
        None => plain,
    }
}

fn body(stock: &Stock<'_>, drawer: &mut Drawer<'_, '_, '_>) -> Option<BodyValue> {
    let declared = stock.operation.body.as_ref()?;
    let choice = drawer.choices.below(6);
    match choice {
        0 => return stock.plain.body.clone(),
        1 => return stock.full.body.clone(),
        2 if !declared.required && drawer.choices.below(3) == 2 => return None,
        _ => {}
    }
    let plain = match if choice < 4 { &stock.plain.body } else { &stock.full.body } {
        Some(BodyValue::Typed { media_type, value }) => Some((*media_type, value)),
        _ => None,
    };
    let own = plain.map_or(0, |(media_type, _)| media_type);
    // Mostly the media type that was accepted.
    let turn = drawer.choices.below(declared.content.len() + 2);
    let media_type = turn.checked_sub(2).filter(|_| declared.content.len() > 1).unwrap_or(own);
    let media = declared.content.get(media_type)?;
    let any = Schema::any();
    let schema = media.schema.as_ref().unwrap_or(&any);
    if Codec::of(&media.media_type) == Codec::Opaque {
        return stock.full.body.clone();
    }
    let before = drawer.bindings.len();
    let value = drawer.root(schema, "", Spot::Body(String::new()), plain.map(|(_, value)| value));
    let fits = |value: &serde_json::Value| {
        body_place(media).admits(value)
            && (drawer.source == Source::Hostile || schema.is_valid(value, Direction::Request))
    };
    match value.filter(fits) {
        Some(value) => Some(BodyValue::Typed { media_type, value }),
        None => {
            drawer.bindings.truncate(before);
            stock.plain.body.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::generate::fixture::{api, operation};
    use crate::generate::{cases, choice, rng};

    fn fixture() -> Api {
        let body = json!({"required": true, "content": {"application/json": {"schema": {"type": "object",
            "required": ["kind"], "properties": {
                "kind": {"enum": ["a", "b"]}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 6},
                "count": {"type": "integer", "minimum": 0, "maximum": 99}, "name": {"type": "string", "maxLength": 9}}}}}});
        let parameters = json!([{"name": "dry", "in": "query", "schema": {"type": "boolean"}},
            {"name": "sort", "in": "query", "schema": {"enum": ["asc", "desc"]}}]);
        api(vec![operation("POST", "/things", json!({"parameters": parameters, "requestBody": body}))])
    }

    fn with_stock<T>(api: &Api, run: impl FnOnce(&Stock<'_>) -> T) -> T {
        let operation = &api.operations[0];
        let happy = cases(api, operation, Phase::HappyPath, 1);
        let pool = Pool::default();
        run(&Stock { operation, plain: &happy[0], full: &happy[1], pool: &pool, rivals: &[] })
    }

    #[test]
    fn without_choices_the_request_is_the_plain_one() {
        with_stock(&fixture(), |stock| {
            for source in Source::ALL {
                let drawn = case(stock, source, &[], 0).unwrap();
                assert_eq!((&drawn.case.arguments, &drawn.case.body), (&stock.plain.arguments, &stock.plain.body));
            }
        });
    }

    #[test]
    fn random_requests_reach_odd_arrays() {
        with_stock(&fixture(), |stock| {
            let odd = (0..120).filter(|number| {
                let sequence = choice::fresh(&mut rng::stream(1, "POST /things", Phase::Random, *number));
                let Some(drawn) = case(stock, Source::Schema, &sequence, 0) else { return false };
                let Some(BodyValue::Typed { value, .. }) = &drawn.case.body else { return false };
                let tags = value["tags"].as_array().map_or(&[] as &[serde_json::Value], Vec::as_slice);
                tags.len() >= 3 && tags.iter().all(|tag| *tag == tags[0])
            });
            assert!(odd.count() >= 4);
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// The request depends on the choices that were used alone, and is valid unless it is meant to be hostile.
        #[test]
        fn random_requests_are_functions_of_their_choices(seed in any::<u64>(), source in 0..6_usize) {
            let api = fixture();
            let source = Source::ALL[source];
            let sequence = choice::fresh(&mut rng::stream(seed, "", Phase::Random, 0));
            with_stock(&api, |stock| {
                let Some(drawn) = case(stock, source, &sequence, 0) else { return Ok(()) };
                let again = case(stock, source, &sequence[..drawn.used], 0).map(|drawn| drawn.case);
                prop_assert_eq!(again.as_ref(), Some(&drawn.case));
                if source != Source::Hostile {
                    let request = render(stock.operation, &drawn.case, "").unwrap();
                    let truth = classify(stock.operation, &request, "");
                    prop_assert!(!matches!(truth, WireTruth::Negative { .. }), "{truth:?}");
                }
                Ok(())
            })?;
        }
    }

    /// A document may ask for more items than there is memory.
    #[test]
    fn arrays_of_billions_of_items_are_not_made() {
        let items = json!({"type": "array", "minItems": 9_000_000_000_u64, "items": {"type": "integer"}});
        let body = json!({"requestBody": {"content": {"application/json": {"schema": {
            "type": "object", "properties": {"all": items}}}}}});
        let api = api(vec![operation("POST", "/a", body)]);
        let plain = cases(&api, &api.operations[0], crate::generate::Phase::HappyPath, 1).remove(0);
        let pool = Pool::default();
        let stock = Stock { operation: &api.operations[0], plain: &plain, full: &plain, pool: &pool, rivals: &[] };
        for ordinal in 0..200 {
            let mut stream = rng::stream(1, "POST /a", crate::generate::Phase::Random, u64::from(ordinal));
            let sequence = choice::fresh(&mut stream);
            let drawn = case(&stock, Source::Boundary, &sequence, ordinal);
            assert!(drawn.is_none_or(|drawn| format!("{:?}", drawn.case.body).len() < 100_000));
        }
    }
}
