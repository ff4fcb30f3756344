//! Places where a target may take a URL, and requests with a URL of ours there.

use serde_json::Value;

use crate::callback::{Callback, Hit, Protocol, Reply};
use crate::chain::tokens;
use crate::check::security::constraint::keyword;
use crate::check::security::learned::Fetch;
use crate::check::security::point::{Point, points};
use crate::check::security::{is_success, may_repeat, privileges, rightful, without_credentials};
use crate::check::{Exchange, SecurityContext};
use crate::spec::Operation;
use crate::transport::Request;

/// Places tried in one scan.
const MAX_PLACES: usize = 60;
/// Operations that get headers with a URL.
const MAX_HEADER_OPERATIONS: usize = 4;

/// Words of names that hold URLs.
const URL_WORDS: [&str; 30] = [
    "url",
    "uri",
    "link",
    "href",
    "callback",
    "webhook",
    "hook",
    "redirect",
    "return",
    "next",
    "image",
    "img",
    "avatar",
    "picture",
    "photo",
    "icon",
    "logo",
    "feed",
    "rss",
    "source",
    "src",
    "target",
    "destination",
    "dest",
    "website",
    "site",
    "endpoint",
    "proxy",
    "fetch",
    "import",
];
/// Words of names that hold a host without scheme.
const HOST_WORDS: [&str; 4] = ["host", "hostname", "domain", "server"];
const URL_FORMATS: [&str; 6] = ["uri", "url", "uri-reference", "iri", "iri-reference", "uri-template"];

/// One place.
pub(super) struct Place<'a> {
    pub(super) operation: &'a Operation,
    /// As in findings.
    pub(super) location: String,
    way: Way<'a>,
    /// Takes a name without scheme.
    is_host: bool,
}

enum Way<'a> {
    Point(Box<Point<'a>>),
    Header(&'static str, Request),
}

/// A URL of ours in one of two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With an address: what asks for it needs no name server.
    Address,
    /// With a name of its own: to look it up is enough to be seen.
    Name,
}

/// A request with a URL of ours, and what to look for.
pub(super) struct Attempt {
    pub(super) word: String,
    /// What the listener answers with, and nobody else knows.
    pub(super) secret: String,
    pub(super) exchange: Exchange,
}

impl Attempt {
    /// What the target asked because of it; requests before questions for names.
    pub(super) fn hit(&self, callback: &Callback) -> Option<Hit> {
        let hits = callback.hits(&self.word);
        hits.iter().find(|hit| hit.protocol == Protocol::Http).or(hits.first()).cloned()
    }

    /// What the listener said is in the target's answer.
    pub(super) fn shows_body(&self) -> bool {
        let found = |body: &[u8]| String::from_utf8_lossy(body).contains(&self.secret);
        self.exchange.response().is_some_and(|response| found(&response.body))
    }
}

impl Place<'_> {
    /// The request with this text here.
    pub(super) fn with(&self, cx: &SecurityContext<'_>, text: &str) -> Option<Request> {
        match &self.way {
            Way::Point(point) => point.with(cx, Value::from(text)),
            Way::Header(name, request) => {
                let mut request = request.clone();
                request.set_header(name, text);
                Some(request)
            }
        }
    }

    pub(super) async fn send(&self, cx: &SecurityContext<'_>, text: &str) -> Option<Exchange> {
        cx.prober.send(Some(self.operation.index), self.with(cx, text)?, rightful(cx)).await
    }

    /// Sends a URL whose listener answers with a text.
    pub(super) async fn try_text(&self, cx: &SecurityContext<'_>, callback: &Callback, form: Form) -> Option<Attempt> {
        let secret = cx.prober.nonce();
        let word = callback.announce(&cx.prober.nonce(), Reply::Text(secret.clone()));
        let text = self.text(callback, &word, form)?;
        let exchange = self.send(cx, &text).await?;
        Some(Attempt { word, secret, exchange })
    }

    /// The URL, or the name for places that want a host. None when this place has no such form.
    fn text(&self, callback: &Callback, word: &str, form: Form) -> Option<String> {
        match form {
            Form::Address if self.is_host => None,
            Form::Address => Some(callback.url(word)),
            Form::Name if self.is_host => callback.host(word),
            Form::Name => callback.named_url(word),
        }
    }

    /// Privileges that a stranger needs, as CVSS writes them.
    pub(super) fn privileges(&self, cx: &SecurityContext<'_>) -> &'static str {
        privileges(cx, self.operation)
    }
}

/// Every place, in the order of the document; headers last.
pub(super) fn places<'a>(cx: &SecurityContext<'a>) -> Vec<Place<'a>> {
    let mut found: Vec<Place<'a>> = points(cx).into_iter().filter_map(place_of).collect();
    found.truncate(cx.at_most(MAX_PLACES));
    let gets = cx.api.operations.iter().zip(cx.baselines).filter_map(|(operation, baseline)| {
        let baseline = baseline.as_ref().filter(|baseline| is_success(baseline))?;
        (operation.method == "GET" && may_repeat(cx, "GET")).then_some((operation, baseline))
    });
    for (operation, baseline) in gets.take(MAX_HEADER_OPERATIONS) {
        for (name, is_host) in [("Referer", false), ("X-Forwarded-Host", true)] {
            let way = Way::Header(name, without_credentials(cx, &baseline.request));
            found.push(Place { operation, location: format!("header {name}"), way, is_host });
        }
    }
    found
}

/// By its format, its value or its name.
fn place_of(point: Point<'_>) -> Option<Place<'_>> {
    let format = keyword(&point, "format").and_then(Value::as_str).unwrap_or_default();
    let shown = point.original().unwrap_or_default();
    let words = tokens(&point.name);
    let named = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let is_url = URL_FORMATS.contains(&format) || shown.contains("://");
    let closed = keyword(&point, "enum").is_some() || keyword(&point, "const").is_some();
    let is_host = !is_url && (named(&HOST_WORDS) || format == "hostname");
    let wanted = is_url || named(&URL_WORDS) || is_host;
    if !wanted || closed || !point.takes_text() || point.is_in_path() {
        return None;
    }
    let (operation, location) = (point.operation, point.location.clone());
    Some(Place { operation, location, way: Way::Point(Box::new(point)), is_host })
}

/// The places that were proved to fetch, and whether they show what they got. When a check runs alone nothing was proved
/// yet, and every place may.
pub(super) fn fetching<'a>(cx: &SecurityContext<'a>) -> Vec<(Place<'a>, bool)> {
    let Some(known) = cx.learned.with(|facts| facts.fetches.clone()) else {
        return places(cx).into_iter().map(|place| (place, true)).collect();
    };
    let shows = |place: &Place<'_>| {
        let is_here = |fetch: &&Fetch| fetch.operation == place.operation.index && fetch.location == place.location;
        known.iter().find(is_here).map(|fetch| fetch.shows)
    };
    let places = if known.is_empty() { Vec::new() } else { places(cx) };
    places.into_iter().filter_map(|place| shows(&place).map(|shows| (place, shows))).collect()
}
