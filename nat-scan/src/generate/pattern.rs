//! Strings from `pattern`: members, and near misses that the expression rejects.
//!
//! Patterns are ECMA-262; what the `regex` crate reads differently is translated, look-around is left out of the
//! generation (whoever uses the string validates it with the schema).

use std::cell::RefCell;
use std::collections::HashMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Compiled expressions kept by a thread.
const MAX_COMPILED: usize = 256;
/// Characters of one generated string.
const MAX_LENGTH: usize = 4_096;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Option<Regex>>> = RefCell::new(HashMap::new());
}

/// `None`: the expression needs ECMA features that we cannot run, so nobody knows.
pub(crate) fn verdict(pattern: &str, text: &str) -> Option<bool> {
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= MAX_COMPILED && !compiled.contains_key(pattern) {
            compiled.clear();
        }
        if !compiled.contains_key(pattern) {
            let regex = regex::RegexBuilder::new(&translate(pattern)).size_limit(1 << 20).build().ok();
            compiled.insert(pattern.to_owned(), regex);
        }
        compiled.get(pattern)?.as_ref().map(|regex| regex.is_match(text))
    })
}

/// Whether the text matches, doubts in favour of the text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    verdict(pattern, text).unwrap_or(true)
}

/// A string that matches `pattern` with a length between `least` and `most` code points, if one is found.
pub(crate) fn member(pattern: &str, least: usize, most: Option<usize>, rng: &mut ChaCha8Rng) -> Option<String> {
    if least > MAX_LENGTH {
        return None;
    }
    let translated = translate(pattern);
    let plain = regex_syntax::parse(&translated).ok();
    // Look-ahead usually demands "one of each": then every kind of character gets its turn.
    let mixed = plain.is_none();
    let hir = plain.or_else(|| regex_syntax::parse(&without_look_around(&translated)).ok())?;
    let (head, tail) = (is_anchored(&hir, true), is_anchored(&hir, false));
    let fits = |text: &str| {
        let length = text.chars().count();
        length >= least && most.is_none_or(|most| length <= most) && matches(pattern, text)
    };
    for extra in [0, 1, 2, 4, 8, 16, 32, 64, 256, 1024] {
        for _ in 0..4 {
            let mut text = String::new();
            write(&hir, extra, mixed, rng, &mut text)?;
            if fits(&text) {
                return Some(text);
            }
            let missing = least.saturating_sub(text.chars().count());
            if missing > 0 && !tail {
                text.extend(std::iter::repeat_n('a', missing));
            } else if missing > 0 && !head {
                text.insert_str(0, &"a".repeat(missing));
            }
            if fits(&text) {
                return Some(text);
            }
        }
    }
    None
}

/// An edit of `member` that the expression rejects; the length changes as little as possible.
pub(crate) fn near_miss(pattern: &str, member: &str) -> Option<String> {
    let characters: Vec<char> = member.chars().collect();
    let rejected = |text: String| (verdict(pattern, &text) == Some(false)).then_some(text);
    for index in [characters.len().saturating_sub(1), 0, characters.len() / 2] {
        for foreign in ['!', ' ', 'A', 'z', '0', '~', 'é'] {
            let mut edited = characters.clone();
            if let Some(place) = edited.get_mut(index) {
                *place = foreign;
                if let Some(text) = rejected(edited.into_iter().collect()) {
                    return Some(text);
                }
            }
        }
    }
    let every = |c: char| rejected(std::iter::repeat_n(c, characters.len().max(1)).collect());
    ['!', ' ', '0', 'a', '\u{3b1}']
        .into_iter()
        .find_map(every)
        .or_else(|| rejected(format!("{member}!")))
        .or_else(|| rejected(format!(" {member}")))
        .or_else(|| rejected(characters.get(1..).unwrap_or_default().iter().collect()))
}

fn is_anchored(hir: &Hir, head: bool) -> bool {
    let properties = hir.properties();
    let set = if head { properties.look_set_prefix() } else { properties.look_set_suffix() };
    !set.is_empty()
}

/// Appends a member of `hir`; repetitions run `extra` times above their minimum at most. `None`: no member, or too long.
fn write(hir: &Hir, extra: u32, mixed: bool, rng: &mut ChaCha8Rng, out: &mut String) -> Option<()> {
    if out.len() > MAX_LENGTH {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => out.push(character(class, mixed.then_some(out.len()), rng)?),
        HirKind::Repetition(repetition) => {
            let most = repetition.min.saturating_add(extra).min(repetition.max.unwrap_or(u32::MAX));
            let least = repetition.min.max(most.saturating_sub(extra / 2)).min(most);
            for _ in 0..rng.random_range(least..=most) {
                write(&repetition.sub, extra.min(4), mixed, rng, out)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, extra, mixed, rng, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, extra, mixed, rng, out))?,
        HirKind::Alternation(parts) => write(parts.get(rng.random_range(0..parts.len()))?, extra, mixed, rng, out)?,
    }
    Some(())
}

/// A member of a class: a letter or digit if there is one, else printable ASCII, else anything.
fn character(class: &Class, turn: Option<usize>, rng: &mut ChaCha8Rng) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => class
            .iter()
            .filter(|r| r.start() < 128)
            .map(|r| (char::from(r.start()), char::from(r.end().min(127))))
            .collect(),
    };
    let within = |windows: &[(char, char)]| -> Vec<(char, char)> {
        let cut = |&(start, end): &(char, char)| {
            windows.iter().map(move |&(low, high)| (start.max(low), end.min(high))).filter(|(low, high)| low <= high)
        };
        ranges.iter().flat_map(cut).collect()
    };
    const KINDS: [(char, char); 4] = [('A', 'Z'), ('a', 'z'), ('0', '9'), ('#', '&')];
    let mut pool = turn.and_then(|turn| KINDS.get(turn % KINDS.len())).map(|kind| within(&[*kind])).unwrap_or_default();
    if pool.is_empty() {
        pool = within(&[('a', 'z'), ('A', 'Z'), ('0', '9')]);
    }
    if pool.is_empty() {
        pool = within(&[('!', '~')]);
    }
    if pool.is_empty() {
        pool = within(&[(' ', '\u{d7ff}')]);
    }
    if pool.is_empty() {
        pool = ranges;
    }
    let &(low, high) = pool.get(rng.random_range(0..pool.len().max(1)))?;
    Some(rng.random_range(low..=high))
}

/// ECMA-262 as the `regex` crate reads it.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut class = false;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('d') => out.push_str(if class { "0-9" } else { "[0-9]" }),
                Some('w') => out.push_str(if class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                Some('D') if !class => out.push_str("[^0-9]"),
                Some('W') if !class => out.push_str("[^0-9A-Za-z_]"),
                Some('Z') => out.push_str("\\z"),
                Some(next) if !next.is_ascii_alphanumeric() && !next.is_ascii_punctuation() => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push_str("\\\\"),
            },
            '[' if class => out.push_str("\\["),
            '[' => {
                class = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => out.extend(['\\', c]),
            '-' if class && rest.peek() == Some(&'-') => out.push_str("\\-"),
            _ => out.push(c),
        }
    }
    out
}

/// Removes `(?=…)`, `(?!…)`, `(?<=…)` and `(?<!…)`.
pub(crate) fn without_look_around(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(start) = ["(?=", "(?!", "(?<=", "(?<!"].iter().filter_map(|open| rest.find(open)).min() {
        let (before, group) = rest.split_at(start);
        out.push_str(before);
        rest = &group[closing(group)..];
    }
    out.push_str(rest);
    out
}

/// Bytes up to and with the parenthesis that closes the group at the start.
fn closing(group: &str) -> usize {
    let (mut depth, mut class, mut escaped) = (0_u32, false, false);
    for (index, c) in group.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    group.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Phase, rng};

    #[test]
    fn members_match_and_near_misses_do_not() {
        let table: &[(&str, usize, Option<usize>)] = &[
            ("^[a-z]{3}$", 0, None),
            (r"^\d{3}-\d{4}$", 0, None),
            (r"^[\w.-]+@[\w-]+\.[a-z]{2,}$", 20, Some(40)),
            ("^(foo|bar)+$", 6, Some(12)),
            (r"^\/api\/v[0-9]+$", 0, None),
            ("abc", 10, Some(12)),
            ("^[A-Z]", 5, Some(5)),
            (r"^[^\s]+$", 30, Some(30)),
            (r"^[[\]]+$", 0, None),
            (r"^(?<year>\d{4})$", 0, None),
            (r"^\u0041+$", 0, None),
            (r"^\p{L}+$", 0, None),
            (r"^.*$", 0, Some(0)),
        ];
        let mut rng = rng::stream(1, "GET /", Phase::Coverage, 0);
        for (pattern, least, most) in table {
            let text = member(pattern, *least, *most, &mut rng).unwrap_or_else(|| panic!("no member of {pattern}"));
            assert_eq!(verdict(pattern, &text), Some(true), "{pattern}: {text:?}");
            let length = text.chars().count();
            assert!(length >= *least && most.is_none_or(|most| length <= most), "{pattern}: {text:?}");
            if let Some(miss) = near_miss(pattern, &text) {
                assert_eq!(verdict(pattern, &miss), Some(false), "{pattern}: {miss:?}");
            } else {
                assert_eq!(*pattern, "^.*$");
            }
        }
    }

    #[test]
    fn look_around_is_left_out_of_the_generation() {
        let mut rng = rng::stream(1, "GET /", Phase::Coverage, 0);
        let text = member(r"^(?=.*[A-Z])(?!.*\s)[A-Z]{8,}$", 8, None, &mut rng).unwrap();
        assert!(text.chars().count() >= 8 && text.chars().all(|c| c.is_ascii_uppercase()), "{text}");
        let text =
            member(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[@$!%*?&])[A-Za-z\d@$!%*?&]{8,}$", 8, Some(64), &mut rng)
                .unwrap();
        for kind in [char::is_uppercase, char::is_lowercase, |c: char| c.is_ascii_digit(), |c: char| "$%&".contains(c)]
        {
            assert!(text.contains(kind), "{text}");
        }
    }
}
