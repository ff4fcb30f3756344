//! One line for a shell that repeats a request, byte for byte, with secrets as variables.

use super::Redactor;
use super::redact::Piece;
use crate::transport::Request;

/// The line; see the module.
pub(super) fn line(request: &Request, origin: &str, redactor: &Redactor) -> String {
    let mut words = vec!["curl".to_owned(), "-sS".to_owned(), "-g".to_owned(), "--path-as-is".to_owned()];
    if origin.starts_with("https:") {
        words.push("--http1.1".to_owned());
    }
    match (request.method.as_str(), &request.body) {
        ("HEAD", None) => words.push("-I".to_owned()),
        (method, _) => words.extend(["-i".to_owned(), "-X".to_owned(), quoted(method.as_bytes(), redactor)]),
    }
    let url = format!("{origin}{}", request.target);
    words.push(quoted(url.as_bytes(), redactor));
    for (name, value) in &request.headers {
        words.extend(["-H".to_owned(), header(name, value, redactor)]);
    }
    let mut suppress = |name: &str| {
        if request.header(name).is_none() {
            words.extend(["-H".to_owned(), format!("'{name}:'")]);
        }
    };
    // What curl would add by itself.
    suppress("Accept");
    let body = match &request.body {
        Some(body) => Some(body.as_ref()),
        None if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") => Some(&b""[..]),
        None => None,
    };
    let Some(body) = body else { return words.join(" ") };
    suppress("Content-Type");
    if body.len() > EXPECT_THRESHOLD {
        suppress("Expect");
    }
    words.push("--data-binary".to_owned());
    if is_plain(body) {
        words.push(quoted(body, redactor));
        return words.join(" ");
    }
    words.push("@-".to_owned());
    format!("{} | {}", printf(body, redactor), words.join(" "))
}

/// From this size curl asks before it sends a body.
const EXPECT_THRESHOLD: usize = 1 << 20;

/// A single argument of a command may not be longer than 128 KiB on Linux; `printf` is part of the shell.
const MAX_ARGUMENT: usize = 64 << 10;

/// Fits between single quotes on one line, and is no file name to curl.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_ARGUMENT
        && !bytes.starts_with(b"@")
        && std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

fn header(name: &str, value: &[u8], redactor: &Redactor) -> String {
    let known_secret = redactor.pieces(value).iter().any(|piece| matches!(piece, Piece::Secret(_)));
    let text = String::from_utf8_lossy(value);
    if redactor.is_credential_header(name) && !known_secret {
        // Got during the scan, for example from a token endpoint.
        let scheme = text.split_once(' ').map(|(scheme, _)| format!("{scheme} ")).unwrap_or_default();
        return format!("{}\"$NAT_TOKEN\"", quoted(format!("{name}: {scheme}").as_bytes(), redactor));
    }
    if value.is_empty() {
        return quoted(format!("{name};").as_bytes(), redactor);
    }
    let mut whole = format!("{name}: ").into_bytes();
    whole.extend_from_slice(value);
    if is_plain(&whole) { quoted(&whole, redactor) } else { format!("\"$({})\"", printf(&whole, redactor)) }
}

/// For a POSIX shell: everything literal in single quotes, secrets as variables in double quotes.
fn quoted(bytes: &[u8], redactor: &Redactor) -> String {
    let mut out = String::new();
    for piece in redactor.pieces(bytes) {
        match piece {
            Piece::Plain(plain) => {
                out.push('\'');
                out.push_str(&String::from_utf8_lossy(plain).replace('\'', r"'\''"));
                out.push('\'');
            }
            Piece::Secret(secret) => out.push_str(&stand_in(&secret)),
        }
    }
    if out.is_empty() { "''".to_owned() } else { out }
}

/// `printf` with octal escapes writes any bytes.
fn printf(bytes: &[u8], redactor: &Redactor) -> String {
    let mut format = String::new();
    let mut arguments = String::new();
    for piece in redactor.pieces(bytes) {
        match piece {
            Piece::Plain(plain) => {
                for byte in plain {
                    match byte {
                        b'%' => format.push_str("%%"),
                        b'\'' | b'\\' => format.push_str(&format!("\\{byte:03o}")),
                        b' '..=b'~' => format.push(char::from(*byte)),
                        _ => format.push_str(&format!("\\{byte:03o}")),
                    }
                }
            }
            Piece::Secret(secret) => {
                format.push_str("%s");
                arguments.push(' ');
                arguments.push_str(&stand_in(&secret));
            }
        }
    }
    // A leading hyphen would be an option.
    if format.starts_with('-') {
        format.replace_range(..1, "\\055");
    }
    format!("printf '{format}'{arguments}")
}

fn stand_in(secret: &super::redact::Secret) -> String {
    match &secret.variable {
        Some(variable) => format!("\"${variable}\""),
        None => format!("'{}'", secret.replacement),
    }
}
