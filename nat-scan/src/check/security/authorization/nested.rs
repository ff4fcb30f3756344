//! S-BOLA-N: a reference in a request opens another user's object.

use async_trait::async_trait;
use serde_json::Value;

use super::ground::{Own, grounds, has_two, holds, own, resembles, result, told};
use super::names::stranger;
use crate::chain::key;
use crate::check::stateful::{Resource, Stage};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{Argument, BodyValue, Case};
use crate::spec::{Location, Operation};

/// S-BOLA-N.
pub(super) struct ForeignReference;

static INFO: CheckInfo = CheckInfo {
    id: "S-BOLA-N",
    title: "A reference gives access to another user's object",
    description: "A request names an object of another user in its body, query or headers, and the answer holds that object's content, though asking for the object itself is refused.",
    remediation: "Check who owns every object that a request refers to, not only the one in the path.",
    cwe: &["CWE-639"],
    owasp: Some("API1:2023"),
};

const READ: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N";

/// References that are tried in one scan.
const MAX_REFERENCES: usize = 60;
/// Levels of a body that are looked at.
const MAX_DEPTH: usize = 3;

/// A place in a request that names a thing.
#[derive(Clone, Debug, PartialEq)]
enum Spot {
    Argument(usize),
    /// JSON pointer.
    Body(String),
}

struct Reference<'a> {
    operation: &'a Operation,
    location: String,
    spot: Spot,
}

#[async_trait]
impl SecurityCheck for ForeignReference {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if !has_two(cx) {
            return found;
        }
        let around = cx.surroundings();
        let mut left = cx.at_most(MAX_REFERENCES);
        for resource in grounds(cx) {
            let stage = Stage::new(&around, &resource);
            let references = references(cx, &stage);
            if references.is_empty() {
                continue;
            }
            for reference in references.into_iter().take(left) {
                left -= 1;
                found.extend(attempt(cx, &stage, &reference).await);
            }
        }
        found
    }
}

/// Places outside of paths that name a thing of this resource.
fn references<'a>(cx: &SecurityContext<'a>, stage: &Stage<'_>) -> Vec<Reference<'a>> {
    let resource = stage.resource;
    let mut found = Vec::new();
    let usable =
        |one: &&Operation| one.method != "DELETE" && !one.path.contains('{') && !crate::chain::destroys(&one.path);
    for operation in cx.api.operations.iter().filter(usable) {
        if resource.create == Some(operation.index) {
            continue;
        }
        for (index, parameter) in operation.parameters.iter().enumerate() {
            if parameter.location != Location::Path && refers(&parameter.name, resource) {
                let location = format!("{} {}", parameter.location.as_str(), parameter.name);
                found.push(Reference { operation, location, spot: Spot::Argument(index) });
            }
        }
        let Some(Case { body: Some(BodyValue::Typed { value, .. }), .. }) = stage.case(operation.index) else {
            continue;
        };
        let mut pointers = Vec::new();
        walk(&value, &mut String::new(), 0, resource, &mut pointers);
        found.extend(pointers.into_iter().map(|pointer| {
            let location = format!("body {}", slot(&pointer));
            Reference { operation, location, spot: Spot::Body(pointer) }
        }));
    }
    found
}

/// `parcel_id`, `parcelId`, `X-Parcel-Id`, `parcel`.
fn refers(name: &str, resource: &Resource) -> bool {
    let own = key(name);
    let own = own.strip_prefix("x_").unwrap_or(&own);
    let noun = resource.noun.as_str();
    let path = key(&resource.key);
    !noun.is_empty()
        && (own == noun
            || ["id", "uuid", "key"].iter().any(|end| own == format!("{noun}_{end}"))
            || (own == path && path.contains('_')))
}

fn walk(value: &Value, pointer: &mut String, depth: usize, resource: &Resource, found: &mut Vec<String>) {
    let length = pointer.len();
    for (name, member) in value.as_object().into_iter().flatten() {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match member {
            Value::Object(_) if depth < MAX_DEPTH => walk(member, pointer, depth + 1, resource, found),
            Value::Array(items) if refers(name, resource) && items.first().is_some_and(is_id) => {
                found.push(format!("{pointer}/0"));
            }
            scalar if is_id(scalar) && refers(name, resource) => found.push(pointer.clone()),
            _ => {}
        }
        pointer.truncate(length);
    }
}

fn is_id(value: &Value) -> bool {
    value.is_string() || value.is_number()
}

fn slot(pointer: &str) -> String {
    pointer.strip_suffix("/0").map_or_else(|| pointer.to_owned(), |outer| format!("{outer}/[]"))
}

/// The answer to a request with this id in the place, or what the thing that it made shows.
async fn ask(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    reference: &Reference<'_>,
    id: &Value,
    mine: &Own,
) -> Option<Exchange> {
    let mut case = stage.case(reference.operation.index)?;
    match &reference.spot {
        Spot::Argument(parameter) => {
            case.arguments.retain(|argument| argument.parameter != *parameter);
            case.arguments.push(Argument { parameter: *parameter, value: id.clone() });
        }
        Spot::Body(pointer) => match &mut case.body {
            Some(BodyValue::Typed { value, .. }) => value.pointer_mut(pointer)?.clone_from(id),
            _ => return None,
        },
    }
    let made = stage.send(reference.operation, &case, &[]).await?;
    if result(cx, &made).is_none()
        || holds(&made, &mine.marks)
        || !matches!(reference.operation.method.as_str(), "POST")
    {
        return Some(made);
    }
    // It may show only when what was made is read.
    let all = crate::check::stateful::resources(cx.api);
    let Some(resource) = all.iter().find(|one| one.create == Some(reference.operation.index) && one.read.is_some())
    else {
        return Some(made);
    };
    let outer = Stage::new(stage.around, resource).acting(stage.who);
    let Some(thing) = outer.create_as(case, &std::collections::BTreeMap::new(), &[]).await else { return Some(made) };
    match outer.read(&thing).await {
        Some((_, shown)) => Some(shown),
        None => Some(made),
    }
}

async fn attempt(cx: &SecurityContext<'_>, stage: &Stage<'_>, reference: &Reference<'_>) -> Option<Finding> {
    let theirs = stage.acting(As::Second);
    let name = &stage.resource.key;
    let mine = own(cx, stage).await.filter(|mine| !mine.marks.is_empty())?;
    let id = mine.thing.path.get(name)?;
    let probe = ask(cx, &theirs, reference, id, &mine).await?;
    result(cx, &probe).filter(|_| holds(&probe, &mine.marks))?;
    // Who may read the object anyway learns nothing new.
    let direct = theirs.call(stage.resource.read?, &mine.thing).await?;
    if resembles(cx, &direct, &mine) {
        return None;
    }
    let other = own(cx, &theirs).await?;
    let baseline = ask(cx, &theirs, reference, other.thing.path.get(name)?, &other).await?;
    let unknown = stranger(id, &cx.prober.word())?;
    let control = ask(cx, &theirs, reference, &unknown, &mine).await?;
    let public = ask(cx, &stage.acting(As::Anonymous), reference, id, &mine).await?;
    if [&baseline, &control, &public].into_iter().any(|answer| holds(answer, &mine.marks)) {
        return None;
    }
    let second = own(cx, stage).await?;
    let repeat = ask(cx, &theirs, reference, second.thing.path.get(name)?, &second).await?;
    result(cx, &repeat).filter(|_| holds(&repeat, &second.marks))?;
    let explanation = format!(
        "A user names an object of another at '{}', and the answer holds words that only its owner's object has. Reading that object is refused to this user ({}).",
        reference.location,
        direct.status().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::Medium, reference.location.clone(), "foreign-reference", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(reference.operation.pointer.clone());
    let evidence = [
        (Role::Baseline, &mine.shown),
        (Role::Probe, &probe),
        (Role::Control, &direct),
        (Role::Control, &control),
        (Role::Repeat, &repeat),
    ];
    Some(told(cx, &INFO, &suspicion, reference.operation, &evidence, &[&mine.thing.made, &probe]).rated(READ))
}
