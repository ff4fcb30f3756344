//! The language of gates: `||`, `&&`, `!`, parentheses, comparisons of numbers and counts. True means: fail.

/// Characters of an expression.
const MAX_LENGTH: usize = 4 << 10;
/// Nested parentheses and negations.
const MAX_DEPTH: usize = 64;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate(Node);

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct GateError {
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare(Term, Comparison, Term),
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    Name(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    NotEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Or,
    And,
    Not,
    Open,
    Close,
    Compare(Comparison),
    Term(Term),
}

impl Gate {
    /// Parses; `is_known` says which names there are.
    ///
    /// # Errors
    /// [`GateError`] with the column.
    pub fn parse(text: &str, is_known: impl Fn(&str) -> bool) -> Result<Self, GateError> {
        if text.len() > MAX_LENGTH {
            return Err(error(MAX_LENGTH, "the expression is too long"));
        }
        let tokens = tokens(text)?;
        for (column, token) in &tokens {
            if let Token::Term(Term::Name(name)) = token
                && !is_known(name)
            {
                return Err(error(*column, format!("'{name}' is not known")));
            }
        }
        let mut parser = Parser { tokens: &tokens, at: 0, end: text.chars().count() + 1, depth: 0 };
        let node = parser.or()?;
        match parser.tokens.get(parser.at) {
            None => Ok(Self(node)),
            Some((column, _)) => Err(error(*column, "an operator (|| or &&) or the end was expected")),
        }
    }

    /// The gate fails, with the comparisons that held (`new.high > 0 (2)`).
    #[must_use]
    pub fn fails(&self, value: impl Fn(&str) -> Option<f64>) -> Option<Vec<String>> {
        let mut held = Vec::new();
        let failed = self.0.holds(&value, &mut held);
        failed.then_some(held)
    }
}

fn error(column: usize, message: impl Into<String>) -> GateError {
    GateError { column, message: message.into() }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, GateError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(char) = chars.get(at).copied() {
        let pair: String = chars[at..].iter().take(2).collect();
        let (token, length) = match (pair.as_str(), char) {
            (_, char) if char.is_whitespace() => {
                at += 1;
                continue;
            }
            ("||", _) => (Token::Or, 2),
            ("&&", _) => (Token::And, 2),
            ("<=", _) => (Token::Compare(Comparison::AtMost), 2),
            (">=", _) => (Token::Compare(Comparison::AtLeast), 2),
            ("==", _) => (Token::Compare(Comparison::Equal), 2),
            ("!=", _) => (Token::Compare(Comparison::NotEqual), 2),
            (_, '<') => (Token::Compare(Comparison::Less), 1),
            (_, '>') => (Token::Compare(Comparison::Greater), 1),
            (_, '!') => (Token::Not, 1),
            (_, '(') => (Token::Open, 1),
            (_, ')') => (Token::Close, 1),
            (_, char) if char.is_ascii_alphanumeric() => word(&chars, at)?,
            (_, char) => return Err(error(at + 1, format!("'{char}' means nothing here"))),
        };
        tokens.push((at + 1, token));
        at += length;
    }
    Ok(tokens)
}

/// A number or a name.
fn word(chars: &[char], at: usize) -> Result<(Token, usize), GateError> {
    let is_part = |char: &&char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_');
    let word: String = chars[at..].iter().take_while(is_part).collect();
    let length = word.len();
    if !word.starts_with(|char: char| char.is_ascii_digit()) {
        return Ok((Token::Term(Term::Name(word)), length));
    }
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = word.parse().ok().filter(|_| is_number);
    number.map_or_else(
        || Err(error(at + 1, format!("'{word}' is no number"))),
        |number| Ok((Token::Term(Term::Number(number)), length)),
    )
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    /// The column behind the last character.
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Node, GateError> {
        let mut left = self.and()?;
        while self.take(&Token::Or) {
            left = Node::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node, GateError> {
        let mut left = self.unary()?;
        while self.take(&Token::And) {
            left = Node::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, GateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error(self.column(), "the expression nests too deeply"));
        }
        let node = if self.take(&Token::Not) {
            Node::Not(Box::new(self.unary()?))
        } else if self.take(&Token::Open) {
            let inner = self.or()?;
            if !self.take(&Token::Close) {
                return Err(error(self.column(), "a closing parenthesis was expected"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, GateError> {
        let left = self.term()?;
        let Some((_, Token::Compare(comparison))) = self.tokens.get(self.at) else {
            return Err(error(self.column(), "a comparison (<, <=, >, >=, == or !=) was expected"));
        };
        self.at += 1;
        Ok(Node::Compare(left, *comparison, self.term()?))
    }

    fn term(&mut self) -> Result<Term, GateError> {
        match self.tokens.get(self.at) {
            Some((_, Token::Term(term))) => {
                self.at += 1;
                Ok(term.clone())
            }
            _ => Err(error(self.column(), "a number or a name such as new.high was expected")),
        }
    }

    fn take(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|(_, next)| next == token);
        self.at += usize::from(is_next);
        is_next
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(column, _)| *column)
    }
}

impl Node {
    fn holds(&self, value: &impl Fn(&str) -> Option<f64>, held: &mut Vec<String>) -> bool {
        match self {
            // Both sides are looked at, so that every reason is named.
            Self::Or(left, right) => left.holds(value, held) | right.holds(value, held),
            Self::And(left, right) => left.holds(value, held) & right.holds(value, held),
            Self::Not(inner) => !inner.holds(value, &mut Vec::new()),
            Self::Compare(left, comparison, right) => {
                let number = |term: &Term| match term {
                    Term::Number(number) => *number,
                    Term::Name(name) => value(name).unwrap_or_default(),
                };
                let (one, other) = (number(left), number(right));
                let is_true = match comparison {
                    Comparison::Less => one < other,
                    Comparison::AtMost => one <= other,
                    Comparison::Greater => one > other,
                    Comparison::AtLeast => one >= other,
                    Comparison::Equal => (one - other).abs() < f64::EPSILON,
                    Comparison::NotEqual => (one - other).abs() >= f64::EPSILON,
                };
                if is_true {
                    held.push(format!("{} {} {}", left.told(value), comparison.as_str(), right.told(value)));
                }
                is_true
            }
        }
    }
}

impl Term {
    fn told(&self, value: &impl Fn(&str) -> Option<f64>) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => {
                let number = (value(name).unwrap_or_default() * 1000.0).round() / 1000.0;
                format!("{name} ({number})")
            }
        }
    }
}

impl Comparison {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}
