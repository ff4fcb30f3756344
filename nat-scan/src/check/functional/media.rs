//! Media types: what is documented for an answer, and what came.

use crate::spec::{MediaType, ResponseSpec};

/// A media type in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    kind: String,
    subtype: String,
    /// `charset`, unquoted.
    pub(super) charset: Option<String>,
}

impl Media {
    /// None when it is no media type.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let is_token = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        };
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let charset = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_charset = name.trim().eq_ignore_ascii_case("charset");
            is_charset.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        });
        Some(Self { kind: kind.to_ascii_lowercase(), subtype: subtype.to_ascii_lowercase(), charset })
    }

    pub(super) fn is_json(&self) -> bool {
        self.suffix() == "json" && (self.kind == "application" || self.kind == "text" || self.subtype.contains('+'))
    }

    pub(super) fn is_xml(&self) -> bool {
        self.suffix() == "xml" && (self.kind == "application" || self.kind == "text" || self.subtype.contains('+'))
    }

    pub(super) fn is_problem(&self) -> bool {
        self.kind == "application" && self.subtype.starts_with("problem+")
    }

    /// `json` of `application/json`, `application/hal+json` and `application/*+json`.
    fn suffix(&self) -> &str {
        self.subtype.rsplit('+').next().unwrap_or(&self.subtype)
    }

    /// Whether the two are the same format under different names: `application/hal+json` and `application/json`.
    pub(super) fn same_format(&self, other: &Media) -> bool {
        self.kind == other.kind && self.suffix() == other.suffix()
    }

    /// Whether this, as documented, admits `actual`: the same, or by a wildcard. Parameters are ignored.
    fn admits(&self, actual: &Media) -> bool {
        let kind = self.kind == "*" || self.kind == actual.kind;
        let subtype = match self.subtype.strip_prefix("*+") {
            Some(suffix) => suffix == actual.suffix(),
            None => self.subtype == "*" || self.subtype == actual.subtype,
        };
        kind && subtype
    }

    fn is_wildcard(&self) -> bool {
        self.kind == "*" || self.subtype.starts_with('*')
    }
}

/// The documented body that `actual` is, exact names before wildcards.
pub(super) fn documented<'a>(response: &'a ResponseSpec, actual: &Media) -> Option<&'a MediaType> {
    let mut admitting: Vec<(bool, &MediaType)> = response
        .content
        .iter()
        .filter_map(|entry| Media::parse(&entry.media_type).map(|media| (media, entry)))
        .filter(|(media, _)| media.admits(actual))
        .map(|(media, entry)| (media.is_wildcard(), entry))
        .collect();
    admitting.sort_by_key(|(wildcard, _)| *wildcard);
    admitting.first().map(|(_, entry)| *entry)
}
