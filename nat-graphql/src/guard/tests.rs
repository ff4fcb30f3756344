//! Thresholds, and the promise that nothing is hidden from the guard.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use proptest::prelude::*;

use super::{Limits, Refusal, check};

fn verdict(query: &str) -> Option<Refusal> {
    check(query, &Limits::default()).err()
}

/// `open` and `close` around each other, as the value of an argument.
fn nested(open: &str, close: &str, count: usize) -> String {
    format!("{{ a(b: {}1{}) }}", open.repeat(count), close.repeat(count))
}

fn chain(count: usize) -> String {
    let fragments: Vec<String> = (0..count).map(|n| format!("fragment f{n} on Query {{ ...f{} }}", n + 1)).collect();
    format!("{{ ...f0 }} {} fragment f{count} on Query {{ a }}", fragments.join(" "))
}

fn doubling(levels: usize) -> String {
    let fragments: Vec<String> =
        (0..levels).map(|n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }}", n + 1)).collect();
    format!("{{ m {{ ...f0 }} }} {} fragment f{levels} on Query {{ a }}", fragments.join(" "))
}

#[test]
fn check_at_each_threshold_and_one_above() {
    let many = |unit: &str, count: usize| unit.repeat(count);
    for (query, expected) in [
        ("{ usage { plan } }".to_owned(), None),
        (format!("{{ a }}{}", " ".repeat((64 << 10) - 5)), None),
        (format!("{{ a }}{}", " ".repeat((64 << 10) - 4)), Some(Refusal::TooLong)),
        (format!("{{ a(b: [{}]) }}", many("1 ", 1_991)), None),
        (format!("{{ a(b: [{}]) }}", many("1 ", 1_992)), Some(Refusal::TooManyTokens)),
        (nested("[", "]", 62), None),
        (nested("[", "]", 63), Some(Refusal::NestsTooDeep)),
        (nested("{a:", "}", 63), Some(Refusal::NestsTooDeep)),
        (format!("{}{}", many("{a", 64), many("}", 64)), None),
        (format!("{}{}", many("{a", 65), many("}", 65)), Some(Refusal::NestsTooDeep)),
        (format!("query($v: {}1{}) {{ a }}", many("[", 63), many("]", 63)), None),
        (format!("query($v: {}1{}) {{ a }}", many("[", 64), many("]", 64)), Some(Refusal::NestsTooDeep)),
        (format!("{{ a }} {}", (0..100).map(|n| format!("fragment f{n} on Q {{ a }} ")).collect::<String>()), None),
        (
            format!("{{ a }} {}", (0..101).map(|n| format!("fragment f{n} on Q {{ a }} ")).collect::<String>()),
            Some(Refusal::TooManyFragments),
        ),
        (format!("{{ m {{ {} }} }}", many("x: a ", 50)), None),
        (format!("{{ m {{ {} }} }}", many("x: a ", 51)), Some(Refusal::TooManyAliases)),
        (format!("{{ {} }}", many("a ", 20)), None),
        (format!("{{ {} }}", many("a ", 21)), Some(Refusal::TooManyRootFields)),
        (format!("{{ ... {{ {} }} a }}", many("a ", 20)), Some(Refusal::TooManyRootFields)),
        (
            format!("{{ ... on Q {{ ...f }} }} fragment f on Q {{ {} }}", many("a ", 21)),
            Some(Refusal::TooManyRootFields),
        ),
        (format!("{{ m {{ {} }} }}", many("a ", 500)), None),
        (format!("{{ a {} }}", many("@b ", 10)), None),
        (format!("{{ a {} }}", many("@b ", 11)), Some(Refusal::TooManyDirectives)),
        (format!("{{ m {{ {} }} }}", many("a @b @b ", 50)), None),
        (format!("{{ m {{ {} }} }}", many("a @b @b ", 51)), Some(Refusal::TooManyDirectives)),
        ("{ a } query { a }".to_owned(), Some(Refusal::TooManyOperations)),
        ("query a { a } mutation b { a }".to_owned(), Some(Refusal::TooManyOperations)),
        (chain(60), None),
        (chain(99), None),
        (doubling(10), None),
        (doubling(11), Some(Refusal::TooManySelections)),
        (doubling(22), Some(Refusal::TooManySelections)),
        ("{ ...a } fragment a on Q { ...a }".to_owned(), Some(Refusal::FragmentCycle)),
        ("{ ...a } fragment a on Q { ...b } fragment b on Q { ...a }".to_owned(), Some(Refusal::FragmentCycle)),
        ("{ a } fragment b on Q { c { ...b } }".to_owned(), Some(Refusal::FragmentCycle)),
        ("{ a } fragment b on Q { a } fragment b on Q { a }".to_owned(), Some(Refusal::FragmentName)),
        ("{ a } fragment on on Q { ...on ...on }".to_owned(), Some(Refusal::FragmentName)),
        ("{ a ".to_owned(), Some(Refusal::UnbalancedBrackets)),
        ("{ a ] }".to_owned(), Some(Refusal::UnbalancedBrackets)),
        ("}".to_owned(), Some(Refusal::UnbalancedBrackets)),
        ("".to_owned(), None),
    ] {
        assert_eq!(verdict(&query), expected, "{}", &query[..query.len().min(90)]);
    }
}

#[test]
fn check_reads_strings_where_the_parser_does() {
    let brackets = "[".repeat(70);
    for (query, expected) in [
        (format!("{{ a(b: \"{brackets}\") }}"), None),
        (format!("{{ a(b: \"\"\"{brackets}\n\\\"\"\" {brackets}\"\"\") }}"), None),
        (format!("{{ a # {brackets}\n }}"), None),
        (format!("{{ a # x\r{brackets}"), Some(Refusal::NestsTooDeep)),
        (format!("{{ a(b: \"\\\"{brackets}\") }}"), None),
        // Read as an empty string and the beginning of another one by the parser.
        (format!("{{ a(b: [\"\"\" \"{brackets}"), Some(Refusal::UnterminatedString)),
        (format!("{{ a(b: \"\n{brackets}"), Some(Refusal::UnterminatedString)),
        ("\"\\".to_owned(), Some(Refusal::UnterminatedString)),
        ("\"\\ä".to_owned(), Some(Refusal::UnterminatedString)),
        ("\u{feff}{ a }".to_owned(), None),
    ] {
        assert_eq!(verdict(&query), expected, "{query:?}");
    }
}

#[test]
fn check_lets_the_tools_of_the_field_through() {
    let of_type = (0..9).fold("kind name".to_owned(), |inner, _| format!("kind name ofType {{ {inner} }}"));
    let introspection = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} \
         types {{ ...FullType }} directives {{ name description locations args {{ ...InputValue }} }} }} }} \
         fragment FullType on __Type {{ kind name description fields(includeDeprecated: true) {{ name description \
         args {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }} inputFields {{ ...InputValue }} \
         interfaces {{ ...TypeRef }} enumValues(includeDeprecated: true) {{ name description isDeprecated \
         deprecationReason }} possibleTypes {{ ...TypeRef }} }} \
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue }} \
         fragment TypeRef on __Type {{ {of_type} }}"
    );
    assert_eq!(verdict(&introspection), None);
}

/// What a parsed document holds: deepest selections, aliases, directives, fragments, operations.
fn measure(document: &ExecutableDocument) -> [usize; 5] {
    let mut sets: Vec<(&SelectionSet, usize)> =
        document.operations.iter().map(|(_, operation)| (&operation.node.selection_set.node, 1)).collect();
    sets.extend(document.fragments.values().map(|fragment| (&fragment.node.selection_set.node, 1)));
    let mut found = [0, 0, 0, document.fragments.len(), document.operations.iter().count()];
    while let Some((set, depth)) = sets.pop() {
        found[0] = found[0].max(depth);
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    found[1] += usize::from(field.node.alias.is_some());
                    found[2] += field.node.directives.len();
                    sets.push((&field.node.selection_set.node, depth + 1));
                }
                Selection::InlineFragment(fragment) => {
                    found[2] += fragment.node.directives.len();
                    sets.push((&fragment.node.selection_set.node, depth + 1));
                }
                Selection::FragmentSpread(spread) => found[2] += spread.node.directives.len(),
            }
        }
    }
    found
}

/// Pieces that documents, and attempts at confusion, are made of.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{",
        "}",
        "{ a ",
        "}",
        "[",
        "]",
        "(",
        ")",
        "a ",
        "b: ",
        "on ",
        "...",
        "... on Q ",
        "...f ",
        "query ",
        "fragment f on Q ",
        "fragment g on Q ",
        "@d ",
        "$v: ",
        "\"",
        "\"\"\"",
        "\\\"\"\"",
        "\\",
        "\n",
        "#",
        ",",
        "1 ",
        "-1.5e3 ",
        "ä",
        "\u{feff}",
        "a(b: {c: [1]}) ",
        "\"x\" ",
        "query Q($v: [Int] = [1]) ",
        "f ",
        "= ",
        "| ",
        "& ",
        "! ",
        ":",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..60).prop_map(|pieces| pieces.concat())
}

/// Documents of the grammar, so that many pass.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "x: a",
        "...f",
        "...g",
        "a @d @d",
        "a(b: \"{[(\")",
        "... @d { a }",
        "a(b: {c: [1, {d: \"\"\"{\"\"\"}]})",
    ]);
    let set = leaf.prop_map(str::to_owned).prop_recursive(12, 60, 4, |inner| {
        prop::collection::vec(inner, 1..4).prop_map(|items| format!("m {{ {} }}", items.join(" ")))
    });
    (set.clone(), set)
        .prop_map(|(one, two)| format!("query Q {{ {one} }} fragment f on Q {{ {two} }} fragment g on Q {{ a }}"))
}

/// Small limits, so that random documents stand on both sides of them.
fn small() -> Limits {
    Limits { nesting: 7, aliases: 3, directives: 4, fragments: 2, ..Limits::default() }
}

fn hides_nothing(query: &str) -> Result<(), TestCaseError> {
    let limits = small();
    if check(query, &limits).is_err() {
        return Ok(());
    }
    let Ok(document) = parse_query(query) else { return Ok(()) };
    let bounds = [limits.nesting, limits.aliases, limits.directives, limits.fragments, limits.operations];
    for (found, bound) in measure(&document).into_iter().zip(bounds) {
        // Empty sets of leaves count one level.
        prop_assert!(found <= bound + 1, "{:?} in {query:?}", measure(&document));
    }
    prop_assert!(document.operations.iter().count() <= 1);
    Ok(())
}

proptest! {
    #[test]
    fn check_never_misses_what_the_parser_finds_in_soup(query in soup()) {
        hides_nothing(&query)?;
    }

    #[test]
    fn check_never_misses_what_the_parser_finds_in_documents(query in document(), at in 0usize..400, piece in "[{}()\\[\\]\"#\\\\:@ \n]{0,3}") {
        hides_nothing(&query)?;
        let at = query.char_indices().map(|(index, _)| index).nth(at).unwrap_or(query.len());
        hides_nothing(&format!("{}{piece}{}", &query[..at], &query[at..]))?;
    }

    #[test]
    fn check_takes_any_text(query in ".{0,400}") {
        let _ = check(&query, &small());
    }
}
