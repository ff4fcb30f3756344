//! One pass over the tokens: which bracket is open, what each name is, and what there is to count.

use super::graph::{Graph, Node};
use super::lex::{Lexer, Token};
use super::{Limits, Refusal};

/// An open bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// `{` of selections. At level 1 its fields are those of the operation or fragment itself; an inline fragment stays
    /// on the level that it stands on.
    Selections {
        level: usize,
    },
    /// `{` of an object value, `[`, `(`.
    Object,
    List,
    Parentheses,
}

impl Open {
    fn is_closed_by(self, byte: u8) -> bool {
        byte == match self {
            Self::Selections { .. } | Self::Object => b'}',
            Self::List => b']',
            Self::Parentheses => b')',
        }
    }
}

/// What the next name among selections, or among definitions, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A field, or an alias, or the keyword of a definition.
    Begin,
    /// The field behind an alias.
    Aliased,
    /// Behind `...`: a fragment, or `on`.
    Spread,
    /// Behind `on`, or anything else that names something and begins nothing.
    Name,
    /// The name of a fragment that is defined.
    FragmentName,
}

pub(super) struct Walk<'a> {
    lexer: Lexer<'a>,
    limits: &'a Limits,
    graph: Graph<'a>,
    open: Vec<Open>,
    expect: Expect,
    /// The operation or fragment that is read.
    node: Option<Node>,
    /// Whether the selection that was begun last is an inline fragment.
    is_inline: bool,
    tokens: usize,
    operations: usize,
    fragments: usize,
    aliases: usize,
    directives: usize,
    directives_here: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self {
            lexer: Lexer::new(text),
            limits,
            graph: Graph::default(),
            open: Vec::new(),
            expect: Expect::Begin,
            node: None,
            is_inline: false,
            tokens: 0,
            operations: 0,
            fragments: 0,
            aliases: 0,
            directives: 0,
            directives_here: 0,
        }
    }

    /// Reads to the end; how fragments hang together is judged afterwards.
    pub(super) fn run(mut self) -> Result<Graph<'a>, Refusal> {
        while let Some(token) = self.lexer.next()? {
            self.tokens += 1;
            if self.tokens > self.limits.tokens {
                return Err(Refusal::TooManyTokens);
            }
            match token {
                Token::Punctuation(byte @ (b'{' | b'[' | b'(')) => self.push(byte)?,
                Token::Punctuation(byte @ (b'}' | b']' | b')')) => self.pop(byte)?,
                Token::Punctuation(b'@') => self.directive()?,
                // Each variable may have directives of its own.
                Token::Punctuation(b'$') => self.directives_here = 0,
                _ => match self.open.last() {
                    None => self.in_definition(token)?,
                    Some(Open::Selections { level }) => self.in_selections(token, *level)?,
                    Some(Open::Object | Open::List | Open::Parentheses) => {}
                },
            }
        }
        if self.open.is_empty() { Ok(self.graph) } else { Err(Refusal::UnbalancedBrackets) }
    }

    fn push(&mut self, byte: u8) -> Result<(), Refusal> {
        let opened = match (byte, self.open.last()) {
            (b'(', _) => Open::Parentheses,
            (b'[', _) => Open::List,
            (_, None) => {
                if self.node.is_none() {
                    self.begin_operation()?;
                }
                Open::Selections { level: 1 }
            }
            (_, Some(Open::Selections { level })) => Open::Selections { level: level + usize::from(!self.is_inline) },
            (_, Some(_)) => Open::Object,
        };
        self.open.push(opened);
        if matches!(opened, Open::Selections { .. }) {
            self.expect = Expect::Begin;
        }
        if self.open.len() > self.limits.nesting {
            return Err(Refusal::NestsTooDeep);
        }
        self.graph.note_nesting(self.node, self.open.len());
        Ok(())
    }

    fn pop(&mut self, byte: u8) -> Result<(), Refusal> {
        let closed = self.open.pop().filter(|open| open.is_closed_by(byte)).ok_or(Refusal::UnbalancedBrackets)?;
        if matches!(closed, Open::Selections { .. }) {
            self.expect = Expect::Begin;
            if self.open.is_empty() {
                self.node = None;
            }
        }
        Ok(())
    }

    fn directive(&mut self) -> Result<(), Refusal> {
        self.directives += 1;
        self.directives_here += 1;
        // The name of the directive begins nothing.
        self.expect = if self.expect == Expect::FragmentName { self.expect } else { Expect::Name };
        if self.directives > self.limits.directives || self.directives_here > self.limits.directives_each {
            return Err(Refusal::TooManyDirectives);
        }
        Ok(())
    }

    fn begin_operation(&mut self) -> Result<(), Refusal> {
        self.operations += 1;
        self.directives_here = 0;
        self.node = Some(self.graph.add_operation());
        if self.operations > self.limits.operations { Err(Refusal::TooManyOperations) } else { Ok(()) }
    }

    /// Outside of brackets: the head of an operation or a fragment.
    fn in_definition(&mut self, token: Token<'a>) -> Result<(), Refusal> {
        let Token::Name(name) = token else { return Ok(()) };
        match self.expect {
            Expect::FragmentName => {
                // The grammar would take a fragment called `on`; a spread of it looks like a type condition.
                if name == "on" {
                    return Err(Refusal::FragmentName);
                }
                self.node = Some(self.graph.add_fragment(name));
                self.expect = Expect::Name;
            }
            _ if self.node.is_some() => {}
            _ if name == "fragment" => {
                self.fragments += 1;
                self.directives_here = 0;
                self.expect = Expect::FragmentName;
                if self.fragments > self.limits.fragments {
                    return Err(Refusal::TooManyFragments);
                }
            }
            // `query`, `mutation`, `subscription`; of any other word the parser will say that it is wrong here.
            _ => {
                self.begin_operation()?;
                self.expect = Expect::Name;
            }
        }
        Ok(())
    }

    fn in_selections(&mut self, token: Token<'a>, level: usize) -> Result<(), Refusal> {
        match token {
            Token::Spread => {
                self.begin_selection(true);
                self.expect = Expect::Spread;
            }
            Token::Punctuation(b':') => {
                self.aliases += 1;
                self.expect = Expect::Aliased;
                if self.aliases > self.limits.aliases {
                    return Err(Refusal::TooManyAliases);
                }
            }
            Token::Name(name) => match self.expect {
                Expect::Spread if name == "on" => self.expect = Expect::Name,
                Expect::Spread => {
                    self.graph.add_spread(self.node, name, level == 1);
                    self.expect = Expect::Begin;
                }
                Expect::Name | Expect::Aliased => self.expect = Expect::Begin,
                Expect::Begin | Expect::FragmentName => {
                    self.begin_selection(false);
                    if level == 1 {
                        self.graph.note_root_field(self.node);
                    }
                }
            },
            Token::Scalar | Token::Punctuation(_) => {}
        }
        Ok(())
    }

    fn begin_selection(&mut self, is_inline: bool) {
        self.is_inline = is_inline;
        self.directives_here = 0;
        self.graph.note_selection(self.node);
    }
}
