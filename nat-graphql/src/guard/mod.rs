//! A linear look at the text of a document before the parser sees it.
//!
//! The parser and the validation rules of async-graphql recurse: a few kilobytes of nested braces, or a long chain of
//! fragments, overflow the stack, which ends the process and cannot be caught; fragments that spread each other twice
//! grow without bound. Whatever passes here can do neither.
//!
//! The guard reads the text once, from left to right, without recursion. It keeps a stack of at most
//! [`Limits::nesting`] brackets and one entry for each fragment and each spread, which [`Limits::tokens`] bounds. It is
//! no parser: what it lets through may still be no GraphQL. It only promises that brackets, selections, aliases,
//! directives, fragments and operations of the document are never more than it counted, so it must find every token
//! where the parser finds it. Where the grammar leaves room for two readings, such as a string that does not end, the
//! document is refused.

mod graph;
mod lex;
mod walk;

/// What a document may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its text.
    pub bytes: usize,
    /// Names, numbers, strings and punctuation.
    pub tokens: usize,
    /// `{`, `[` and `(` inside each other.
    pub nesting: usize,
    /// The same, with fragments put in the place of their spreads.
    pub depth: usize,
    /// Fragment definitions.
    pub fragments: usize,
    /// Fields with another name.
    pub aliases: usize,
    /// Fields of the operation itself, with those of fragments spread there.
    pub root_fields: usize,
    /// Directives of one field, spread, variable or definition.
    pub directives_each: usize,
    /// Directives in all.
    pub directives: usize,
    /// Operations.
    pub operations: usize,
    /// Selections, with fragments put in the place of their spreads.
    pub selections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 10,
            tokens: 2_000,
            nesting: 64,
            depth: 200,
            fragments: 100,
            aliases: 50,
            root_fields: 20,
            directives_each: 10,
            directives: 100,
            operations: 1,
            selections: 5_000,
        }
    }
}

/// Why a document is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// [`Limits::bytes`]
    TooLong,
    /// [`Limits::tokens`]
    TooManyTokens,
    /// [`Limits::nesting`] or [`Limits::depth`]
    NestsTooDeep,
    /// [`Limits::fragments`]
    TooManyFragments,
    /// [`Limits::aliases`]
    TooManyAliases,
    /// [`Limits::root_fields`]
    TooManyRootFields,
    /// [`Limits::directives_each`] or [`Limits::directives`]
    TooManyDirectives,
    /// [`Limits::operations`]
    TooManyOperations,
    /// [`Limits::selections`]
    TooManySelections,
    /// A fragment that spreads itself, by whatever way.
    FragmentCycle,
    /// Two fragments of one name, or one that is called `on`.
    FragmentName,
    /// A string without an end.
    UnterminatedString,
    /// A closing bracket that closes nothing, or an open one at the end.
    UnbalancedBrackets,
}

impl Refusal {
    /// Whether the parser would refuse the document too: it is wrong, not too large.
    #[must_use]
    pub const fn is_syntax(self) -> bool {
        matches!(self, Self::UnterminatedString | Self::UnbalancedBrackets)
    }

    /// A sentence for the client that names the limit.
    #[must_use]
    pub fn message(self, limits: &Limits) -> String {
        match self {
            Self::TooLong => format!("The query is longer than {} bytes.", limits.bytes),
            Self::TooManyTokens => format!("The query has more than {} tokens.", limits.tokens),
            Self::NestsTooDeep => format!("The query nests deeper than {}.", limits.nesting),
            Self::TooManyFragments => format!("The query has more than {} fragments.", limits.fragments),
            Self::TooManyAliases => format!("The query has more than {} aliases.", limits.aliases),
            Self::TooManyRootFields => format!("The query has more than {} root fields.", limits.root_fields),
            Self::TooManyDirectives => format!(
                "The query has more than {} directives at one place or {} in all.",
                limits.directives_each, limits.directives
            ),
            Self::TooManyOperations => format!("The document has more than {} operation.", limits.operations),
            Self::TooManySelections => {
                format!("The query selects more than {} fields once its fragments are expanded.", limits.selections)
            }
            Self::FragmentCycle => "A fragment of the query spreads itself.".to_owned(),
            Self::FragmentName => "Two fragments of the query have one name, or one is called 'on'.".to_owned(),
            Self::UnterminatedString => "A string in the query does not end.".to_owned(),
            Self::UnbalancedBrackets => "The brackets of the query do not match.".to_owned(),
        }
    }
}

/// Whether the document may be parsed.
///
/// # Errors
/// The first limit that it breaks.
pub fn check(query: &str, limits: &Limits) -> Result<(), Refusal> {
    if query.len() > limits.bytes {
        return Err(Refusal::TooLong);
    }
    walk::Walk::new(query, limits).run()?.check(limits)
}

#[cfg(test)]
mod tests;
