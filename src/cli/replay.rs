//! `nat replay` and `nat verify`: findings of a report asked again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use nat::core::time::SystemClock;
use nat::scan::engine::ScanKind;
use nat::scan::finding::Finding;
use nat::scan::replay::{self, State, Verdict};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::scan::{IdentityArgs, LimitArgs, PermissionArgs};
use super::stored::Stored;
use super::{exit, output, scan};

const CODES: &str = "\
Exit codes: 0 fixed, 1 still there or changed, 2 wrong arguments, 3 unusable spec,
4 target unreachable or no verdict, 5 internal error, 130 cancelled.";

/// Arguments of `replay`.
#[derive(clap::Args)]
#[command(after_help = format!("\
Examples:
  nat replay report.json 3f9a1c --spec openapi.yaml
  nat replay finding.json --target http://127.0.0.1:8000 --bearer \"$TOKEN\"

{CODES}"))]
pub(super) struct ReplayArgs {
    /// A report of nat scan --format json, or a file with one finding of it.
    report: PathBuf,
    /// The finding: its id, or enough of its beginning. Not needed when there is only one.
    id: Option<String>,
    #[command(flatten)]
    how: HowArgs,
}

/// Arguments of `verify`.
#[derive(clap::Args)]
#[command(after_help = format!("\
Example:
  nat verify report.json --spec openapi.yaml

{CODES}
1 outweighs 4: what is still there is certain."))]
pub(super) struct VerifyArgs {
    /// A report of nat scan --format json.
    report: PathBuf,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(clap::Args)]
struct HowArgs {
    /// Base URL of the API; that of the report when absent. Paths are those of the report.
    #[arg(long, value_name = "URL")]
    target: Option<Url>,
    /// OpenAPI document, a file or a URL, as for the scan.
    #[arg(long, value_name = "FILE|URL")]
    spec: Option<String>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    permission: PermissionArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// One finding again.
pub(super) async fn replay(args: ReplayArgs) -> ExitCode {
    let picked = Stored::read(&args.report)
        .and_then(|stored| stored.pick(args.id.as_deref()).cloned().map(|finding| (stored, finding)));
    match picked {
        Ok((stored, finding)) => ask(&stored, &[finding], &args.how).await,
        Err(why) => exit::fail(exit::USAGE, &why),
    }
}

/// Every finding again.
pub(super) async fn verify(args: VerifyArgs) -> ExitCode {
    match Stored::read(&args.report) {
        Ok(stored) => ask(&stored, stored.findings(), &args.how).await,
        Err(why) => exit::fail(exit::USAGE, &why),
    }
}

async fn ask(stored: &Stored, findings: &[Finding], how: &HowArgs) -> ExitCode {
    let known = stored.target().and_then(|target| Url::parse(target).ok());
    let Some(target) = how.target.clone().or(known) else {
        return exit::fail(exit::USAGE, "the file does not say what was scanned: add --target");
    };
    let mut config =
        match scan::scan_config(&target, how.spec.as_deref(), &how.identity, &how.limits, ScanKind::Functional) {
            Ok(config) => config,
            Err((code, why)) => return exit::fail(code, &why),
        };
    if let Err(why) = how.permission.check(&target, how.limits.safe_mode)
        && replay::attacks(findings)
    {
        return exit::fail(exit::USAGE, &why);
    }
    // The valid requests beside the findings are those of the scan then.
    config.seed = how.limits.seed.or(stored.seed()).unwrap_or(config.seed);
    let ports = nat::server::engine_ports(false, Vec::new(), Arc::new(SystemClock));
    let cancel = CancellationToken::new();
    let asked = tokio::select! {
        asked = replay::verify(findings, &config, &ports, &cancel) => asked,
        () = super::server::second_signal(&cancel) => return exit::fail(exit::CANCELLED, "stopped at once"),
    };
    let verdicts = match asked {
        Ok(verdicts) => verdicts,
        Err(failure) => return scan::failed(&failure),
    };
    let printed = match how.json {
        true => output::print(&serde_json::to_string_pretty(&verdicts).unwrap_or_default()),
        false => output::print(&table(findings, &verdicts)),
    };
    if printed != ExitCode::SUCCESS {
        return printed;
    }
    ExitCode::from(if cancel.is_cancelled() { exit::CANCELLED } else { code(&verdicts) })
}

fn table(findings: &[Finding], verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for (finding, verdict) in findings.iter().zip(verdicts) {
        let status = verdict.status.map_or_else(String::new, |status| format!(" ({status})"));
        let id = finding.id.get(..12).unwrap_or(&finding.id);
        let line = format!(
            "{:<11}  {id}  {:<8} {}\n             {}{status}",
            verdict.state.as_str(),
            finding.check_id,
            finding.endpoint,
            verdict.why
        );
        text += &printable(&line);
        text.push('\n');
    }
    let count = |state| verdicts.iter().filter(|verdict| verdict.state == state).count();
    text + &format!(
        "{} reproduced, {} fixed, {} changed, {} undecidable\n",
        count(State::Reproduced),
        count(State::Fixed),
        count(State::Changed),
        count(State::Undecidable)
    )
}

/// Paths and explanations may hold what a target made up.
fn printable(text: &str) -> String {
    let is_harmful = |char: char| {
        (char.is_control() && char != '\n') || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|char| if is_harmful(char) { '\u{fffd}' } else { char }).collect()
}

fn code(verdicts: &[Verdict]) -> u8 {
    let any = |wanted: &[State]| verdicts.iter().any(|verdict| wanted.contains(&verdict.state));
    if any(&[State::Reproduced, State::Changed]) {
        exit::GATE_FAILED
    } else if any(&[State::Undecidable]) {
        exit::NO_VERDICT
    } else {
        exit::PASSED
    }
}
