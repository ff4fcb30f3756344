//! Tokens, found where the parser finds them.

use super::Refusal;

/// A token; what is not listed is one byte of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    /// Numbers and strings: nothing in them counts.
    Scalar,
    /// `...`
    Spread,
    Punctuation(u8),
}

/// Reads tokens from the left.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        self.skip_ignored();
        let rest = self.rest();
        let Some(first) = rest.first().copied() else { return Ok(None) };
        let (token, length) = match first {
            b'"' => (Token::Scalar, string_length(rest).ok_or(Refusal::UnterminatedString)?),
            b if is_name(b) && !b.is_ascii_digit() => {
                let length = rest.iter().take_while(|byte| is_name(**byte)).count();
                // Cut at ASCII bytes only.
                (Token::Name(self.text.get(self.at..self.at + length).unwrap_or_default()), length)
            }
            b'0'..=b'9' | b'-' => {
                let inside = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
                (Token::Scalar, rest.iter().take_while(inside).count())
            }
            b'.' if rest.starts_with(b"...") => (Token::Spread, 3),
            other => (Token::Punctuation(other), 1),
        };
        self.at += length;
        Ok(Some(token))
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// White space, commas, byte order marks and comments.
    fn skip_ignored(&mut self) {
        loop {
            let rest = self.rest();
            self.at += match rest.first() {
                Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => 1,
                Some(b'#') => rest.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count(),
                Some(0xEF) if rest.starts_with("\u{feff}".as_bytes()) => 3,
                _ => return,
            };
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes of the string at the beginning of `rest`, with its quotation marks; `None` when it does not end.
///
/// A block string that does not end would be read by the parser as an empty string and the beginning of another one;
/// what stands in it here would be outside of strings there.
fn string_length(rest: &[u8]) -> Option<usize> {
    let block = rest.starts_with(br#"""""#);
    let mut at = if block { 3 } else { 1 };
    loop {
        let tail = rest.get(at..)?;
        let byte = *tail.first()?;
        at += match (block, byte) {
            (true, b'\\') if tail.starts_with(br#"\""""#) => 4,
            (true, b'"') if tail.starts_with(br#"""""#) => return Some(at + 3),
            (true, _) => 1,
            (false, b'"') => return Some(at + 1),
            (false, b'\n' | b'\r') => return None,
            // Whatever is escaped, it does not end the string; half of a character of several bytes does no harm.
            (false, b'\\') => 2,
            (false, _) => 1,
        };
    }
}
