//! Exit codes, the same for every command.

use std::process::ExitCode;

/// Nothing wrong, or the gate passed.
pub(super) const PASSED: u8 = 0;
/// The gate failed (`--gate`, `--fail-on`), or a finding that was asked again is still there.
pub(super) const GATE_FAILED: u8 = 1;
/// The arguments are wrong (clap uses the same).
pub(super) const USAGE: u8 = 2;
/// The OpenAPI document cannot be used.
pub(super) const SPEC_UNUSABLE: u8 = 3;
/// The target cannot be reached or does not let us in: no verdict.
pub(super) const NO_VERDICT: u8 = 4;
/// A failure on our side.
pub(super) const INTERNAL: u8 = 5;
/// A server that is told to start with a wrong configuration (EX_CONFIG of sysexits).
pub(super) const CONFIG: u8 = 78;
/// Stopped by Ctrl-C; the report is partial.
pub(super) const CANCELLED: u8 = 130;

/// Says why on standard error and ends with `code`.
pub(super) fn fail(code: u8, why: &str) -> ExitCode {
    super::output::say(&format!("nat: {why}"));
    ExitCode::from(code)
}
