//! The text of evidence taken apart again, for formats that want the parts.

use super::Evidence;

/// A body as evidence shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyParts {
    /// Text, or base64 of bytes that are no UTF-8.
    pub text: String,
    /// `text` is base64.
    pub is_base64: bool,
    /// Only its beginning is there.
    pub is_cut: bool,
}

/// A request as evidence shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestParts {
    /// For example `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// `Host` included, secrets redacted.
    pub headers: Vec<(String, String)>,
    /// Empty when there was none.
    pub body: BodyParts,
}

/// An answer as evidence shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseParts {
    /// The status.
    pub status: u16,
    /// Secrets redacted.
    pub headers: Vec<(String, String)>,
    /// Empty when there was none.
    pub body: BodyParts,
}

impl Evidence {
    /// The request; none when the evidence is about the document alone.
    #[must_use]
    pub fn request_parts(&self) -> Option<RequestParts> {
        let (first, headers, body) = message(&self.request);
        let (method, rest) = first.split_once(' ')?;
        let target = rest.strip_suffix(" HTTP/1.1")?;
        Some(RequestParts { method: method.to_owned(), target: target.to_owned(), headers, body: body_parts(body) })
    }

    /// The answer; none when none came.
    #[must_use]
    pub fn response_parts(&self) -> Option<ResponseParts> {
        let (first, headers, body) = message(&self.response);
        let status = first.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
        Some(ResponseParts { status, headers, body: body_parts(body) })
    }
}

impl ResponseParts {
    /// The first header of that name, case-insensitively.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// First line, headers, body.
fn message(text: &str) -> (&str, Vec<(String, String)>, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
    let headers = rest.lines().filter_map(|line| line.split_once(':'));
    (first, headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(), body)
}

/// Without the notes that the writer of evidence puts around a body.
fn body_parts(body: &str) -> BodyParts {
    let text =
        without_last_line(body, |line| line.ends_with(" bytes followed that must not be there]")).unwrap_or(body);
    let cut = without_last_line(text, |line| line.starts_with("[cut: ") && line.ends_with(']'));
    let (text, is_cut) = (cut.unwrap_or(text), cut.is_some());
    match text.split_once(" bytes, not UTF-8, in base64]\n") {
        Some((before, base64)) if before.starts_with('[') && before[1..].bytes().all(|byte| byte.is_ascii_digit()) => {
            BodyParts { text: base64.to_owned(), is_base64: true, is_cut }
        }
        _ => BodyParts { text: text.to_owned(), is_base64: false, is_cut },
    }
}

/// The text before its last line, when that is a note.
fn without_last_line(text: &str, is_note: impl Fn(&str) -> bool) -> Option<&str> {
    let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
    (last.starts_with('[') && is_note(last)).then_some(before)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn evidence_comes_apart_as_it_was_put_together() {
        let check = |request: &str, response: &str, expected: (Option<&str>, Option<u16>, &str, bool, bool)| {
            let evidence = Evidence {
                role: "probe".to_owned(),
                request: request.to_owned(),
                response: response.to_owned(),
                at: DateTime::UNIX_EPOCH,
            };
            let answer = evidence.response_parts();
            let body = answer.as_ref().map(|answer| answer.body.clone()).unwrap_or_default();
            let target = evidence.request_parts().map(|request| request.target);
            let status = answer.as_ref().map(|answer| answer.status);
            let (text, is_base64, is_cut) = (body.text.as_str(), body.is_base64, body.is_cut);
            assert_eq!((target.as_deref(), status, text, is_base64, is_cut), expected, "{response}");
        };
        let get = "GET /a?b HTTP/1.1\nHost: h\n";
        check(get, "HTTP/1.1 200\nA: b: c\n\nx\n\ny", (Some("/a?b"), Some(200), "x\n\ny", false, false));
        check(get, "HTTP/1.1 204\nA: b\n", (Some("/a?b"), Some(204), "", false, false));
        check(get, "HTTP/1.1 200\n\nab\n[cut: 9 bytes, SHA-256 ff]", (Some("/a?b"), Some(200), "ab", false, true));
        check(
            get,
            "HTTP/1.1 200\n\n[2 bytes, not UTF-8, in base64]\n//4=",
            (Some("/a?b"), Some(200), "//4=", true, false),
        );
        check(
            get,
            "HTTP/1.1 204\nA: b\n\n[3 bytes followed that must not be there]",
            (Some("/a?b"), Some(204), "", false, false),
        );
        check(get, "no answer (reset): the connection was reset", (Some("/a?b"), None, "", false, false));
        check("/paths/~1a\n3", "3 is not a string", (None, None, "", false, false));
    }
}
