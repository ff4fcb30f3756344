//! A linear look at the text of a query before the parser sees it.
//!
//! The parser and the validation rules of async-graphql recurse: a few kilobytes of nested braces or a long chain of
//! fragments overflow the stack, which ends the process and cannot be caught. Whatever passes here cannot do that.

/// `{`, `[` and `(` inside each other.
const MAX_NESTING: usize = 64;
/// Names, numbers, strings and punctuation.
const MAX_TOKENS: usize = 2_000;
/// The word `fragment`, wherever it stands.
const MAX_FRAGMENTS: usize = 100;

/// Why a query is refused, as a sentence; `Ok` when it may be parsed.
pub(crate) fn check(query: &str) -> Result<(), String> {
    let bytes = query.as_bytes();
    let (mut at, mut nesting, mut tokens, mut fragments) = (0, 0usize, 0usize, 0usize);
    while at < bytes.len() {
        let start = at;
        at = match bytes[at] {
            b'#' => end_of_line(bytes, at),
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'"' => end_of_string(bytes, at),
            b if b.is_ascii_alphanumeric() || b == b'_' => end_of_word(bytes, at),
            b'{' | b'[' | b'(' => {
                nesting += 1;
                at + 1
            }
            b'}' | b']' | b')' => {
                nesting = nesting.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
        if bytes[start] != b'#' {
            tokens += 1;
        }
        if &bytes[start..at] == b"fragment" {
            fragments += 1;
        }
        if nesting > MAX_NESTING {
            return Err(format!("The query nests deeper than {MAX_NESTING}."));
        }
        if tokens > MAX_TOKENS {
            return Err(format!("The query has more than {MAX_TOKENS} tokens."));
        }
        if fragments > MAX_FRAGMENTS {
            return Err(format!("The query has more than {MAX_FRAGMENTS} fragments."));
        }
    }
    Ok(())
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |length| from + length)
}

fn end_of_word(bytes: &[u8], from: usize) -> usize {
    let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    from + length
}

/// A string ends at its quotation mark, a plain one at the end of the line at the latest: a parser that disagrees about
/// where it ends must not find brackets that were not counted.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let block = bytes[from..].starts_with(b"\"\"\"");
    let mut at = from + if block { 3 } else { 1 };
    while at < bytes.len() {
        let rest = &bytes[at..];
        if block {
            if rest.starts_with(b"\\\"\"\"") {
                at += 4;
                continue;
            }
            if rest.starts_with(b"\"\"\"") {
                return at + 3;
            }
        } else {
            match rest[0] {
                b'\\' => {
                    at += 2;
                    continue;
                }
                b'"' => return at + 1,
                b'\n' | b'\r' => return at,
                _ => {}
            }
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn check_refuses_what_would_overflow_the_stack() {
        let depth = |open: &str, count: usize| format!("{{ a(b: {}1) }}", open.repeat(count));
        let fragments = |count: usize| "fragment f on Query { usage { plan } } ".repeat(count);
        for (query, passes) in [
            ("{ usage { plan } }".to_owned(), true),
            ("{ a(b: \"{{{{[[[[\") # {{{{\n }".to_owned(), true),
            ("{ a(b: \"\"\"{\\\"\"\" {\"\"\") }".to_owned(), true),
            (depth("[", 62), true),
            (depth("[", 63), false),
            (depth("{a:", 5_000), false),
            ("\"\n".to_owned() + &"[".repeat(65), false),
            ("x ".repeat(2_000), true),
            ("x ".repeat(2_001), false),
            (fragments(100), true),
            (fragments(101), false),
            ("\"\\".to_owned(), true),
            ("\"\"\"".to_owned(), true),
        ] {
            assert_eq!(check(&query).is_ok(), passes, "{}", &query[..query.len().min(60)]);
        }
    }
}
