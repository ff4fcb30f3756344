//! Where a value goes, and what can be written there.

use serde_json::Value;

/// Where a value goes: not every text can be sent everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    /// Query, cookie and form: no trouble but emptiness.
    Text,
    Header,
    Json,
}

impl Place {
    /// Whether the value can be put there so that the server sees the same value.
    pub(crate) fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Json, _) => true,
            (_, Value::Null) => false,
            (_, Value::Array(items)) => !items.is_empty() && items.iter().all(|item| self.admits(item)),
            (_, Value::Object(members)) => {
                !members.is_empty() && members.iter().all(|(key, value)| self.admits_text(key) && self.admits(value))
            }
            (_, Value::String(text)) => self.admits_text(text),
            _ => true,
        }
    }

    fn admits_text(self, text: &str) -> bool {
        let odd = |c: char| match self {
            Self::Path => c.is_control() || matches!(c, '/' | '\\'),
            Self::Header => c.is_control() || !c.is_ascii(),
            Self::Text => c == '\0',
            Self::Json => false,
        };
        match self {
            Self::Json => true,
            Self::Path if text == "." || text == ".." => false,
            Self::Header if text.trim() != text => false,
            _ => !text.is_empty() && !text.chars().any(odd),
        }
    }
}
