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
fn alarms_and_settings_are_documented() {
    let page = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        std::fs::read_to_string(path).expect("readable")
    };
    let billing = page("billing.md");
    for alarm in nat::billing::account::Alarm::ALL {
        let row = format!("| `{}` | {} |", alarm.as_str(), alarm.explanation());
        assert!(billing.contains(&row), "docs/billing.md lacks the row: {row}");
    }
    let operating = page("operating.md");
    let settings = <nat::config::Settings as clap::Args>::augment_args(clap::Command::new("nat"));
    for variable in settings.get_arguments().filter_map(|argument| argument.get_env()?.to_str()) {
        assert!(operating.contains(&format!("`{variable}`")), "docs/operating.md does not tell of {variable}");
    }
}

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
