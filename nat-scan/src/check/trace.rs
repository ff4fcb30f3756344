//! What servers let slip when they fail: stack traces, database errors, paths of files.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::transport::Response;

/// How much of a body is searched.
const MAX_TEXT: usize = 256 << 10;

/// What was let slip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    /// `Python stack trace`, `MySQL error`, `file path`.
    pub(crate) kind: String,
    /// Where the program was, without line numbers, values or directories: `app.py:create_order`.
    pub(crate) frame: String,
    /// A short quotation.
    pub(crate) quote: String,
    /// A stack trace or a database error; a lone path of a file is weaker.
    pub(crate) strong: bool,
}

struct Grammar {
    language: &'static str,
    /// Captures `file` and perhaps `function`.
    frame: Regex,
    /// What makes one frame enough.
    headline: Regex,
    /// The newest frame comes last.
    newest_last: bool,
}

fn grammar(language: &'static str, frame: &str, headline: &str) -> Grammar {
    let regex = |pattern: &str| Regex::new(pattern).expect("a constant pattern");
    Grammar { language, frame: regex(frame), headline: regex(headline), newest_last: language == "Python" }
}

// The engine of these patterns is linear in the text, so that unbounded repetition is safe.
static GRAMMARS: LazyLock<Vec<Grammar>> = LazyLock::new(|| {
    vec![
        grammar(
            "Python",
            r#"File "(?P<file>[^"\n]+)", line \d+, in (?P<function>[\w<>.]+)"#,
            r"Traceback \(most recent call last\)",
        ),
        grammar(
            "Java",
            r"\bat (?P<function>[\w$.<>/]+)\((?P<file>[\w$]+\.(?:java|kt|scala|groovy)):\d+\)",
            r"\b[a-z][\w.]*\.[A-Z]\w*(?:Exception|Error)\b",
        ),
        grammar(
            ".NET",
            r"\bat (?P<function>[\w.<>`+\[\]]+)\([^)\n]*\) in (?P<file>(?:[A-Z]:)?[^\n:]+):line \d+",
            r"\b[A-Z]\w*(?:\.\w+)+Exception\b",
        ),
        grammar(
            "JavaScript",
            r"\bat (?:(?:async )?(?P<function>[\w$.<>\[\] ]+) \()?(?P<file>(?:file://|node:|[/\w@.-]|[A-Z]:\\)[^\s():]*\.?[cm]?[jt]s):\d+:\d+\)?",
            r"\b(?:[A-Z]\w*)?Error: ",
        ),
        grammar("Go", r"(?P<file>/[^\s:]+\.go):\d+(?: \+0x[0-9a-f]+)?", r"goroutine \d+ \[|panic: "),
        grammar(
            "PHP",
            r"(?:#\d+ (?P<file>[^\s(]+\.php)\(\d+\): (?P<function>[\w\\:>-]+))|(?: in \S+\.php(?: on line |:)\d+)",
            r"(?:Fatal error|Warning|Notice|Parse error|Uncaught \w+)\b",
        ),
        grammar(
            "Ruby",
            r"(?P<file>[\w./-]+\.rb):\d+:in [`'](?P<function>[^'`\n]+)'",
            r"\b[A-Z]\w*(?:::\w+)*(?:Error|Exception)\b",
        ),
        grammar(
            "Rust",
            r"(?:panicked at (?:'[^'\n]*', )?|^\s*at )(?P<file>[\w./-]+\.rs):\d+:\d+",
            r"thread '[^'\n]*'(?: \(\d+\))? panicked|stack backtrace:",
        ),
    ]
});

static DATABASES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        ("MySQL", r"You have an error in your SQL syntax|com\.mysql\.(?:cj\.)?jdbc|pymysql\.err\.|MySqlException"),
        (
            "PostgreSQL",
            r"syntax error at or near |psycopg2?\.errors?\.|org\.postgresql\.util\.PSQLException|PG::\w+Error|violates (?:unique|foreign key|not-null|check) constraint|Npgsql\.",
        ),
        (
            "SQLite",
            r"sqlite3\.\w+Error|SQLITE_(?:ERROR|CONSTRAINT|MISMATCH|RANGE)|unrecognized token: |no such (?:column|table): |near .+: syntax error",
        ),
        ("SQL Server", r"Unclosed quotation mark after|System\.Data\.SqlClient|Microsoft OLE DB Provider for SQL"),
        ("Oracle", r"\bORA-\d{5}\b|oracle\.jdbc\."),
        ("MongoDB", r"MongoServerError|pymongo\.errors\.|E11000 duplicate key"),
        ("SQL", r"\bSQLSTATE\[|org\.hibernate\.(?:exception|query)|SequelizeDatabaseError|sqlalchemy\.exc\.|QueryFailedError"),
    ]
    .into_iter()
    .map(|(name, pattern)| (name, Regex::new(pattern).expect("a constant pattern")))
    .collect()
});

static FILE_PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:/(?:home|usr|var|opt|srv|app|root|etc|Users)/[\w./-]+|[A-Z]:\\[\w\\. -]+)[/\\][\w-]+\.(?:py|rb|jsx?|tsx?|php|java|jar|go|rs|cs|dll|conf|ini|ya?ml|sqlite3?|db)\b",
    )
    .expect("a constant pattern")
});

/// The strongest leak of an answer.
pub(crate) fn find(response: &Response, json: Option<&Value>) -> Option<Leak> {
    find_in(&readable(response, json))
}

/// As [`find`], in plain text.
pub(crate) fn find_in(text: &str) -> Option<Leak> {
    GRAMMARS
        .iter()
        .find_map(|grammar| stack_trace(grammar, text))
        .or_else(|| database(text))
        .or_else(|| file_path(text))
}

fn stack_trace(grammar: &Grammar, text: &str) -> Option<Leak> {
    let frames: Vec<_> = grammar.frame.captures_iter(text).take(64).collect();
    if frames.is_empty() || (frames.len() < 2 && !grammar.headline.is_match(text)) {
        return None;
    }
    let newest = if grammar.newest_last { frames.last()? } else { frames.first()? };
    let file = newest.name("file").map_or("", |file| file.as_str());
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let frame = match newest.name("function") {
        Some(function) => format!("{file}:{}", function.as_str().trim()),
        None => file.to_owned(),
    };
    let quote = newest.get(0).map_or("", |whole| whole.as_str());
    Some(Leak {
        kind: format!("{} stack trace", grammar.language),
        frame,
        quote: quote.trim().to_owned(),
        strong: true,
    })
}

fn database(text: &str) -> Option<Leak> {
    DATABASES.iter().find_map(|(name, pattern)| {
        let quote = pattern.find(text)?.as_str().to_owned();
        Some(Leak { kind: format!("{name} error"), frame: format!("{name} error"), quote, strong: true })
    })
}

fn file_path(text: &str) -> Option<Leak> {
    let path = FILE_PATH.find(text)?.as_str();
    let frame = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
    Some(Leak { kind: "file path".to_owned(), frame, quote: path.to_owned(), strong: false })
}

/// What a person reads: strings of a JSON body unescaped, one a line; HTML without tags.
pub(crate) fn readable(response: &Response, json: Option<&Value>) -> String {
    if let Some(json) = json {
        let mut text = String::new();
        strings(json, &mut text);
        return text;
    }
    let text = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]).into_owned();
    if response.media_type().is_none_or(|media| !media.contains("html")) {
        return text;
    }
    static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<[^<>]*>").expect("a constant pattern"));
    let text = TAG.replace_all(&text, "");
    text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")
}

fn strings(value: &Value, text: &mut String) {
    if text.len() > MAX_TEXT {
        return;
    }
    match value {
        Value::String(string) => {
            text.push_str(string);
            text.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, text)),
        Value::Object(members) => members.values().for_each(|member| strings(member, text)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str)>) {
        let found = find_in(text);
        assert_eq!(found.as_ref().map(|leak| (leak.kind.as_str(), leak.frame.as_str())), expected, "{text}");
    }

    #[test]
    fn find_in_leaks_names_kind_and_top_frame() {
        check(
            "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 10, in handler\n    x()\n  File \"/srv/app/orders.py\", line 33, in create_order\nKeyError: 'id'",
            Some(("Python stack trace", "orders.py:create_order")),
        );
        check(
            "java.lang.NullPointerException: null\n\tat com.acme.Shop.find(Shop.java:42)\n\tat com.acme.Web.get(Web.java:7)",
            Some(("Java stack trace", "Shop.java:com.acme.Shop.find")),
        );
        check(
            "TypeError: Cannot read properties of undefined (reading 'id')\n    at getUser (/usr/src/app/routes/users.js:12:19)\n    at Layer.handle (/usr/src/app/node_modules/express/lib/router/layer.js:95:5)",
            Some(("JavaScript stack trace", "users.js:getUser")),
        );
        check(
            "System.NullReferenceException: Object reference not set\n   at Shop.Api.Orders.Get(Int32 id) in /src/Orders.cs:line 31",
            Some((".NET stack trace", "Orders.cs:Shop.Api.Orders.Get")),
        );
        check(
            "panic: runtime error: index out of range\n\ngoroutine 7 [running]:\nmain.handler(0xc0000)\n\t/app/main.go:44 +0x1d",
            Some(("Go stack trace", "main.go")),
        );
        check(
            "PHP Fatal error:  Uncaught TypeError\nStack trace:\n#0 /var/www/index.php(12): handle()\n#1 {main}",
            Some(("PHP stack trace", "index.php:handle")),
        );
        check(
            "NoMethodError: undefined method\napp/models/user.rb:12:in `name'\napp/c.rb:3:in `show'",
            Some(("Ruby stack trace", "user.rb:name")),
        );
        check("thread 'main' panicked at src/main.rs:10:5:\nboom", Some(("Rust stack trace", "main.rs")));
        check("You have an error in your SQL syntax; check the manual", Some(("MySQL error", "MySQL error")));
        check("ERROR: syntax error at or near \"'\"", Some(("PostgreSQL error", "PostgreSQL error")));
        check("cannot open /var/www/shop/config/database.yml", Some(("file path", "database.yml")));
    }

    #[test]
    fn find_in_ordinary_texts_finds_nothing() {
        for text in [
            "",
            "Bad Request",
            "meet me at noon (see notes.txt:12)",
            "The file \"report.py\" is attached, line 3 is new",
            "See https://example.com/usr/guide.html and /api/v1/books/12",
            "Error: name is required",
            "the value at items.0 is not a number",
            "/home",
            "a syntax error in the query: unexpected token",
            "com.example.books.Book",
        ] {
            check(text, None);
        }
    }
}
