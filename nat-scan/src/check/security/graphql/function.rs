//! Q-BFLA: queries and mutations of administrators that anybody can run.

use async_trait::async_trait;
use serde_json::Value;

use super::bola::{MAX_PAIRS, Pair, create, holds, leaves, pairs, query, written};
use super::endpoint::{Endpoint, endpoints};
use super::schema::{Argument, Field, Schema};
use super::{Proof, finding, is_executed};
use crate::chain::tokens;
use crate::check::security::authorization::names::{is_privileged_place, is_secret, names_id};
use crate::check::security::{another, rating};
use crate::check::shape::skeleton;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Turn};
use crate::finding::Finding;

/// Q-BFLA.
pub(super) struct ForeignFunction;

static INFO: CheckInfo = CheckInfo {
    id: "Q-BFLA",
    title: "GraphQL function of administrators can be called by others",
    description: "A query or a mutation that is meant for people with more rights is executed for others, while another one like it refuses them.",
    remediation: "Check the role in the resolver, or in one directive for all such fields, and refuse by default.",
    cwe: &["CWE-285", "CWE-862"],
    owasp: Some("API5:2023"),
};

/// With `PR:?`.
const READ: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:N/S:U/C:H/I:N/A:N";
const WRITE: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:N/S:U/C:N/I:H/A:N";

/// Fields of one kind that are asked, an endpoint.
const MAX_ASKED: usize = 8;

#[async_trait]
impl SecurityCheck for ForeignFunction {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if !cx.prober.has(As::Primary) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for endpoint in endpoints(cx).await {
            let Some(schema) = &endpoint.schema else { continue };
            let scene = Scene { cx, endpoint: &endpoint, schema };
            let Some(refusal) = scene.refusal().await else { continue };
            for field in scene.reads().take(cx.at_most(MAX_ASKED)) {
                found.extend(scene.read(field, &refusal).await);
            }
            if cx.safe_mode {
                continue;
            }
            for (pair, field, id) in changes(schema).into_iter().take(cx.at_most(MAX_PAIRS)) {
                found.extend(scene.change(&Change { pair: &pair, field, id }, &refusal).await);
            }
        }
        found
    }
}

/// Its name says that it is not for everybody.
fn is_privileged(field: &Field) -> bool {
    is_privileged_place(&tokens(&field.name))
}

/// Privileged mutations that take the id of a thing that the scan can make, and nothing else: what they do they do to
/// this thing.
fn changes(schema: &Schema) -> Vec<(Pair<'_>, &Field, &Argument)> {
    let mutations = schema.mutation.as_deref().map_or(&[][..], |name| schema.fields(name));
    let mut found = Vec::new();
    for field in mutations.iter().filter(|field| is_privileged(field)) {
        let words = tokens(&field.name);
        if words.iter().any(|word| ["all", "every", "everything"].contains(&word.as_str())) {
            continue;
        }
        let suits = |pair: &Pair<'_>| {
            let noun = tokens(&pair.read.of.name);
            words.windows(noun.len().max(1)).any(|window| window == noun)
        };
        let Some(pair) = pairs(schema).into_iter().find(suits) else { continue };
        let mut required = field.arguments.iter().filter(|argument| argument.required);
        let (Some(id), None) = (required.next(), required.next()) else { continue };
        let noun = pair.read.of.name.to_ascii_lowercase();
        let is_id = id.name.to_ascii_lowercase().ends_with("id") && names_id(&id.name, &pair.id.name, &noun);
        if is_id && !id.of.list && ["ID", "String", "Int"].contains(&id.of.name.as_str()) {
            found.push((pair, field, id));
        }
    }
    found
}

struct Change<'a> {
    pair: &'a Pair<'a>,
    field: &'a Field,
    id: &'a Argument,
}

/// Roles matter at this endpoint: a privileged query that refuses the user, and answers the administrator if there is one.
struct Refusal {
    field: String,
    exchange: Exchange,
}

/// What a mutation did to a thing, as its owner sees it.
struct Try {
    before: Exchange,
    write: Exchange,
    happened: bool,
}

struct Scene<'a> {
    cx: &'a SecurityContext<'a>,
    endpoint: &'a Endpoint,
    schema: &'a Schema,
}

impl Scene<'_> {
    /// Privileged queries that need nothing.
    fn reads(&self) -> impl Iterator<Item = &Field> {
        self.schema.queries().iter().filter(|field| is_privileged(field) && field.is_plain())
    }

    async fn ask(&self, query: &str, who: As) -> Option<Exchange> {
        self.cx.prober.send(self.endpoint.operation, self.endpoint.ask(query), who).await
    }

    /// With what its type has at once, or one level below.
    fn written(&self, field: &Field) -> Option<String> {
        if field.of.is_leaf() {
            return Some(format!("{{asked:{}}}", field.name));
        }
        let mut inner = leaves(self.schema, &field.of.name);
        if inner.is_empty() {
            let below = self.schema.fields(&field.of.name).iter().filter(|one| one.is_plain() && !one.of.is_leaf());
            let below = below.map(|one| (&one.name, leaves(self.schema, &one.of.name)));
            let below = below.filter(|(_, inner)| !inner.is_empty()).take(3);
            inner = below.map(|(name, inner)| format!("{name}{{{inner}}}")).collect::<Vec<_>>().join(" ");
        }
        (!inner.is_empty()).then(|| format!("{{asked:{}{{{inner}}}}}", field.name))
    }

    async fn refusal(&self) -> Option<Refusal> {
        for field in self.reads().take(self.cx.at_most(MAX_ASKED)) {
            let Some(query) = self.written(field) else { continue };
            let exchange = self.ask(&query, As::Primary).await?;
            if given(&exchange).is_some() || !is_denied(&exchange, self.cx.prober.has(As::Admin)) {
                continue;
            }
            if self.cx.prober.has(As::Admin) && given(&self.ask(&query, As::Admin).await?).is_none() {
                continue;
            }
            return Some(Refusal { field: field.name.clone(), exchange });
        }
        None
    }

    async fn read(&self, field: &Field, refusal: &Refusal) -> Option<Finding> {
        let query = self.written(field).filter(|_| field.name != refusal.field)?;
        let probe = self.ask(&query, As::Primary).await?;
        let shown = given(&probe).filter(|shown| skeleton(shown).len() > 1)?;
        let baseline = if self.cx.prober.has(As::Admin) { Some(self.ask(&query, As::Admin).await?) } else { None };
        if let Some(admin) = &baseline {
            // Who is given less than an administrator was recognised.
            given(admin).filter(|full| skeleton(full) == skeleton(shown))?;
        }
        let public = self.ask(&query, As::Anonymous).await?;
        // What everybody may see is no function of anybody, unless nobody should.
        let open = given(&public).is_some();
        if open && !has_secret(shown) {
            return None;
        }
        let control = if open { refusal.exchange.twin() } else { public };
        let repeat = self.ask(&query, another(self.cx)).await?;
        given(&repeat).filter(|shown| skeleton(shown).len() > 1)?;
        let who = if open { "anybody without credentials" } else { "an ordinary user" };
        let same = if baseline.is_some() { " the same as to an administrator" } else { "" };
        let explanation = format!(
            "The query '{}' is for people with more rights by its name; it answers {who}{same}. '{}' refuses this user.",
            field.name, refusal.field
        );
        let proof = Proof { baseline, probe, control: Some(control), repeat };
        Some(self.finding(&format!("query {}", field.name), &explanation, (READ, open), &proof))
    }

    async fn change(&self, change: &Change<'_>, refusal: &Refusal) -> Option<Finding> {
        let name = &change.field.name;
        let first = self.once(change, another(self.cx)).await.filter(|first| first.happened)?;
        let public = self.once(change, As::Anonymous).await?;
        let repeat = self.once(change, another(self.cx)).await.filter(|repeat| repeat.happened)?;
        let open = public.happened;
        let who = if open { "anybody without credentials" } else { "an ordinary user" };
        let explanation = format!(
            "The mutation '{name}' is for people with more rights by its name; {who} can run it, and what '{}' had made \
             for this was changed by it. '{}' refuses this user.",
            change.pair.create.name, refusal.field
        );
        let control = if open { refusal.exchange.twin() } else { public.write };
        let proof =
            Proof { baseline: Some(first.before), probe: first.write, control: Some(control), repeat: repeat.write };
        Some(self.finding(&format!("mutation {name}"), &explanation, (WRITE, open), &proof))
    }

    /// Runs it on a thing of the first user that is made for this, and looks at the thing as this user.
    async fn once(&self, change: &Change<'_>, who: As) -> Option<Try> {
        let (mark, id) = create(self.cx, self.endpoint, self.schema, change.pair).await?;
        let read = query(self.schema, change.pair, &id);
        let before = self.ask(&read, As::Primary).await?;
        let again = self.ask(&read, As::Primary).await?;
        // What changes by itself tells nothing.
        if !holds(&before, &mark) || before.json() != again.json() {
            return None;
        }
        let write = self.ask(&written_change(change, &id), who).await?;
        let after = self.ask(&read, As::Primary).await?;
        let done = is_executed(&write) && write.json()?.pointer("/data/asked").is_some_and(|asked| !asked.is_null());
        let happened = done && after.status().is_some_and(|status| status < 500) && after.json() != before.json();
        Some(Try { before, write, happened })
    }

    fn finding(&self, location: &str, explanation: &str, (vector, open): (&str, bool), proof: &Proof) -> Finding {
        let vector = rating(vector, open);
        finding(self.cx, &INFO, self.endpoint.operation, (location, explanation), Some(&vector), proof)
    }
}

fn written_change(change: &Change<'_>, id: &Value) -> String {
    let inner = if change.field.of.is_leaf() { "" } else { "{__typename}" };
    format!("mutation{{asked:{}({}:{}){inner}}}", change.field.name, change.id.name, written(change.id, id))
}

/// What was asked for, when nothing was refused.
fn given(exchange: &Exchange) -> Option<&Value> {
    let asked = is_executed(exchange).then(|| exchange.json()?.pointer("/data/asked")).flatten();
    asked.filter(|asked| !asked.is_null())
}

/// The resolver refused, in words or with a code. Where an administrator is asked the same, any error will do.
fn is_denied(exchange: &Exchange, compared: bool) -> bool {
    const WORDS: [&str; 8] =
        ["forbidden", "unauthori", "not authori", "not allowed", "permission", "denied", "privilege", "admin"];
    if matches!(exchange.status(), Some(401 | 403)) {
        return true;
    }
    let errors = exchange.json().and_then(|json| json.get("errors")?.as_array());
    errors.into_iter().flatten().any(|error| {
        let code = error.pointer("/extensions/code").and_then(Value::as_str).unwrap_or_default();
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{code} {message}").to_ascii_lowercase();
        compared || WORDS.iter().any(|word| text.contains(word))
    })
}

fn has_secret(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, member)| (is_secret(name) && !member.is_null()) || has_secret(member))
        }
        Value::Array(items) => items.iter().any(has_secret),
        _ => false,
    }
}
