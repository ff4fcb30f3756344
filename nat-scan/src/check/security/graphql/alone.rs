//! Checks that ask one question of each endpoint.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, endpoints};
use super::infos::{
    ALIASES_INFO, BATCHES_INFO, CSRF_INFO, DIRECTIVES_INFO, ERRORS_INFO, IDE_INFO, INTROSPECTION_INFO, REPEATS_INFO,
    SUGGESTIONS_INFO, TRACING_INFO,
};
use super::{Question, finding, is_executed, prove};
use crate::check::security::{is_success, rightful};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, trace};
use crate::finding::Finding;
use crate::transport::Request;

/// What is given away helps an attacker and harms nobody by itself.
const HELPS: Option<&str> = Some("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N");
const LOAD: Option<&str> = Some("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:L");
const FORGED: Option<&str> = Some("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:N/I:L/A:N");
const LEAKS: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N");

const ALIASED: usize = 101;
const REPEATED: usize = 501;
const BATCHED: usize = 10;
/// More than the limits that are usual where there is one.
const DIRECTIVES_ASKED: usize = 60;

/// One check: its questions in order; the first that proves the defect is reported.
pub(super) struct Alone {
    info: &'static CheckInfo,
    vector: Option<&'static str>,
    questions: fn(&SecurityContext<'_>, &Endpoint) -> Vec<Question>,
}

/// Q-INTRO.
pub(super) const INTROSPECTION: Alone = Alone { info: &INTROSPECTION_INFO, vector: HELPS, questions: introspection };
/// Q-SUGG.
pub(super) const SUGGESTIONS: Alone = Alone { info: &SUGGESTIONS_INFO, vector: HELPS, questions: suggestions };
/// Q-ALIAS.
pub(super) const ALIASES: Alone = Alone { info: &ALIASES_INFO, vector: LOAD, questions: aliases };
/// Q-DIR.
pub(super) const DIRECTIVES: Alone = Alone { info: &DIRECTIVES_INFO, vector: LOAD, questions: directives };
/// Q-DUP.
pub(super) const REPEATS: Alone = Alone { info: &REPEATS_INFO, vector: LOAD, questions: repeats };
/// Q-BATCH.
pub(super) const BATCHES: Alone = Alone { info: &BATCHES_INFO, vector: LOAD, questions: batches };
/// Q-CSRF.
pub(super) const MUTATION_BY_FORM: Alone = Alone { info: &CSRF_INFO, vector: FORGED, questions: by_form };
/// Q-IDE.
pub(super) const IDE: Alone = Alone { info: &IDE_INFO, vector: None, questions: ide };
/// Q-TRACE.
pub(super) const TRACING: Alone = Alone { info: &TRACING_INFO, vector: HELPS, questions: tracing };
/// Q-ERR.
pub(super) const TRACES_OF_ERRORS: Alone = Alone { info: &ERRORS_INFO, vector: LEAKS, questions: errors };

#[async_trait]
impl SecurityCheck for Alone {
    fn info(&self) -> &'static CheckInfo {
        self.info
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for endpoint in endpoints(cx).await {
            for question in (self.questions)(cx, &endpoint) {
                if let Some(proof) = prove(cx, endpoint.operation, &question).await {
                    let says = (question.location, question.explanation.as_str());
                    found.push(finding(cx, self.info, endpoint.operation, says, self.vector, &proof));
                    break;
                }
            }
        }
        found
    }
}

fn introspection(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let types = |exchange: &Exchange| {
        let types = exchange.json().and_then(|json| json.pointer("/data/__schema/types"));
        types.and_then(Value::as_array).is_some_and(|types| types.iter().any(|one| one["name"].is_string()))
    };
    vec![Question {
        probe: endpoint.ask("{__schema{queryType{name} types{name}}}"),
        control: Some(endpoint.ask(&format!("{{__schema{{{}}}}}", cx.prober.nonce()))),
        shows: Box::new(types),
        who: As::Anonymous,
        location: "introspection",
        explanation: "Anybody without credentials gets the list of all types, also those of internal use.".to_owned(),
    }]
}

fn suggestions(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let known = endpoint.schema.iter().flat_map(|schema| schema.queries());
    let mut names: Vec<&str> = known.map(|field| field.name.as_str()).filter(|name| name.len() >= 4).take(2).collect();
    if names.is_empty() {
        names.extend(["users", "viewer", "search", "products"]);
    }
    let suggests = |exchange: &Exchange| {
        let errors = exchange.json().and_then(|json| json.get("errors")?.as_array());
        errors.into_iter().flatten().filter_map(|error| error.get("message")?.as_str()).any(|message| {
            let message = message.to_ascii_lowercase();
            message.contains("did you mean")
        })
    };
    let question = |name: &str| Question {
        probe: endpoint.ask(&format!("{{{name}q}}")),
        control: Some(endpoint.ask(&format!("{{{}}}", cx.prober.nonce()))),
        shows: Box::new(suggests),
        who: rightful(cx),
        location: "suggestions",
        explanation: format!("The error about the field '{name}q' suggests names of the schema that are near to it."),
    };
    names.into_iter().map(question).collect()
}

/// What costs the server something and takes no arguments.
fn cheap(endpoint: &Endpoint) -> String {
    let Some(schema) = &endpoint.schema else { return "__typename".to_owned() };
    let plain = |field: &&super::schema::Field| field.is_plain() && !field.of.list;
    match schema.queries().iter().find(plain) {
        Some(field) if field.of.is_leaf() => field.name.clone(),
        Some(field) => format!("{}{{__typename}}", field.name),
        None => "__typename".to_owned(),
    }
}

fn aliases(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let all = |last: &str| {
        let field = cheap(endpoint);
        let mut query: Vec<String> = (1..ALIASED).map(|number| format!("a{number}:{field}")).collect();
        query.push(format!("a0:{last}"));
        format!("{{{}}}", query.join(" "))
    };
    let executed = |exchange: &Exchange| {
        let data = exchange.json().and_then(|json| json.get("data")?.as_object());
        is_executed(exchange) && data.is_some_and(|data| data.len() == ALIASED)
    };
    vec![Question {
        probe: endpoint.ask(&all(&cheap(endpoint))),
        control: Some(endpoint.ask(&all(&cx.prober.nonce()))),
        shows: Box::new(executed),
        who: rightful(cx),
        location: "aliases",
        explanation: format!("One query with {ALIASED} aliases of the same field is executed {ALIASED} times."),
    }]
}

fn repeats(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let field = cheap(endpoint);
    let all = |last: &str| format!("{{{} {last}}}", vec![field.as_str(); REPEATED - 1].join(" "));
    vec![Question {
        probe: endpoint.ask(&all(&field)),
        control: Some(endpoint.ask(&all(&cx.prober.nonce()))),
        shows: Box::new(is_executed),
        who: rightful(cx),
        location: "repeats",
        explanation: format!(
            "A query with the same field {REPEATED} times is executed: the server reads, compares and merges every one of them."
        ),
    }]
}

fn directives(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    // Each of another name: that one is repeated would be an error of its own.
    let unknown = cx.prober.nonce();
    let directives = |count: usize| (0..count).map(|number| format!(" @{unknown}{number}")).collect::<String>();
    // Some servers do not look at what stands at `__typename`.
    let field = cheap(endpoint);
    let (name, inner) = field.split_at(field.find('{').unwrap_or(field.len()));
    let asked = |count: usize| endpoint.ask(&format!("{{{name}{}{inner}}}", directives(count)));
    let each_is_refused = |exchange: &Exchange| {
        let errors = exchange.json().and_then(|json| json.get("errors")?.as_array());
        errors.is_some_and(|errors| errors.len() >= DIRECTIVES_ASKED)
    };
    vec![Question {
        probe: asked(DIRECTIVES_ASKED),
        control: Some(asked(1)),
        shows: Box::new(each_is_refused),
        who: rightful(cx),
        location: "directives",
        explanation: format!(
            "{DIRECTIVES_ASKED} directives at one field are all looked up, and each gets an error of its own: neither \
             their number nor that of the errors has a limit."
        ),
    }]
}

fn batches(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    if endpoint.by_get() {
        return Vec::new();
    }
    let batch = |query: &str| endpoint.post(&Value::from(vec![json!({ "query": query }); BATCHED]));
    let executed = |exchange: &Exchange| {
        let answers = exchange.json().and_then(Value::as_array).filter(|_| is_success(exchange));
        let is_answer = |answer: &Value| answer.pointer("/data/__typename").is_some_and(Value::is_string);
        answers.is_some_and(|answers| answers.len() == BATCHED && answers.iter().all(is_answer))
    };
    vec![Question {
        probe: batch("{__typename}"),
        control: Some(batch(&format!("{{{}}}", cx.prober.nonce()))),
        shows: Box::new(executed),
        who: rightful(cx),
        location: "batch",
        explanation: format!(
            "An array of {BATCHED} queries in one request is executed: limits that count requests do not count them."
        ),
    }]
}

fn by_form(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let expected = match &endpoint.schema {
        Some(schema) => schema.mutation.clone(),
        None => Some("Mutation".to_owned()),
    };
    let Some(expected) = expected else { return Vec::new() };
    let ways = [
        (
            "GET",
            Some(endpoint.get("mutation{__typename}")),
            endpoint.get(&format!("mutation{{{}}}", cx.prober.nonce())),
        ),
        ("form", endpoint.form("mutation{__typename}"), endpoint.get(&format!("mutation{{{}}}", cx.prober.nonce()))),
    ];
    let question = |(way, probe, control): (&'static str, Option<Request>, Request)| {
        let expected = expected.clone();
        let executed = move |exchange: &Exchange| {
            let name = exchange.json().and_then(|json| json.pointer("/data/__typename")?.as_str());
            is_executed(exchange) && name == Some(expected.as_str())
        };
        Some(Question {
            probe: probe?,
            control: Some(control),
            shows: Box::new(executed),
            who: rightful(cx),
            location: "mutation",
            explanation: format!(
                "A mutation is executed by {way}, which any page of another site can make a browser send. It matters \
                 where the server takes cookies or Basic credentials."
            ),
        })
    };
    ways.into_iter().filter_map(question).collect()
}

fn ide(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let page = |path: &str| {
        let mut request = Request::new("GET", path);
        request.set_header("Accept", "text/html");
        request
    };
    let parent = endpoint.target.rsplit_once('/').map_or("", |(parent, _)| parent);
    let shows = |exchange: &Exchange| {
        let Some(response) = exchange.response().filter(|_| is_success(exchange)) else { return false };
        let html = response.media_type().is_some_and(|media| media.contains("html"));
        let body = String::from_utf8_lossy(&response.body[..response.body.len().min(256 << 10)]).to_ascii_lowercase();
        let marks = ["graphiql", "graphql playground", "graphql-playground", "altair graphql", "embeddedsandbox"];
        html && marks.iter().any(|mark| body.contains(mark))
    };
    let places = [endpoint.target.clone(), format!("{parent}/graphiql"), format!("{parent}/playground")];
    let question = |place: &String| Question {
        probe: page(place),
        control: Some(page(&format!("{parent}/{}", cx.prober.nonce()))),
        shows: Box::new(shows),
        who: As::Anonymous,
        location: "ide",
        explanation: format!("{place} gives a page to write queries with to anybody."),
    };
    places.iter().map(question).collect()
}

fn tracing(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let traced = |exchange: &Exchange| {
        let extensions = exchange.json().and_then(|json| json.get("extensions"));
        let tracing = extensions.and_then(|extensions| extensions.get("tracing"));
        let times =
            tracing.is_some_and(|tracing| tracing.get("startTime").is_some() || tracing.get("execution").is_some());
        times || extensions.and_then(|extensions| extensions.get("ftv1")).is_some_and(Value::is_string)
    };
    vec![Question {
        probe: endpoint.ask("{__typename}"),
        control: None,
        shows: Box::new(traced),
        who: rightful(cx),
        location: "extensions",
        explanation: "Answers tell how long each resolver took: what differs by user or by value can be measured."
            .to_owned(),
    }]
}

fn errors(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Vec<Question> {
    let leaks = |exchange: &Exchange| {
        let errors = exchange.json().and_then(|json| json.get("errors")?.as_array());
        let is_trace = |error: &Value| {
            let trace = error.pointer("/extensions/exception/stacktrace").or(error.pointer("/extensions/stacktrace"));
            trace.and_then(Value::as_array).is_some_and(|frames| frames.len() > 1)
        };
        let found = exchange.response().and_then(|response| trace::find(response, exchange.json()));
        errors.into_iter().flatten().any(is_trace) || found.is_some_and(|leak| leak.strong)
    };
    let question = |query: &str| Question {
        probe: endpoint.ask(query),
        control: Some(endpoint.ask("{__typename}")),
        shows: Box::new(leaks),
        who: rightful(cx),
        location: "errors",
        explanation: "The answer to a wrong query holds the stack trace of the server.".to_owned(),
    };
    let unknown = format!("{{{}}}", cx.prober.nonce());
    [unknown.as_str(), "{__typename", "query($a:Int!){__typename}"].into_iter().map(question).collect()
}
