//! Words for people. The one module of the package that prints.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Writes to standard output. A reader that goes away (`nat … | head`) is no failure.
pub(super) fn print(text: &str) -> ExitCode {
    write(text.as_bytes())
}

/// Writes bytes to standard output.
pub(super) fn write(bytes: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let newline: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
    let done = out.write_all(bytes).and_then(|()| out.write_all(newline)).and_then(|()| out.flush());
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            super::exit::fail(super::exit::INTERNAL, &format!("cannot write: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Writes a line to standard error: progress and complaints, never results.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Whether results go to a terminal that wants colour.
pub(super) fn wants_colour() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the binary reads the environment; NO_COLOR is a convention of terminals"
    )]
    let refused = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// Columns for results: those of the terminal, at most 100; 80 elsewhere.
pub(super) fn width() -> usize {
    let terminal = console::Term::stdout().size_checked();
    terminal.map_or(80, |(_, columns)| usize::from(columns).clamp(60, 100))
}
