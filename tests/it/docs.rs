//! Pages that are made from code stay what the code says.

use std::fmt::Write;
use std::path::Path;

use nat::core::ErrorCode;

const INTRODUCTION: &str = "\
# Errors

Every error is a flat JSON object: `error` (the code), `message`, mostly `status`, then the extra members named below. The
same code stands in `extensions.code` of a GraphQL error. `retry_after` is in seconds and equals the header `Retry-After`.

This page is made from the registry in `nat-core/src/error.rs` (`UPDATE_DOCS=1 cargo test --test it docs`).
";

#[test]
fn errors_page_is_the_registry() {
    let mut page = INTRODUCTION.to_owned();
    for code in ErrorCode::ALL {
        let _ = write!(page, "\n## {} ({})\n\n{}\n", code.as_str(), code.status(), code.explanation());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/errors.md is not what the registry says; run UPDATE_DOCS=1 cargo test --test it docs");
}
