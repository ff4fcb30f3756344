//! JSON read as text, to tell apart the ways in which it can be wrong. A parser that builds a value hides some of them.

use std::collections::BTreeSet;

/// Deeper nesting is not judged.
const MAX_DEPTH: usize = 128;

/// A way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Against the grammar.
    Syntax,
    /// `NaN`, `Infinity` or `-Infinity`.
    NonFinite,
    /// One half of a surrogate pair as `\ud800`.
    LoneSurrogate,
    /// The same name twice in one object.
    DuplicateKey,
}

/// Faults with the byte where each kind was met first. Empty: proper JSON, or too deep to judge.
pub(super) fn faults(text: &str) -> Vec<(Fault, usize)> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, found: Vec::new() };
    let end = reader.value(0).and_then(|()| {
        reader.space();
        if reader.at == reader.bytes.len() { Ok(()) } else { Err(Stop::Syntax) }
    });
    let mut found = match end {
        Err(Stop::TooDeep) => Vec::new(),
        Err(Stop::Syntax) => vec![(Fault::Syntax, reader.at)],
        Ok(()) => reader.found,
    };
    found.sort();
    found.dedup_by_key(|(fault, _)| *fault);
    found
}

enum Stop {
    Syntax,
    TooDeep,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    found: Vec<(Fault, usize)>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, literal: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(literal.as_bytes());
        if found {
            self.at += literal.len();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        self.space();
        match self.bytes.get(self.at) {
            Some(found) if *found == byte => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Stop::Syntax),
        }
    }

    fn note(&mut self, fault: Fault, at: usize) {
        if self.found.iter().all(|(known, _)| *known != fault) {
            self.found.push((fault, at));
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        self.space();
        let start = self.at;
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(drop),
            _ if self.take("true") || self.take("false") || self.take("null") => Ok(()),
            _ if self.take("NaN") || self.take("Infinity") || self.take("-Infinity") => {
                self.note(Fault::NonFinite, start);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Stop::Syntax),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Stop> {
        let bytes = self.bytes;
        let mut keys = BTreeSet::new();
        self.at += 1;
        self.space();
        if self.take("}") {
            return Ok(());
        }
        loop {
            self.space();
            let (start, end) = self.string()?;
            if !keys.insert(&bytes[start..end]) {
                self.note(Fault::DuplicateKey, start);
            }
            self.expect(b':')?;
            self.value(depth + 1)?;
            self.space();
            if self.take("}") {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        self.space();
        if self.take("]") {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            if self.take("]") {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// The range between the quotation marks.
    fn string(&mut self) -> Result<(usize, usize), Stop> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(Stop::Syntax);
        }
        self.at += 1;
        let start = self.at;
        let mut high_surrogate = None;
        loop {
            let at = self.at;
            let unit = match self.bytes.get(at) {
                None | Some(0..=0x1f) => return Err(Stop::Syntax),
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    self.at += 1;
                    None
                }
            };
            let is_low = unit.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
            if is_low != high_surrogate.is_some() {
                self.note(Fault::LoneSurrogate, high_surrogate.unwrap_or(at));
            }
            high_surrogate = unit.filter(|unit| (0xd800..0xdc00).contains(unit)).map(|_| at);
            if self.bytes[at] == b'"' {
                return Ok((start, at));
            }
        }
    }

    /// The UTF-16 unit of `\uXXXX`.
    fn escape(&mut self) -> Result<Option<u16>, Stop> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(None)
            }
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).ok_or(Stop::Syntax)?;
                let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
                let text = std::str::from_utf8(digits).ok().filter(|_| is_hex).ok_or(Stop::Syntax)?;
                let unit = u16::from_str_radix(text, 16).map_err(|_| Stop::Syntax)?;
                self.at += 6;
                Ok(Some(unit))
            }
            _ => Err(Stop::Syntax),
        }
    }

    fn number(&mut self) -> Result<(), Stop> {
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") {
                self.take("-");
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(Stop::Syntax) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faults_each_kind_is_told_apart() {
        let duplicate = Fault::DuplicateKey;
        for (text, expected) in [
            (r#"{"a":[1,-0.5e+3,true,null,"\u00e9\ud83d\ude00\n"],"b":{}}"#, vec![]),
            (" [ ] ", vec![]),
            ("", vec![Fault::Syntax]),
            ("{", vec![Fault::Syntax]),
            ("[1,]", vec![Fault::Syntax]),
            ("01", vec![Fault::Syntax]),
            ("1.", vec![Fault::Syntax]),
            ("{'a':1}", vec![Fault::Syntax]),
            ("\"\u{1}\"", vec![Fault::Syntax]),
            (r#""\x""#, vec![Fault::Syntax]),
            (r#""\u+123""#, vec![Fault::Syntax]),
            ("{} {}", vec![Fault::Syntax]),
            ("[NaN,-Infinity]", vec![Fault::NonFinite]),
            (r#"{"a":1,"a":2}"#, vec![duplicate]),
            (r#"[{"a":1},{"a":2}]"#, vec![]),
            (r#""\ud800""#, vec![Fault::LoneSurrogate]),
            (r#""\udc00""#, vec![Fault::LoneSurrogate]),
            (r#""\ud800x""#, vec![Fault::LoneSurrogate]),
            (r#"{"a":NaN,"a":"\ud83d"}"#, vec![Fault::NonFinite, Fault::LoneSurrogate, duplicate]),
        ] {
            let found: Vec<Fault> = faults(text).into_iter().map(|(fault, _)| fault).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert!(faults(&"[".repeat(10_000)).is_empty(), "too deep to judge, and no overflow of the stack");
    }

    proptest! {
        #[test]
        fn faults_agree_with_a_parser_on_any_text(text in "[\\[\\]{}\",:0-9a-z\\\\. eE+-]{0,24}") {
            // A number out of range and nesting are the only places where the parser refuses proper JSON.
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            let out_of_range = parsed.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            let is_syntax_fault = faults(&text).iter().any(|(fault, _)| *fault == Fault::Syntax);
            prop_assert!(out_of_range || parsed.is_err() == is_syntax_fault, "{text:?} {parsed:?}");
        }
    }
}
