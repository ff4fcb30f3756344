//! F012: a body that is not what its media type says.

use std::borrow::Cow;

use super::json_text::{self, Fault};
use super::media::Media;
use super::{documented_response, has_body_by_definition};
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::transport::Response;

/// F012.
pub(super) struct Deserialise;

static INFO: CheckInfo = CheckInfo {
    id: "F012",
    title: "Body cannot be read",
    description: "The body of the answer is not in the format that its Content-Type names.",
    remediation: "Write bodies with a serialiser of the format; never by joining strings.",
    cwe: &[],
    owasp: None,
};

impl Check for Deserialise {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        let complete = exchange.response().is_some_and(|response| {
            !response.truncated && !response.is_encoded() && has_body_by_definition(exchange, response)
        });
        complete && media_of(exchange).is_some_and(|media| media.is_json() || media.is_xml())
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(response), Some(media)) = (exchange.response(), media_of(exchange)) else { return Vec::new() };
        let raise = |severity, code: &str, explanation: String| {
            let suspicion = Suspicion::new(severity, format!("response {}", response.status), code, explanation);
            suspicion.confidence(Confidence::Confirmed)
        };
        if response.body.is_empty() {
            let promised = documented_response(cx, exchange).is_some_and(|spec| !spec.content.is_empty());
            let explanation = format!("The Content-Type is {}, but the body is empty.", media_name(response));
            return if promised { vec![raise(Severity::Medium, "empty", explanation)] } else { Vec::new() };
        }
        let text = match decoded(&response.body, media.charset.as_deref()) {
            Decoded::Text(text) => text,
            Decoded::Wrong => {
                return vec![raise(Severity::Medium, "charset", "The body is not valid in its charset.".to_owned())];
            }
            Decoded::Unknown => return Vec::new(),
        };
        let text = text.trim_start_matches('\u{feff}');
        if media.is_xml() {
            let fault =
                xml_fault(text).map(|fault| raise(Severity::Medium, "xml", format!("The body is no XML: {fault}.")));
            return fault.into_iter().collect();
        }
        let fault = |(fault, at)| match fault {
            Fault::Syntax => raise(Severity::Medium, "syntax", format!("The body is no JSON (byte {at}).")),
            Fault::NonFinite => {
                raise(Severity::Medium, "nan", format!("NaN or Infinity (byte {at}) does not exist in JSON."))
            }
            Fault::LoneSurrogate => {
                raise(Severity::Low, "lone-surrogate", format!("A string holds half a surrogate pair (byte {at})."))
            }
            Fault::DuplicateKey => {
                raise(Severity::Low, "duplicate-key", format!("An object has the same name twice (byte {at})."))
            }
        };
        json_text::faults(text).into_iter().map(fault).collect()
    }
}

fn media_of(exchange: &Exchange) -> Option<Media> {
    Media::parse(exchange.response()?.header("content-type")?)
}

fn media_name(response: &Response) -> String {
    response.media_type().unwrap_or_default()
}

enum Decoded<'a> {
    Text(Cow<'a, str>),
    /// Not in its charset.
    Wrong,
    /// A charset that we do not know.
    Unknown,
}

fn decoded<'a>(body: &'a [u8], charset: Option<&str>) -> Decoded<'a> {
    match charset {
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => {
            std::str::from_utf8(body).map_or(Decoded::Wrong, |text| Decoded::Text(Cow::Borrowed(text)))
        }
        Some("iso-8859-1" | "latin1" | "windows-1252") => {
            Decoded::Text(Cow::Owned(body.iter().copied().map(char::from).collect()))
        }
        Some(_) => Decoded::Unknown,
    }
}

/// Whether every element is closed, in order. No DTD, no entities: nothing is expanded.
fn xml_fault(text: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut roots = 0;
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        if open.is_empty() && !rest[..start].trim().is_empty() {
            return Some("text outside the root element".to_owned());
        }
        rest = &rest[start..];
        let end = match rest {
            _ if rest.starts_with("<!--") => rest.find("-->").map(|end| end + 3),
            _ if rest.starts_with("<![CDATA[") => rest.find("]]>").map(|end| end + 3),
            _ if rest.starts_with("<?") => rest.find("?>").map(|end| end + 2),
            _ => rest.find('>').map(|end| end + 1),
        };
        let Some(end) = end else { return Some("it ends inside a tag".to_owned()) };
        let tag = &rest[1..end - 1];
        rest = &rest[end..];
        if tag.starts_with(['!', '?']) {
            continue;
        }
        let name = tag.trim_start_matches('/').split([' ', '\t', '\r', '\n', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return Some(format!("</{name}> closes nothing"));
            }
            continue;
        }
        roots += usize::from(open.is_empty());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    match (open.last(), roots) {
        (Some(name), _) => Some(format!("<{name}> is not closed")),
        (None, 0) => Some("there is no element".to_owned()),
        (None, 1) if rest.trim().is_empty() => None,
        (None, _) => Some("there is more than one root element".to_owned()),
    }
}
