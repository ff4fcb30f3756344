//! What a language makes of a condition that was put together from text: enough of SQL, XPath and JavaScript to be
//! fooled in the way the real ones are.

/// Levels of brackets.
const MAX_DEPTH: usize = 32;
/// Seconds that a statement may sleep.
const MAX_SLEEP: f64 = 5.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::sample::farm::security) enum Dialect {
    Sql,
    Xpath,
    Script,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    Text(String),
    Number(f64),
    Truth(bool),
}

impl Datum {
    fn truth(&self) -> bool {
        match self {
            Self::Text(text) => text.parse::<f64>().is_ok_and(|number| number != 0.0),
            Self::Number(number) => *number != 0.0,
            Self::Truth(truth) => *truth,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => i32::from(*truth).to_string(),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Text(text) => text.parse().unwrap_or(0.0),
            Self::Number(number) => *number,
            Self::Truth(truth) => f64::from(i32::from(*truth)),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(f64),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 15] = ["||", "&&", "==", "<>", "!=", "=", "<", ">", "(", ")", "+", "-", "*", "/", ","];

fn tokens(text: &str, dialect: Dialect) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if dialect == Dialect::Sql && rest.starts_with("--") {
            break;
        }
        let length = if first == '\'' {
            let (literal, length) = literal(rest).ok_or_else(|| format!("Incorrect syntax near {rest}"))?;
            found.push(Token::Text(literal));
            length
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            found.push(Token::Number(rest[..length].parse().unwrap_or(0.0)));
            length
        } else if first.is_alphabetic() {
            let inside = |c: char| c.is_alphanumeric() || c == '_' || (c == '-' && dialect == Dialect::Xpath);
            let length = rest.find(|c: char| !inside(c)).unwrap_or(rest.len());
            found.push(Token::Word(rest[..length].to_owned()));
            length
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("Incorrect syntax near {rest}"))?;
            found.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// A literal at the beginning, and its length with quotes. Two quotes are one.
fn literal(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            out.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            out.push('\'');
        } else {
            return Some((out, at + 1));
        }
    }
    None
}

/// Names and values of one row.
pub(in crate::sample::farm::security) type Row<'a> = &'a [(&'a str, &'a str)];

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    row: Row<'a>,
    dialect: Dialect,
    slept: f64,
}

type Read = Result<Datum, String>;

/// The value of an expression for one row, and how long it slept.
pub(super) fn evaluate(text: &str, row: Row<'_>, dialect: Dialect) -> Result<(Datum, f64), String> {
    let mut reader = Reader { tokens: tokens(text, dialect)?, at: 0, depth: 0, row, dialect, slept: 0.0 };
    let value = reader.either()?;
    match reader.peek() {
        None => Ok((value, reader.slept.min(MAX_SLEEP))),
        Some(token) => Err(format!("Incorrect syntax near {token:?}")),
    }
}

/// The rows for which a condition holds.
pub(in crate::sample::farm::security) fn select<'r>(
    rows: &[Row<'r>],
    condition: &str,
    dialect: Dialect,
) -> Result<Vec<Row<'r>>, String> {
    let mut found = Vec::new();
    for row in rows {
        if evaluate(condition, row, dialect)?.0.truth() {
            found.push(*row);
        }
    }
    Ok(found)
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn sign(&mut self, wanted: &'static str) -> bool {
        let is_it = self.peek() == Some(&Token::Sign(wanted));
        self.at += usize::from(is_it);
        is_it
    }

    fn word(&mut self, wanted: &str) -> bool {
        let is_it = match self.peek() {
            Some(Token::Word(word)) if self.dialect == Dialect::Sql => word.eq_ignore_ascii_case(wanted),
            Some(Token::Word(word)) => *word == wanted.to_ascii_lowercase(),
            _ => false,
        };
        self.at += usize::from(is_it);
        is_it
    }

    fn must(&mut self, is_there: bool) -> Result<(), String> {
        if is_there { Ok(()) } else { Err(format!("Incorrect syntax near {:?}", self.peek())) }
    }

    fn either(&mut self) -> Read {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("too deep".to_owned());
        }
        let mut left = self.both()?;
        while self.is_or() {
            let right = self.both()?;
            left = Datum::Truth(left.truth() || right.truth());
        }
        self.depth -= 1;
        Ok(left)
    }

    fn is_or(&mut self) -> bool {
        if self.dialect == Dialect::Script { self.sign("||") } else { self.word("OR") }
    }

    fn both(&mut self) -> Read {
        let mut left = self.comparison()?;
        while if self.dialect == Dialect::Script { self.sign("&&") } else { self.word("AND") } {
            let right = self.comparison()?;
            left = Datum::Truth(left.truth() && right.truth());
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Read {
        let left = self.sum()?;
        let equals = if self.dialect == Dialect::Script { "==" } else { "=" };
        if self.sign(equals) {
            return Ok(Datum::Truth(left.text() == self.sum()?.text()));
        }
        if self.sign("<>") || self.sign("!=") {
            return Ok(Datum::Truth(left.text() != self.sum()?.text()));
        }
        if self.dialect == Dialect::Sql && self.word("LIKE") {
            let pattern = self.sum()?.text().to_lowercase();
            return Ok(Datum::Truth(is_like(&left.text().to_lowercase(), &pattern)));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Read {
        let mut left = self.product()?;
        loop {
            if self.sign("+") {
                left = Datum::Number(left.number() + self.product()?.number());
            } else if self.sign("-") {
                left = Datum::Number(left.number() - self.product()?.number());
            } else if self.dialect == Dialect::Sql && self.sign("||") {
                left = Datum::Text(left.text() + &self.product()?.text());
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self) -> Read {
        let mut left = self.primary()?;
        while self.sign("*") {
            left = Datum::Number(left.number() * self.primary()?.number());
        }
        Ok(left)
    }

    fn primary(&mut self) -> Read {
        if self.sign("(") {
            let value = if self.word("SELECT") { self.subselect()? } else { self.either()? };
            let closed = self.sign(")");
            self.must(closed)?;
            return Ok(value);
        }
        if self.dialect == Dialect::Sql && self.word("CASE") {
            return self.case();
        }
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => Ok(Datum::Text(text)),
            Some(Token::Number(number)) => Ok(Datum::Number(number)),
            Some(Token::Word(name)) if self.sign("(") => {
                let argument = self.either()?;
                let closed = self.sign(")");
                self.must(closed)?;
                self.call(&name, &argument)
            }
            Some(Token::Word(name)) => {
                let column = self.row.iter().find(|(column, _)| *column == name);
                let (_, value) = column.ok_or_else(|| format!("there is no column {name}"))?;
                Ok(value.parse().map_or_else(|_| Datum::Text((*value).to_owned()), Datum::Number))
            }
            other => Err(format!("Incorrect syntax near {other:?}")),
        }
    }

    fn subselect(&mut self) -> Read {
        let value = self.either()?;
        if self.word("FROM") {
            self.either()?;
        }
        Ok(value)
    }

    fn case(&mut self) -> Read {
        let when = self.word("WHEN");
        self.must(when)?;
        let condition = self.either()?;
        let then = self.word("THEN");
        self.must(then)?;
        let yes = self.either()?;
        let otherwise = self.word("ELSE");
        self.must(otherwise)?;
        let no = self.either()?;
        let end = self.word("END");
        self.must(end)?;
        Ok(if condition.truth() { yes } else { no })
    }

    fn call(&mut self, name: &str, argument: &Datum) -> Read {
        match (self.dialect, name) {
            (Dialect::Sql, "pg_sleep") => {
                self.slept += argument.number().max(0.0);
                Ok(Datum::Text(String::new()))
            }
            (Dialect::Xpath, "string-length") => Ok(Datum::Number(argument.text().chars().count() as f64)),
            _ => Err(format!("there is no function {name}")),
        }
    }
}

/// `%` is anything.
fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('%') {
        None => text == pattern,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let places = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            places.into_iter().any(|at| is_like(&rest[at..], after))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Row<'static>; 2] = [&[("id", "1"), ("title", "Dune")], &[("id", "2"), ("title", "Emma")]];

    #[test]
    fn conditions_hold_for_rows_as_in_the_real_languages() {
        for (condition, dialect, expected) in [
            ("title = 'Dune'", Dialect::Sql, Some(1)),
            ("title = 'Dune' AND '1'='2'", Dialect::Sql, Some(0)),
            ("title = 'x' OR '1'='1'", Dialect::Sql, Some(2)),
            ("title = 'x''y'", Dialect::Sql, Some(0)),
            ("title = 'x'y'", Dialect::Sql, None),
            ("title = 'Dune' ADN '1'='1'", Dialect::Sql, None),
            ("title LIKE '%un%'", Dialect::Sql, Some(1)),
            ("title LIKE '%x%' OR '1%'='1%'", Dialect::Sql, Some(2)),
            ("id = 1+5-5", Dialect::Sql, Some(1)),
            ("id = 1 OR 7=7", Dialect::Sql, Some(2)),
            ("title = 'Dune' -- '", Dialect::Sql, Some(1)),
            ("title='Dune' and string-length('1234')=4", Dialect::Xpath, Some(1)),
            ("title='Dune' AND '1'='1'", Dialect::Xpath, None),
            ("title=='x' || '1'=='1'", Dialect::Script, Some(2)),
            ("title=='Dune' && '1'=='2'", Dialect::Script, Some(0)),
        ] {
            let found = select(&ROWS, condition, dialect).ok().map(|rows| rows.len());
            assert_eq!(found, expected, "{condition}");
        }
        let (value, slept) = evaluate("'a'||(SELECT '' FROM pg_sleep(1.5))||(6*7)", &[], Dialect::Sql).expect("right");
        assert_eq!((value.text().as_str(), slept), ("a42", 1.5));
    }
}
