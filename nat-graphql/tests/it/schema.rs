//! The schema as a promise, and what its deepest list costs the database.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition};
use serde_json::json;

use crate::app::{target, with_app};

const RELEASED: &str = include_str!("../schema.released.graphql");

/// What clients rely on: a name, and whether what they send or get may become narrower.
#[derive(Debug, PartialEq, Eq)]
enum Promise {
    /// Output: may become non-null, never nullable.
    Output(String),
    /// Input: may become nullable, never required.
    Input { ty: String, has_default: bool },
    /// A type, a value of an enum, a member.
    Present,
}

fn promises(sdl: &str) -> BTreeMap<String, Promise> {
    let mut found = BTreeMap::new();
    for definition in parse_schema(sdl).expect("a schema").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        found.insert(name.clone(), Promise::Present);
        match definition.node.kind {
            TypeKind::Object(object) => {
                for interface in &object.implements {
                    found.insert(format!("{name} implements {}", interface.node), Promise::Present);
                }
                object.fields.iter().for_each(|field| promise_field(&mut found, &name, &field.node));
            }
            TypeKind::Interface(interface) => {
                interface.fields.iter().for_each(|field| promise_field(&mut found, &name, &field.node));
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    found.insert(format!("{name}.{}", value.node.value.node), Promise::Present);
                }
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    found.insert(format!("{name}.{}", field.node.name.node), promise_input(&field.node));
                }
            }
            TypeKind::Union(union) => {
                for member in &union.members {
                    found.insert(format!("{name} = {}", member.node), Promise::Present);
                }
            }
            TypeKind::Scalar => {}
        }
    }
    found
}

fn promise_field(found: &mut BTreeMap<String, Promise>, owner: &str, field: &FieldDefinition) {
    let path = format!("{owner}.{}", field.name.node);
    for argument in &field.arguments {
        found.insert(format!("{path}({})", argument.node.name.node), promise_input(&argument.node));
    }
    found.insert(path, Promise::Output(field.ty.node.to_string()));
}

fn promise_input(input: &InputValueDefinition) -> Promise {
    Promise::Input { ty: input.ty.node.to_string(), has_default: input.default_value.is_some() }
}

/// Whether a client of `old` can live with `new`.
fn is_kept(old: &Promise, new: Option<&Promise>) -> bool {
    match (old, new) {
        (_, None) => false,
        (Promise::Output(old), Some(Promise::Output(new))) => narrows(new, old),
        (Promise::Input { ty: old, .. }, Some(Promise::Input { ty: new, .. })) => narrows(old, new),
        (Promise::Present, Some(Promise::Present)) => true,
        _ => false,
    }
}

/// Whether every value of `narrow` is one of `wide`: the same, but with more `!`.
fn narrows(narrow: &str, wide: &str) -> bool {
    let parse = |text: &str| Type::new(text);
    let (Some(narrow), Some(wide)) = (parse(narrow), parse(wide)) else { return false };
    type_narrows(&narrow, &wide)
}

fn type_narrows(narrow: &Type, wide: &Type) -> bool {
    use async_graphql::parser::types::BaseType::{List, Named};
    let base = match (&narrow.base, &wide.base) {
        (Named(narrow), Named(wide)) => narrow == wide,
        (List(narrow), List(wide)) => type_narrows(narrow, wide),
        _ => false,
    };
    base && (wide.nullable || !narrow.nullable)
}

/// Everything that breaks clients of `old`.
fn breaking(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (promises(old), promises(new));
    let mut broken: Vec<String> = old
        .iter()
        .filter(|(name, promise)| !is_kept(promise, new.get(*name)))
        .map(|(name, promise)| format!("{name}: was {promise:?}, is {:?}", new.get(name)))
        .collect();
    for (name, promise) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let owner = name.split(['.', '(']).next().unwrap_or_default();
        let owner_is_old = old.contains_key(name.rsplit_once('(').map_or(owner, |(field, _)| field));
        if let Promise::Input { ty, has_default: false } = promise
            && ty.ends_with('!')
            && owner_is_old
        {
            broken.push(format!("{name}: is new and required"));
        }
    }
    broken
}

#[test]
fn g27_nothing_that_was_released_is_broken() {
    let sdl = nat_graphql::sdl();
    assert_eq!(
        breaking(RELEASED, &sdl),
        Vec::<String>::new(),
        "a breaking change: deprecate first, see docs/graphql.md"
    );
    // The check itself sees what it has to see.
    for (from, to) in [
        ("scansUsed: Int!", "scansUsed: Int"),
        ("scansUsed: Int!", "scansUsed: String!"),
        ("\tscansUsed: Int!", "\tscansTaken: Int!"),
        ("CANCELLED", "STOPPED"),
        ("\tspecUrl: String\n", "\tspecUrl: String!\n"),
        ("type Tenant implements Node", "type Tenant"),
    ] {
        assert!(sdl.contains(from), "{from}");
        assert!(!breaking(&sdl, &sdl.replacen(from, to, 1)).is_empty(), "{from} -> {to}");
    }
    let wider = sdl.replacen("\tspecUrl: String\n", "\tspecUrl: String\n\tnew: String\n", 1);
    assert_eq!(breaking(&sdl, &wider), Vec::<String>::new());
    let required = sdl.replacen("\tspecUrl: String\n", "\tspecUrl: String\n\tnew: String!\n", 1);
    assert_eq!(breaking(&sdl, &required).len(), 1);
}

#[test]
fn g27_deprecations_say_why_and_until_when() {
    let check = |sdl: &str| -> Vec<String> {
        let deprecated = sdl.lines().filter(|line| line.contains("@deprecated"));
        let dated = |line: &str| {
            let reason = line.split_once("reason: \"").map(|(_, rest)| rest).unwrap_or_default();
            let day = reason.split_whitespace().find(|word| {
                let word = word.trim_end_matches(['.', ',', '"', ')']);
                word.len() == 10 && word.split('-').map(str::len).eq([4, 2, 2])
            });
            reason.len() > 20 && day.is_some()
        };
        deprecated.filter(|line| !dated(line)).map(str::to_owned).collect()
    };
    assert_eq!(check(&nat_graphql::sdl()), Vec::<String>::new());
    assert_eq!(check("a: Int @deprecated").len(), 1);
    assert_eq!(check("a: Int @deprecated(reason: \"use b instead of it\")").len(), 1);
    assert_eq!(check("a: Int @deprecated(reason: \"Use `b`; removed after 2027-01-31.\")").len(), 0);
}

#[test]
fn every_type_and_field_is_described() {
    let sdl = nat_graphql::sdl();
    let mut bare = Vec::new();
    for definition in parse_schema(&sdl).expect("a schema").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        if definition.node.description.is_none() {
            bare.push(name.clone());
        }
        let fields = match &definition.node.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::InputObject(input) => {
                let of_input = input.fields.iter().filter(|field| field.node.description.is_none());
                bare.extend(of_input.map(|field| format!("{name}.{}", field.node.name.node)));
                continue;
            }
            TypeKind::Enum(values) => {
                let of_enum = values.values.iter().filter(|value| value.node.description.is_none());
                bare.extend(of_enum.map(|value| format!("{name}.{}", value.node.value.node)));
                continue;
            }
            _ => continue,
        };
        for field in fields {
            if field.node.description.is_none() {
                bare.push(format!("{name}.{}", field.node.name.node));
            }
            let arguments = field.node.arguments.iter().filter(|argument| argument.node.description.is_none());
            bare.extend(
                arguments.map(|argument| format!("{name}.{}({})", field.node.name.node, argument.node.name.node)),
            );
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}

#[tokio::test]
async fn deepest_list_takes_few_statements() {
    const DEEPEST: &str = "query($first: Int!) { scans(first: $first) { totalCount nodes { scanId results { planHash } findings(first: 10) { totalCount nodes { \
        title triage { status } detail { curl } scan { scanId findings(first: 2) { nodes { title scan { scanId } } } } } } } } \
        usage { ledger(first: 50) { nodes { scan { scanId } } } } }";
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let target = target().await;
        let mut counts = Vec::new();
        for scans in [2usize, 4, 8] {
            let there = app.data(&key, "{ scans(first: 1) { totalCount } }").await["scans"]["totalCount"].as_u64();
            for _ in usize::try_from(there.expect("a number")).expect("few")..scans {
                app.scan(&key, &target.url).await;
            }
            let before = app.statements();
            let data = app.data_with(&key, DEEPEST, &json!({"first": 50})).await;
            counts.push(app.statements() - before);
            let nodes = data["scans"]["nodes"].as_array().expect("nodes");
            assert_eq!(nodes.len(), scans);
            assert!(nodes.iter().all(|scan| scan["findings"]["nodes"][0]["detail"]["curl"].is_string()), "{data}");
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        // A loader may be asked a moment later than its neighbour, and asks once more then.
        assert!(least > Some(&5) && most <= least.map(|least| least + 4).as_ref() && most <= Some(&24), "{counts:?}");
    })
    .await;
}
