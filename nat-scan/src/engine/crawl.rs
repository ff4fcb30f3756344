//! An API without a document: follow links a little and infer which GET operations there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::{Value, json};
use url::Url;

use super::fingerprint::CatchAll;
use super::scout::{Scout, path_and_query};
use crate::schema::Schema;
use crate::spec::{Api, Location, Operation, Parameter, ResponseSpec, SpecVersion, StatusPattern, Style};
use crate::transport::Response;

/// GET requests of a crawl.
const MAX_PAGES: usize = 50;
/// Links taken from one page.
const MAX_LINKS: usize = 100;
/// Longer links are noise.
const MAX_LINK: usize = 1_000;
/// Nesting of JSON that is searched for links.
const MAX_DEPTH: usize = 12;
/// Values kept of one parameter.
const MAX_EXAMPLES: usize = 3;

#[expect(clippy::unwrap_used, reason = "a constant pattern")]
static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?i)\b(?:href|src|action|data-url)\s*=\s*["']([^"'#\s]{1,1000})"#).unwrap());

/// What is known of one template.
#[derive(Default)]
struct Found {
    /// Values of the path parameters, in order.
    ids: Vec<BTreeSet<String>>,
    query: BTreeMap<String, BTreeSet<String>>,
}

/// An API inferred from links. Its answers are not documented: only checks that need no document apply.
pub(super) async fn crawl(scout: &Scout<'_>, base_path: &str, unknown: &CatchAll) -> Api {
    let start = format!("{base_path}/");
    let mut queue = VecDeque::from([start.clone()]);
    let mut seen = BTreeSet::from([start]);
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut pages = 0;
    while let Some(path) = queue.pop_front() {
        if pages >= MAX_PAGES {
            break;
        }
        pages += 1;
        let Some((url, response)) = scout.get(&path, "application/json, text/html;q=0.8, */*;q=0.5").await else {
            continue;
        };
        let is_start = pages == 1;
        if !is_start && (response.status == 404 || unknown.matches(&response)) {
            continue;
        }
        if let Some(relative) = below(url.path(), base_path) {
            note(&mut found, relative, &url);
        }
        for link in links(&url, &response) {
            let wanted = link.origin() == scout.target.origin() && below(link.path(), base_path).is_some();
            let target = path_and_query(&link);
            if wanted && is_worth_a_visit(link.path()) && seen.len() < 20 * MAX_PAGES && seen.insert(target.clone()) {
                queue.push_back(target);
            }
        }
    }
    infer(found)
}

/// The path below the base path, starting with `/`.
fn below<'a>(path: &'a str, base_path: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base_path)?;
    if rest.is_empty() { Some("/") } else { rest.starts_with('/').then_some(rest) }
}

/// Neither a static asset nor something that a GET might undo.
fn is_worth_a_visit(path: &str) -> bool {
    const ASSETS: [&str; 16] = [
        ".css", ".js", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".woff", ".woff2", ".ttf", ".map", ".pdf",
        ".zip", ".gz", ".mp4",
    ];
    const RISKY: [&str; 6] = ["logout", "signout", "sign-out", "delete", "remove", "unsubscribe"];
    let path = path.to_ascii_lowercase();
    !ASSETS.iter().any(|end| path.ends_with(end)) && !RISKY.iter().any(|word| path.contains(word))
}

/// Links in headers, HTML and JSON, resolved.
fn links(page: &Url, response: &Response) -> Vec<Url> {
    let mut raw: Vec<String> = response.header("location").map(str::to_owned).into_iter().collect();
    if let Some(link) = response.header("link") {
        raw.extend(link.split('<').skip(1).filter_map(|part| Some(part.split_once('>')?.0.to_owned())));
    }
    if response.is_json() {
        if let Ok(value) = serde_json::from_slice::<Value>(&response.body) {
            json_links(&value, "", MAX_DEPTH, &mut raw);
        }
    } else {
        let text = String::from_utf8_lossy(&response.body);
        raw.extend(LINK.captures_iter(&text).filter_map(|c| Some(c.get(1)?.as_str().replace("&amp;", "&"))));
    }
    raw.truncate(MAX_LINKS);
    raw.iter().filter(|link| link.len() <= MAX_LINK).filter_map(|link| page.join(link.trim()).ok()).collect()
}

/// Strings that are links by their form, or by their key.
fn json_links(value: &Value, key: &str, depth: usize, out: &mut Vec<String>) {
    if depth == 0 || out.len() >= MAX_LINKS {
        return;
    }
    match value {
        Value::String(text) => {
            let by_key =
                ["href", "url", "uri", "next", "prev", "previous", "first", "last", "self", "link", "location"]
                    .iter()
                    .any(|known| key.eq_ignore_ascii_case(known))
                    || key.to_ascii_lowercase().ends_with("_url");
            let by_form = text.starts_with("http://") || text.starts_with("https://") || text.starts_with('/');
            if (by_key || by_form) && !text.contains(char::is_whitespace) && !text.contains('{') && !text.is_empty() {
                out.push(text.clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| json_links(item, key, depth - 1, out)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            // `{"next": {"href": …}}`: the inner key decides.
            json_links(member, name, depth - 1, out);
        }),
        _ => {}
    }
}

fn note(found: &mut BTreeMap<String, Found>, path: &str, url: &Url) {
    let mut ids = Vec::new();
    let segments = path.split('/').map(|segment| {
        if !is_id(segment) {
            return segment.to_owned();
        }
        ids.push(segment.to_owned());
        if ids.len() == 1 { "{id}".to_owned() } else { format!("{{id{}}}", ids.len()) }
    });
    let template = segments.collect::<Vec<_>>().join("/");
    let entry = found.entry(template).or_default();
    entry.ids.resize_with(ids.len(), BTreeSet::new);
    for (values, id) in entry.ids.iter_mut().zip(ids) {
        values.insert(id);
    }
    for (name, value) in url.query_pairs() {
        entry.query.entry(name.into_owned()).or_default().insert(value.into_owned());
    }
}

/// A segment that names one thing rather than a kind of thing.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.len() >= 12 && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') && digits > 0;
    let opaque = segment.len() >= 20 && digits >= 3 && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (!segment.is_empty() && digits == segment.len()) || hex || opaque
}

fn infer(found: BTreeMap<String, Found>) -> Api {
    let operations = found
        .into_iter()
        .enumerate()
        .map(|(index, (path, found))| {
            let mut parameters: Vec<Parameter> = found
                .ids
                .iter()
                .enumerate()
                .map(|(at, values)| {
                    let name = if at == 0 { "id".to_owned() } else { format!("id{}", at + 1) };
                    parameter(name, Location::Path, values)
                })
                .collect();
            parameters.extend(found.query.into_iter().map(|(name, values)| parameter(name, Location::Query, &values)));
            Operation {
                index,
                method: "GET".to_owned(),
                path,
                operation_id: None,
                tags: Vec::new(),
                parameters,
                body: None,
                responses: vec![ResponseSpec {
                    status: StatusPattern::Default,
                    headers: Vec::new(),
                    content: Vec::new(),
                    links: Vec::new(),
                    pointer: String::new(),
                }],
                security: Vec::new(),
                deprecated: false,
                pointer: String::new(),
                unusable: None,
            }
        })
        .collect();
    Api {
        title: "Inferred from links".to_owned(),
        version: String::new(),
        spec_version: SpecVersion::Inferred,
        servers: Vec::new(),
        operations,
        security_schemes: BTreeMap::new(),
        oauth_flows: Vec::new(),
        warnings: Vec::new(),
        digest: String::new(),
    }
}

fn parameter(name: String, location: Location, values: &BTreeSet<String>) -> Parameter {
    let numeric = !values.is_empty() && values.iter().all(|value| value.parse::<i64>().is_ok());
    let node =
        if numeric { json!({"type": "integer", "minimum": 1}) } else { json!({"type": "string", "minLength": 1}) };
    let examples = values.iter().take(MAX_EXAMPLES).map(|value| match value.parse::<i64>() {
        Ok(number) if numeric => json!(number),
        _ => json!(value),
    });
    Parameter {
        required: location == Location::Path,
        style: if location == Location::Path { Style::Simple } else { Style::Form },
        explode: location == Location::Query,
        schema: Schema::new(node, Arc::default(), ""),
        content_type: None,
        examples: examples.collect(),
        pointer: String::new(),
        name,
        location,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_is_an_id_when_it_names_one_thing() {
        let check = |segment: &str, expected: bool| assert_eq!(is_id(segment), expected, "{segment}");
        check("42", true);
        check("6f1c2a9e-0b1d-4c55-9d2e-0123456789ab", true);
        check("01J9ZQ8K7M5T3V1X9B7D5F3H1K", true);
        check("users", false);
        check("v2", false);
        check("", false);
        check("deadbeef", false);
        check("internationalization", false);
    }

    #[test]
    fn links_come_from_headers_html_and_json() {
        let page = Url::parse("http://h/a/").unwrap();
        let check = |media: &str, body: &str, expected: &[&str]| {
            let response = crate::engine::fake::respond(200, media, body);
            let found: Vec<String> = links(&page, &response).iter().map(path_and_query).collect();
            assert_eq!(found, expected, "{body}");
        };
        check("text/html", r#"<a href="b?x=1&amp;y=2"> <script src='/c.js'>"#, &["/a/b?x=1&y=2", "/c.js"]);
        check("application/json", r#"{"next":{"href":"/p?page=2"},"note":"a/b"}"#, &["/p?page=2"]);
        check("application/hal+json", r#"{"_links":{"self":{"href":"7"}}}"#, &["/a/7"]);
    }
}
