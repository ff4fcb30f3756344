//! Where a token stands on a request.

use std::fmt;

use crate::transport::Request;

/// What stands for the token in a template.
const TOKEN: &str = "{token}";

/// Where a token stands on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In a header.
    Header {
        /// Name.
        name: String,
        /// Its value, `{token}` for the token: `Bearer {token}`.
        template: String,
    },
    /// In a parameter of the query.
    Query {
        /// Name.
        name: String,
        /// Its value before it is encoded, `{token}` for the token.
        template: String,
    },
    /// In one cookie.
    Cookie {
        /// Name.
        name: String,
    },
    /// The token is the cookies that a login set: `a=1; b=2`.
    Cookies,
}

impl Placement {
    /// `Authorization: Bearer`
    #[must_use]
    pub fn bearer() -> Self {
        Self::header("Authorization", "Bearer {token}")
    }

    pub(crate) fn header(name: &str, template: &str) -> Self {
        Self::Header { name: name.to_owned(), template: template.to_owned() }
    }

    /// Puts the token there. What stood there before, for example an older token, is replaced.
    pub(super) fn put(&self, request: &mut Request, token: &str) {
        match self {
            Self::Header { name, template } => put_header(request, name, &template.replace(TOKEN, token)),
            Self::Query { name, template } => {
                without_query(request, name);
                let value = template.replace(TOKEN, token);
                let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, &value).finish();
                let joint = if request.target.contains('?') { '&' } else { '?' };
                request.target.push(joint);
                request.target.push_str(&pair);
            }
            Self::Cookie { name } => put_cookies(request, &format!("{name}={token}")),
            Self::Cookies => put_cookies(request, token),
        }
    }

    /// The header whose value is a secret then, in lower case.
    pub(super) fn secret_header(&self) -> Option<String> {
        match self {
            Self::Header { name, .. } => Some(name.to_ascii_lowercase()),
            Self::Query { .. } => None,
            Self::Cookie { .. } | Self::Cookies => Some("cookie".to_owned()),
        }
    }

    /// The parameter of the query whose value is a secret then.
    pub(super) fn secret_query(&self) -> Option<&str> {
        match self {
            Self::Query { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// For people: `the header Authorization (Bearer)`.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, template } => {
                write!(f, "the header {name}")?;
                let scheme = template.replace(TOKEN, "");
                if scheme.trim().is_empty() { Ok(()) } else { write!(f, " ({})", scheme.trim()) }
            }
            Self::Query { name, .. } => write!(f, "the query parameter {name}"),
            Self::Cookie { name } => write!(f, "the cookie {name}"),
            Self::Cookies => f.write_str("cookies"),
        }
    }
}

/// Sets a header; cookies stand beside the operation's own.
pub(super) fn put_header(request: &mut Request, name: &str, value: &str) {
    if name.eq_ignore_ascii_case("cookie") {
        put_cookies(request, value);
    } else {
        request.set_header(name, value);
    }
}

fn put_cookies(request: &mut Request, cookies: &str) {
    for pair in cookies.split(';') {
        without_cookie(request, pair.split('=').next().unwrap_or_default().trim());
    }
    let joined = match request.header("cookie") {
        Some(own) => [own, b"; ", cookies.as_bytes()].concat(),
        None => cookies.as_bytes().to_vec(),
    };
    request.set_header("Cookie", joined);
}

/// Removes one cookie.
pub(crate) fn without_cookie(request: &mut Request, name: &str) {
    let Some(cookies) = request.header("cookie") else { return };
    let cookies = String::from_utf8_lossy(cookies).into_owned();
    let is_other = |pair: &&str| pair.split('=').next().map(str::trim) != Some(name);
    if cookies.split(';').all(|pair| is_other(&pair)) {
        return;
    }
    let kept = cookies.split(';').map(str::trim).filter(is_other).collect::<Vec<_>>().join("; ");
    request.headers.retain(|(header, _)| !header.eq_ignore_ascii_case("cookie"));
    if !kept.is_empty() {
        request.headers.push(("Cookie".to_owned(), kept.into_bytes()));
    }
}

/// Removes a parameter of the query.
pub(crate) fn without_query(request: &mut Request, name: &str) {
    let Some((path, query)) = request.target.split_once('?') else { return };
    let is_other = |pair: &&str| {
        let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
        decoded.is_none_or(|(key, _)| key != name)
    };
    let kept: Vec<&str> = query.split('&').filter(is_other).collect();
    request.target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_put_once_wherever_it_goes() {
        let check = |placement: &Placement, target: &str, cookies: &str| {
            let mut request = Request::new("GET", "/a?b=1&key=old");
            request.set_header("cookie", "theme=dark; sid=0");
            placement.put(&mut request, "sid=1");
            placement.put(&mut request, "sid=2");
            let sent = String::from_utf8(request.header("cookie").unwrap().to_vec()).unwrap();
            assert_eq!((request.target.as_str(), sent.as_str()), (target, cookies), "{placement}");
        };
        check(&Placement::bearer(), "/a?b=1&key=old", "theme=dark; sid=0");
        let query = Placement::Query { name: "key".to_owned(), template: "k {token}".to_owned() };
        check(&query, "/a?b=1&key=k+sid%3D2", "theme=dark; sid=0");
        check(&Placement::Cookies, "/a?b=1&key=old", "theme=dark; sid=2");
        check(&Placement::Cookie { name: "s".to_owned() }, "/a?b=1&key=old", "theme=dark; sid=0; s=sid=2");
        check(&Placement::header("Cookie", "{token}"), "/a?b=1&key=old", "theme=dark; sid=2");
    }

    #[test]
    fn a_placement_is_told_without_a_token() {
        let check = |placement: &Placement, expected: &str| assert_eq!(placement.to_string(), expected);
        check(&Placement::bearer(), "the header Authorization (Bearer)");
        check(&Placement::header("X-Key", "{token}"), "the header X-Key");
        check(&Placement::Cookies, "cookies");
        let query = Placement::Query { name: "key".to_owned(), template: "{token}".to_owned() };
        check(&query, "the query parameter key");
    }
}
