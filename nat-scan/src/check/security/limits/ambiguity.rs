//! Which texts make a matcher that backtracks try exponentially many ways, from the pattern alone.
//!
//! The pattern becomes an automaton without empty steps whose states are its characters. When some text leads from a
//! state back to itself in two ways, each repetition of that text doubles the ways, and what cannot match in the end makes
//! the matcher try them all.

use std::collections::{HashMap, VecDeque};

use regex_syntax::ast::{Ast, RepetitionKind, RepetitionRange, parse::Parser};
use regex_syntax::hir::translate::Translator;
use regex_syntax::hir::{Class, HirKind};

use crate::generate::pattern::{translate, without_look_around};

/// States of an automaton; larger patterns are not looked into.
const MAX_STATES: usize = 100;
/// Copies that a counted repetition becomes; one that allows more counts as endless.
const MAX_COPIES: u32 = 12;
/// Steps of the search from one state.
const MAX_STEPS: usize = 60_000;
const MAX_DEPTH: usize = 40;

/// A text in three parts; the middle one is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weakness {
    pub(super) prefix: String,
    pub(super) pump: String,
    /// Makes the match fail.
    pub(super) suffix: String,
}

/// The first weakness of a pattern, if it has one and we can read it.
pub(super) fn weakness(pattern: &str) -> Option<Weakness> {
    let translated = translate(pattern);
    let parsed = Parser::new().parse(&translated).ok().map(|ast| (ast, translated.clone()));
    let (ast, text) = parsed.or_else(|| {
        let plain = without_look_around(&translated);
        Parser::new().parse(&plain).ok().map(|ast| (ast, plain))
    })?;
    let mut automaton = Automaton { text, classes: Vec::new(), follow: Vec::new() };
    let whole = automaton.build(&ast, 0)?;
    let (state, pump) = (0..automaton.classes.len()).find_map(|state| Some((state, automaton.loops(state)?)))?;
    let prefix = automaton.way_to(&whole.first, state)?;
    let suffix = automaton.foreign()?;
    Some(Weakness { prefix, pump, suffix: suffix.to_string() })
}

type Ranges = Vec<(char, char)>;

/// States with what each reads; a step that can be taken in two ways is there twice.
struct Automaton {
    text: String,
    classes: Vec<Ranges>,
    follow: Vec<Vec<usize>>,
}

/// A part of the pattern.
#[derive(Clone, Default)]
struct Part {
    /// It may match nothing.
    nullable: bool,
    first: Vec<usize>,
    last: Vec<usize>,
}

impl Part {
    fn nothing() -> Self {
        Self { nullable: true, ..Self::default() }
    }
}

impl Automaton {
    fn build(&mut self, ast: &Ast, depth: usize) -> Option<Part> {
        if depth > MAX_DEPTH {
            return None;
        }
        match ast {
            Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => Some(Part::nothing()),
            Ast::Literal(_) | Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => {
                self.leaf(ast)
            }
            Ast::Group(group) => self.build(&group.ast, depth + 1),
            Ast::Concat(concat) => {
                let mut whole = Part::nothing();
                for part in &concat.asts {
                    let next = self.build(part, depth + 1)?;
                    whole = self.join(whole, next);
                }
                Some(whole)
            }
            Ast::Alternation(alternation) => {
                let mut whole = Part::default();
                for part in &alternation.asts {
                    let next = self.build(part, depth + 1)?;
                    whole.nullable |= next.nullable;
                    whole.first.extend(next.first);
                    whole.last.extend(next.last);
                }
                Some(whole)
            }
            Ast::Repetition(repetition) => {
                let (least, most) = match &repetition.op.kind {
                    RepetitionKind::ZeroOrOne => (0, Some(1)),
                    RepetitionKind::ZeroOrMore => (0, None),
                    RepetitionKind::OneOrMore => (1, None),
                    RepetitionKind::Range(RepetitionRange::Exactly(count)) => (*count, Some(*count)),
                    RepetitionKind::Range(RepetitionRange::AtLeast(least)) => (*least, None),
                    RepetitionKind::Range(RepetitionRange::Bounded(least, most)) => (*least, Some(*most)),
                };
                self.repeat(&repetition.ast, least.min(MAX_COPIES), most.filter(|most| *most <= MAX_COPIES), depth)
            }
        }
    }

    fn leaf(&mut self, ast: &Ast) -> Option<Part> {
        if self.classes.len() >= MAX_STATES {
            return None;
        }
        let hir = Translator::new().translate(&self.text, ast).ok()?;
        let ranges: Ranges = match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => class.iter().map(|range| (range.start(), range.end())).collect(),
            HirKind::Literal(literal) => {
                let mut chars = std::str::from_utf8(&literal.0).ok()?.chars();
                let one = chars.next()?;
                vec![(one, one)]
            }
            _ => return None,
        };
        let state = self.classes.len();
        self.classes.push(ranges);
        self.follow.push(Vec::new());
        Some(Part { nullable: false, first: vec![state], last: vec![state] })
    }

    fn link(&mut self, from: &[usize], to: &[usize]) {
        for state in from {
            self.follow[*state].extend(to);
        }
    }

    fn join(&mut self, left: Part, right: Part) -> Part {
        self.link(&left.last, &right.first);
        let mut whole = Part { nullable: left.nullable && right.nullable, first: left.first, last: right.last };
        if left.nullable {
            whole.first.extend(right.first);
        }
        if right.nullable {
            whole.last.extend(left.last);
        }
        whole
    }

    fn repeat(&mut self, ast: &Ast, least: u32, most: Option<u32>, depth: usize) -> Option<Part> {
        let mut whole = Part::nothing();
        for _ in 0..least.saturating_sub(u32::from(most.is_none())) {
            let next = self.build(ast, depth + 1)?;
            whole = self.join(whole, next);
        }
        match most {
            None => {
                let mut next = self.build(ast, depth + 1)?;
                self.link(&next.last.clone(), &next.first.clone());
                next.nullable |= least == 0;
                Some(self.join(whole, next))
            }
            Some(most) => {
                for _ in least..most {
                    let mut next = self.build(ast, depth + 1)?;
                    next.nullable = true;
                    whole = self.join(whole, next);
                }
                Some(whole)
            }
        }
    }

    /// A text that leads from the state back to itself in two ways.
    fn loops(&self, state: usize) -> Option<String> {
        type Pair = (usize, usize, bool);
        let start: Pair = (state, state, false);
        let mut before: HashMap<Pair, (Pair, char)> = HashMap::new();
        let mut waiting: VecDeque<Pair> = VecDeque::from([start]);
        let mut steps = 0;
        while let Some(pair @ (one, two, parted)) = waiting.pop_front() {
            for (i, left) in self.follow[one].iter().enumerate() {
                for (j, right) in self.follow[two].iter().enumerate() {
                    steps += 1;
                    if steps > MAX_STEPS {
                        return None;
                    }
                    // Two steps from one state are the same way until they part.
                    if !parted && j < i {
                        continue;
                    }
                    let Some(c) = common(&self.classes[*left], &self.classes[*right]) else { continue };
                    let next: Pair = (*left, *right, parted || i != j);
                    if next == (state, state, true) {
                        let mut word = vec![c];
                        let mut at = pair;
                        while let Some((earlier, c)) = before.get(&at).filter(|_| at != start) {
                            word.push(*c);
                            at = *earlier;
                        }
                        return Some(word.into_iter().rev().collect());
                    }
                    if next != start && !before.contains_key(&next) {
                        before.insert(next, (pair, c));
                        waiting.push_back(next);
                    }
                }
            }
        }
        None
    }

    /// A shortest text from the beginning into the state.
    fn way_to(&self, first: &[usize], state: usize) -> Option<String> {
        let mut texts: HashMap<usize, String> = HashMap::new();
        let mut waiting: VecDeque<usize> = VecDeque::new();
        for start in first {
            if let Some(c) = common(&self.classes[*start], &self.classes[*start]) {
                texts.entry(*start).or_insert_with(|| c.to_string());
                waiting.push_back(*start);
            }
        }
        while let Some(at) = waiting.pop_front() {
            if at == state {
                break;
            }
            for next in &self.follow[at] {
                let Some(c) = common(&self.classes[*next], &self.classes[*next]) else { continue };
                if !texts.contains_key(next) {
                    texts.insert(*next, format!("{}{c}", texts[&at]));
                    waiting.push_back(*next);
                }
            }
        }
        texts.remove(&state)
    }

    /// A character that no part of the pattern reads.
    fn foreign(&self) -> Option<char> {
        let is_read = |c: char| self.classes.iter().flatten().any(|(low, high)| (*low..=*high).contains(&c));
        ['!', '~', '"', ';', ' ', '\n', '\u{7f}', '\u{2603}'].into_iter().find(|c| !is_read(*c))
    }
}

/// A character of both: a letter or digit if there is one.
fn common(one: &Ranges, other: &Ranges) -> Option<char> {
    const LIKED: [(char, char); 4] = [('a', 'z'), ('0', '9'), ('A', 'Z'), ('!', '~')];
    let cut = |a: (char, char), b: (char, char)| {
        let (low, high) = (a.0.max(b.0), a.1.min(b.1));
        (low <= high).then_some((low, high))
    };
    let shared: Ranges = one.iter().flat_map(|a| other.iter().filter_map(move |b| cut(*a, *b))).collect();
    let liked = LIKED.iter().find_map(|kind| shared.iter().find_map(|range| cut(*range, *kind)));
    liked.or(shared.first().copied()).map(|(low, _)| low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of a matcher that backtracks over the automaton, cut at a million.
    fn steps(pattern: &str, text: &str) -> usize {
        let ast = Parser::new().parse(&translate(pattern)).unwrap();
        let mut automaton = Automaton { text: translate(pattern), classes: Vec::new(), follow: Vec::new() };
        let whole = automaton.build(&ast, 0).unwrap();
        fn walk(automaton: &Automaton, next: &[usize], text: &[char], steps: &mut usize) {
            for state in next {
                *steps += 1;
                let Some((c, rest)) = text.split_first().filter(|_| *steps < 1_000_000) else { return };
                if automaton.classes[*state].iter().any(|(low, high)| (low..=high).contains(&c)) {
                    walk(automaton, &automaton.follow[*state], rest, steps);
                }
            }
        }
        let mut count = 0;
        walk(&automaton, &whole.first, &text.chars().collect::<Vec<char>>(), &mut count);
        count
    }

    #[test]
    fn ambiguous_patterns_give_texts_that_explode() {
        for pattern in [
            "^(a+)+$",
            "^(a*)*$",
            "^(a|a)*$",
            "^([a-z]+\\s?)*$",
            "^(\\w|\\d)+$",
            "^([0-9a-zA-Z]([-.\\w]*[0-9a-zA-Z])*@{1}([0-9a-zA-Z][-\\w]*[0-9a-zA-Z]\\.)+[a-zA-Z]{2,9})$",
            "^(([a-z])+.)+[A-Z]([a-z])+$",
            "^(?=.*x)(a+)+$",
            "^id-(ab|a|b)+$",
            "^(a{1,64}){1,64}$",
        ] {
            let found = weakness(pattern).unwrap_or_else(|| panic!("{pattern}"));
            let text = |count: usize| format!("{}{}{}", found.prefix, found.pump.repeat(count), found.suffix);
            if pattern.contains("?=") {
                continue;
            }
            let (few, more) = (steps(pattern, &text(6)), steps(pattern, &text(12)));
            assert!(more > few * 16, "{pattern}: {found:?} {few} {more}");
        }
    }

    #[test]
    fn patterns_with_one_way_are_left_alone() {
        for pattern in [
            "^[a-z]+(-[a-z]+)*$",
            "^[a-z0-9]+[\\._]?[a-z0-9]+[@]\\w+[.]\\w{2,3}$",
            "^(a|b)*$",
            "^(ab|cd)+$",
            "^\\d{3}-\\d{4}$",
            "^[^@]+@[^@]+\\.[a-z]{2,}$",
            "^.*$",
            "^(?:[A-Z]{2}\\d)+$",
            "(",
            "",
        ] {
            assert_eq!(weakness(pattern), None, "{pattern}");
        }
    }
}
