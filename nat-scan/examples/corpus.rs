//! Reads one document as the engine does and prints one line of JSON about it: `corpus FILE`.
//!
//! `.ci/corpus/run` starts one process for each document of a corpus, so that a stack overflow or an abort is a result too.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is its result")]

use std::path::Path;
use std::time::Instant;

use nat_scan::spec::{self, SpecLimits};
use serde_json::json;

fn main() {
    let Some(file) = std::env::args_os().nth(1) else {
        return eprintln!("usage: corpus FILE");
    };
    let bytes = match std::fs::read(Path::new(&file)) {
        Ok(bytes) => bytes,
        Err(error) => return eprintln!("{}: {error}", Path::new(&file).display()),
    };
    let start = Instant::now();
    let read = tokio::runtime::Builder::new_current_thread()
        .build()
        .map(|runtime| runtime.block_on(spec::load(&bytes, None, None, SpecLimits::default())));
    let seconds = start.elapsed().as_secs_f64();
    let line = match read {
        Ok(Ok(api)) => {
            let operations: Vec<String> =
                api.operations.iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
            let untestable = api.operations.iter().filter(|operation| operation.unusable.is_some()).count();
            let warnings: Vec<String> = api
                .warnings
                .iter()
                .take(20)
                .map(|warning| format!("{}: {}", warning.pointer, warning.message))
                .collect();
            json!({"seconds": seconds, "operations": operations, "untestable": untestable,
                "warnings": api.warnings.len(), "first_warnings": warnings})
        }
        Ok(Err(error)) => json!({"seconds": seconds, "error": error.to_string(), "kind": kind(&error)}),
        Err(error) => json!({"seconds": seconds, "error": error.to_string(), "kind": "Runtime"}),
    };
    println!("{line}");
}

fn kind(error: &spec::SpecError) -> String {
    format!("{error:?}").split([' ', '(', '{']).next().unwrap_or("").to_owned()
}
