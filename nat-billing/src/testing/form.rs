//! Stripe's parameters: forms and query strings with brackets, kept flat (`line_items[0][price]`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::form_urlencoded;

/// The parameters of a request, flat, in order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(pub BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        let mut form = BTreeMap::new();
        for (name, value) in pairs {
            // `expand[]=a&expand[]=b` is `expand[0]=a&expand[1]=b`.
            let name = match name.strip_suffix("[]") {
                Some(list) => {
                    let next = (0..).find(|n| !form.contains_key(&format!("{list}[{n}]"))).unwrap_or(0);
                    format!("{list}[{next}]")
                }
                None => name.into_owned(),
            };
            form.insert(name, value.into_owned());
        }
        Self(form)
    }

    /// The text of a parameter; an empty one is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// True when the parameter is there, with whatever text: an empty one takes a value away.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn is(&self, name: &str, wanted: &str) -> bool {
        self.get(name) == Some(wanted)
    }

    /// `prefix[a]=1&prefix[b]=2` as an object of texts.
    pub(super) fn object(&self, prefix: &str) -> Map<String, Value> {
        let of = |name: &str| Some(name.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
        let members = self.0.iter().filter_map(|(name, value)| Some((of(name)?, value)));
        members.filter(|(name, _)| !name.contains('[')).map(|(name, value)| (name, value.as_str().into())).collect()
    }

    /// The values of `prefix[0]`, `prefix[1]`, …
    pub(super) fn list(&self, prefix: &str) -> Vec<&str> {
        (0..).map_while(|n| self.get(&format!("{prefix}[{n}]"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_read_flat() {
        let form = Form::parse("a=1&m%5Bx%5D=y+z&m[n][o]=2&expand[]=p&expand[]=q&e=");
        assert_eq!((form.get("a"), form.get("m[n][o]"), form.get("e")), (Some("1"), Some("2"), None));
        assert_eq!(Value::from(form.object("m")), serde_json::json!({"x": "y z"}));
        assert_eq!(form.list("expand"), ["p", "q"]);
        assert!(form.has("e") && !form.has("f"));
    }
}
