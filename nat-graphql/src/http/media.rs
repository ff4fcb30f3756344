//! Which media type an answer has.

use axum::http::{HeaderMap, header};

/// A type that this server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`: the older one; documents that are refused are answered with 200.
    Json,
    /// `application/graphql-response+json`: the status tells whether the document ran.
    GraphQl,
    /// `text/event-stream`: a stream of answers.
    EventStream,
}

impl Media {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQl => "application/graphql-response+json; charset=utf-8",
            Self::EventStream => "text/event-stream",
        }
    }

    /// The type that the client likes best; `application/json` for one that says nothing or takes anything. `None`:
    /// it takes none of ours.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        if values.peek().is_none() {
            return Some(Self::Json);
        }
        let mut best: Option<(Self, f32)> = None;
        for range in values.flat_map(|value| value.split(',')) {
            let Some((media, quality)) = read_range(range) else { continue };
            // The first of equals wins.
            if quality > 0.0 && best.is_none_or(|(_, known)| quality > known) {
                best = Some((media, quality));
            }
        }
        best.map(|(media, _)| media)
    }
}

/// One media range and its quality, if it is one of ours in UTF-8.
fn read_range(range: &str) -> Option<(Media, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let media = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "application/*" | "*/*" => Media::Json,
        "application/graphql-response+json" => Media::GraphQl,
        "text/event-stream" => Media::EventStream,
        _ => return None,
    };
    let mut quality = 1.0;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => quality = value.trim().parse().unwrap_or(0.0),
            "charset" if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") => return None,
            _ => {}
        }
    }
    Some((media, quality))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn accepted_is_what_the_client_likes_best() {
        let check = |accept: Option<&'static str>, expected: Option<Media>| {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept))));
            assert_eq!(Media::accepted(&headers), expected, "{accept:?}");
        };
        check(None, Some(Media::Json));
        check(Some("*/*"), Some(Media::Json));
        check(Some("application/*"), Some(Media::Json));
        check(Some("application/json"), Some(Media::Json));
        check(Some("application/graphql-response+json"), Some(Media::GraphQl));
        check(Some("application/graphql-response+json;charset=utf-8, application/json;q=0.9"), Some(Media::GraphQl));
        check(Some("application/json, application/graphql-response+json"), Some(Media::Json));
        check(Some("application/json;q=0.1, application/graphql-response+json;q=0.2"), Some(Media::GraphQl));
        check(Some("text/event-stream"), Some(Media::EventStream));
        check(Some("application/json;q=0"), None);
        check(Some("application/json; charset=latin1"), None);
        check(Some("text/html"), None);
        check(Some("text/html, */*;q=0.1"), Some(Media::Json));
    }
}
