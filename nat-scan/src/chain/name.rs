//! Names as words, so that `petId`, `pet_id` and the `{id}` of `/pets/{id}` mean the same.

/// Segments that say what is done, not to what.
const VERBS: [&str; 22] = [
    "filter", "search", "list", "count", "query", "find", "all", "paginate", "page", "history", "bulk", "batch",
    "create", "register", "add", "new", "me", "current", "api", "latest", "next", "public",
];

/// What a request to a place of this name takes from everybody, if it succeeds.
const DESTROYING: [&str; 18] = [
    "reset", "createdb", "seed", "wipe", "clear", "purge", "truncate", "shutdown", "restart", "flush", "populate",
    "drop", "logout", "destroy", "delete", "remove", "prune", "revoke",
];

/// The last literal segment of the path says that something is removed, or that a session ends.
pub(crate) fn destroys(path: &str) -> bool {
    let last = path.rsplit('/').find(|segment| !segment.is_empty() && !segment.contains('{')).unwrap_or_default();
    tokens(last).iter().any(|word| DESTROYING.contains(&word.as_str()))
}

/// Lower-case words, each in the singular: `flowRuns_ID` is `flow`, `run`, `id`.
pub(crate) fn tokens(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut previous = ' ';
    for c in name.chars() {
        let boundary = c.is_uppercase() && (previous.is_lowercase() || previous.is_ascii_digit());
        if (!c.is_alphanumeric() || boundary) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words.iter().map(|word| singular(word)).collect()
}

/// The words joined: what two names that mean the same have in common.
pub(crate) fn key(name: &str) -> String {
    tokens(name).join("_")
}

fn singular(word: &str) -> String {
    let stem = |cut: usize, add: &str| format!("{}{add}", &word[..word.len() - cut]);
    match word {
        _ if word.len() < 4
            || !word.is_ascii()
            || word.ends_with("ss")
            || word.ends_with("us")
            || word.ends_with("is") =>
        {
            word.to_owned()
        }
        _ if word.ends_with("ies") => stem(3, "y"),
        _ if ["ches", "shes", "xes", "sses", "zes"].iter().any(|end| word.ends_with(end)) => stem(2, ""),
        _ if word.ends_with('s') => stem(1, ""),
        _ => word.to_owned(),
    }
}

/// What a path is about: its literal segments that are no verbs and no versions, first to last.
pub(crate) fn nouns_of_path(path: &str) -> Vec<String> {
    path.split('?')
        .next()
        .unwrap_or_default()
        .split('/')
        .filter(|segment| !segment.is_empty() && !segment.contains('{'))
        .map(key)
        .filter(|noun| !noun.is_empty() && !VERBS.contains(&noun.as_str()) && !is_version(noun))
        .collect()
}

fn is_version(noun: &str) -> bool {
    noun.strip_prefix('v').is_some_and(|rest| rest.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
}
