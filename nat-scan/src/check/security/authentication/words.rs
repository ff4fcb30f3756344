//! Secrets that people choose: words, and the rules by which they are made to look stronger. A list of our own.

/// Candidates that are made at most.
const MAX_CANDIDATES: usize = 60_000;

/// Whole secrets that stand in tutorials, templates and settings, and must be tried first.
const WHOLE: &[&str] = &[
    "secret",
    "random",
    "password",
    "jwt",
    "key",
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "change-this",
    "change-this-secret",
    "changethis",
    "please-change-me",
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "your_jwt_secret",
    "your-jwt-secret",
    "your_jwt_secret_key",
    "your-secret-key",
    "your_secret_key",
    "your-secret",
    "yoursecret",
    "yoursecretkey",
    "my-secret",
    "mysecret",
    "my_secret",
    "mysecretkey",
    "my-secret-key",
    "my_secret_key",
    "my_jwt_secret",
    "my-jwt-secret",
    "my-32-character-ultra-secure-and-ultra-long-secret",
    "super-secret",
    "super_secret",
    "supersecret",
    "super-secret-key",
    "super_secret_key",
    "supersecretkey",
    "super-duper-secret",
    "top-secret",
    "top_secret",
    "topsecret",
    "secret-key",
    "secret_key",
    "secretkey",
    "SECRET_KEY",
    "JWT_SECRET",
    "JWT_SECRET_KEY",
    "jwt-secret",
    "jwt_secret",
    "jwtsecret",
    "jwt-secret-key",
    "jwt_secret_key",
    "jwtsecretkey",
    "a-very-secret-key",
    "very-secret",
    "very-secret-key",
    "this-is-a-secret",
    "this is a secret",
    "thisisasecret",
    "this_is_a_secret_key",
    "thisismysecret",
    "not-so-secret",
    "notsosecret",
    "not-a-secret",
    "no-secret",
    "hard-to-guess-string",
    "hard to guess string",
    "keyboard cat",
    "keyboardcat",
    "shhhh",
    "shhhhh",
    "shhhhhhh",
    "shh",
    "ssshhh",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "letmein",
    "iloveyou",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "deadbeef",
    "cafebabe",
    "0123456789abcdef",
    "00000000000000000000000000000000",
    "11111111111111111111111111111111",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "gsecret",
    "somesecret",
    "some-secret",
    "some_secret_key",
    "dev-secret",
    "development-secret",
    "test-secret",
    "devsecret",
    "testsecret",
    "insecure",
    "insecure-secret",
    "insecure-key",
    "django-insecure",
    "unsafe",
    "sample-secret",
    "example-secret",
    "default-secret",
    "null",
    "undefined",
    "None",
    "nil",
    "false",
    "true",
    "",
    " ",
    "0",
    "x",
    "xxx",
    "***",
    "{}",
    "[object Object]",
];

/// Words that secrets are made from.
const WORDS: &[&str] = &[
    "secret", "random", "password", "passwd", "pass", "passphrase", "token", "auth", "access", "session", "cookie",
    "key", "private", "public", "secure", "security", "safe", "hidden", "crypto", "cipher", "hash", "salt", "sign",
    "signature", "signing", "jwt", "jws", "bearer", "login", "user", "admin", "administrator", "root", "master",
    "owner", "guest", "system", "service", "server", "client", "app", "application", "api", "rest", "web", "website",
    "backend", "frontend", "mobile", "gateway", "proxy", "cloud", "node", "nodejs", "express", "koa", "nest",
    "nestjs", "next", "nextjs", "react", "angular", "vue", "svelte", "python", "flask", "django", "fastapi",
    "tornado", "ruby", "rails", "sinatra", "php", "laravel", "symfony", "java", "spring", "springboot", "quarkus",
    "micronaut", "kotlin", "ktor", "golang", "gin", "echo", "fiber", "rust", "actix", "axum", "rocket", "dotnet",
    "aspnet", "elixir", "phoenix", "graphql", "apollo", "hasura", "strapi", "keycloak", "auth0", "firebase",
    "supabase", "docker", "kubernetes", "mongo", "mongodb", "mysql", "postgres", "redis", "kafka", "test", "testing",
    "tester", "demo", "sample", "example", "dummy", "default", "dev", "devel", "develop", "development", "stage",
    "staging", "prod", "production", "local", "localhost", "foo", "bar", "foobar", "baz", "hello", "world",
    "helloworld", "welcome", "change", "changeme", "temp", "temporary", "todo", "fixme", "company", "project",
    "shop", "store", "bank", "blog", "todoapp", "notes", "books", "market", "payment", "order", "customer",
    "employee", "manager", "team", "office", "school", "student", "teacher", "doctor", "hospital", "hotel", "travel",
    "music", "movie", "game", "gamer", "player", "dragon", "monkey", "tiger", "lion", "eagle", "falcon", "wolf",
    "bear", "shark", "horse", "cat", "kitty", "dog", "puppy", "unicorn", "ninja", "pirate", "wizard", "magic",
    "matrix", "batman", "superman", "spiderman", "starwars", "pokemon", "football", "baseball", "soccer", "hockey",
    "tennis", "golf", "summer", "winter", "spring", "autumn", "sunshine", "rainbow", "flower", "princess", "angel",
    "love", "lovely", "happy", "lucky", "freedom", "forever", "family", "mother", "father", "brother", "sister",
    "friend", "michael", "daniel", "charlie", "thomas", "robert", "jessica", "ashley", "nicole", "qwerty", "azerty",
    "qwertz", "asdf", "asdfgh", "zxcv", "abc", "abcd", "abcdef", "letmein", "iloveyou", "trustno", "access", "monday",
    "friday", "january", "june", "july", "december", "london", "paris", "berlin", "tokyo", "newyork", "america",
    "banana", "orange", "apple", "cherry", "coffee", "pizza", "chocolate", "cheese", "pepper", "silver", "golden",
    "diamond", "purple", "yellow", "green", "black", "white", "blue", "red", "mysecret", "supersecret", "topsecret",
    "vampi", "juiceshop", "crapi", "dvwa", "goat", "hackme", "hacker", "vulnerable", "insecure", "broken", "simple",
];

const ENDINGS: &[&str] = &[
    "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "!", "1!", "123!",
    "@123", "#1", "01", "007", "69", "99", "2", "3", "00", "000", "111", "321", "42", "_key", "-key", "key", "_secret",
    "-secret", "secret", "_token", "-jwt-secret", "_jwt_secret", "-secret-key", "_secret_key", "secretkey", "2020",
    "2021", "2022", "2023", "2024", "2025", "2026",
];

const BEGINNINGS: &[&str] = &["my", "my-", "my_", "super", "super-", "the", "your", "your-", "your_", "jwt-", "jwt_", "secret", "secret-"];

/// Every candidate, the likeliest first; `own` are words of the target itself, such as the title of the document.
pub(super) fn candidates(own: &[String]) -> impl Iterator<Item = String> {
    let own: Vec<String> = own.iter().take(12).cloned().collect();
    let words = own.into_iter().chain(WORDS.iter().map(|word| (*word).to_owned()));
    let digits = (1..=12).flat_map(|length| {
        let rising: String = "123456789012".chars().take(length).collect();
        let falling: String = "987654321098".chars().take(length).collect();
        let same = ('0'..='9').map(move |digit| digit.to_string().repeat(length));
        [rising, falling].into_iter().chain(same)
    });
    let numbers = (0..10_000).map(|number| format!("{number:04}"));
    let letters = ('a'..='z').flat_map(|letter| [1, 3, 4, 6, 8, 16, 32].map(|times| letter.to_string().repeat(times)));
    let years = (1970..=2030).map(|year: u32| year.to_string());
    WHOLE
        .iter()
        .map(|whole| (*whole).to_owned())
        .chain(words.flat_map(|word| forms(&word)))
        .chain(digits)
        .chain(letters)
        .chain(years)
        .chain(numbers)
        .take(MAX_CANDIDATES)
}

/// A word by every rule.
fn forms(word: &str) -> Vec<String> {
    let capitalised = capital(word);
    let upper = word.to_uppercase();
    let leet = leet(word);
    let mut found = vec![word.to_owned(), capitalised.clone(), upper.clone(), leet.clone(), capital(&leet)];
    found.push(word.repeat(2));
    found.push(word.chars().rev().collect());
    for ending in ENDINGS {
        found.extend([word, &capitalised, &upper].map(|word| format!("{word}{ending}")));
    }
    found.extend(["1", "123", "!"].map(|ending| format!("{leet}{ending}")));
    found.extend(BEGINNINGS.iter().map(|beginning| format!("{beginning}{word}")));
    found.extend(["my", "super", "the", "your"].map(|beginning| format!("{beginning}{capitalised}")));
    found
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}


fn leet(word: &str) -> String {
    let other = |letter: char| match letter {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        other => other,
    };
    word.chars().map(other).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn candidates_are_many_and_hold_what_people_choose() {
        let all: Vec<String> = candidates(&["vampi".to_owned()]).collect();
        let different: BTreeSet<&String> = all.iter().collect();
        assert!(different.len() >= 10_000 && all.len() < MAX_CANDIDATES, "{} of {}", different.len(), all.len());
        for expected in
            ["random", "secret", "Secret123", "SECRET", "p455w0rd", "flask-secret", "mySecret", "2024", "123456789", "vampi2023", "0042"]
        {
            assert!(different.contains(&expected.to_owned()), "{expected}");
        }
        assert_eq!(all.iter().position(|one| one == "random"), Some(1));
    }
}
