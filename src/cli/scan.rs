//! `nat scan` and `nat security-scan`: the engine alone, no server and no database.

mod gate;
mod identity;
mod permission;
mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nat::core::entropy::{Entropy, SystemEntropy};
use nat::core::time::SystemClock;
use nat::scan::callback::CallbackAddress;
use nat::scan::engine::{self, Outcome, Profile, ScanConfig, ScanFailure, ScanKind, SpecSource};
use nat::scan::journal::{FileStore, Foreign, Journal};
use nat::scan::report::{self, Format};
use nat::scan::transport::Limits;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{exit, output};
pub(super) use identity::IdentityArgs;
pub(super) use permission::PermissionArgs;

/// Arguments of both scans.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nat scan http://127.0.0.1:8000
  nat scan http://127.0.0.1:8000/v2 --spec openapi.yaml --bearer \"$TOKEN\"
  nat scan http://127.0.0.1:8000 --spec http://127.0.0.1:8000/spec.json --format sarif --output nat.sarif
  NAT_PASSWORD=secret nat scan http://127.0.0.1:8000 --user ann
  nat security http://127.0.0.1:8000 --header 'X-API-Key: secret' --fail-on medium
  nat security https://api.example.org --i-own-this-target --user ann --second-user bob
  nat scan http://127.0.0.1:8000 --journal nat.journal
  nat scan http://127.0.0.1:8000 --baseline nat.baseline --gate 'new.high > 0 || coverage.ops2xx < 0.8'

Exit codes: 0 passed, 1 the gate failed (--gate, --fail-on), 2 wrong arguments, 3 unusable spec,
4 target unreachable, 5 internal error, 130 cancelled.")]
pub(super) struct ScanArgs {
    /// Base URL of the API.
    url: Url,
    /// OpenAPI 2.0, 3.0 or 3.1 document, JSON or YAML: a file or a URL. Absent: the usual places of the target.
    #[arg(long, value_name = "FILE|URL")]
    spec: Option<String>,
    /// Report instead of the summary for people: json, html, csv, sarif, junit, markdown.
    #[arg(long, value_parser = parse_format)]
    format: Option<Format>,
    /// Write the report there; its ending chooses the format when --format does not.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep there what was answered. A scan that was killed goes on where it was when it is started again with the same
    /// file, document and options; the file goes when the scan ends.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// No progress, only the result.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    gate: gate::GateArgs,
    #[command(flatten)]
    permission: PermissionArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Requests at once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
    /// Seconds for one answer.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=300))]
    timeout: u16,
    /// Requests in all.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_requests: u64,
    /// Seconds in all.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u16).range(1..=1800))]
    max_seconds: u16,
    /// Path pattern to leave out, such as '/admin/*'. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Send the same requests again as the scan that printed this seed.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Only GET, HEAD and OPTIONS.
    #[arg(long)]
    pub(super) safe_mode: bool,
    /// Security scan: also checks that put load on the target or leave things behind, and findings that are likely but
    /// not proved.
    #[arg(long)]
    thorough: bool,
    /// Security scan: where the target can reach this machine, to show that it makes requests for others. Listens there,
    /// by HTTP and DNS. A target on this machine needs no address.
    #[arg(long, value_name = "HOST[:PORT]")]
    callback_address: Option<CallbackAddress>,
    /// Leave what the scan made; otherwise it is removed at the end where the document has a DELETE for it.
    #[arg(long)]
    no_clean_up: bool,
}

fn parse_format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        format!("one of {}", names.join(", "))
    })
}

/// Runs a scan and prints or writes its report.
pub(super) async fn run(args: ScanArgs, kind: ScanKind) -> ExitCode {
    let format = match report_format(&args) {
        Ok(format) => format,
        Err(why) => return exit::fail(exit::USAGE, &why),
    };
    let mut config = match scan_config(&args.url, args.spec.as_deref(), &args.identity, &args.limits, kind) {
        Ok(config) => config,
        Err((code, why)) => return exit::fail(code, &why),
    };
    if kind == ScanKind::Security
        && let Err(why) = args.permission.check(&args.url, args.limits.safe_mode)
    {
        return exit::fail(exit::USAGE, &why);
    }
    let journal = match open_journal(args.journal.as_deref()).await {
        Ok(journal) => journal,
        Err(why) => return exit::fail(exit::USAGE, &why),
    };
    if args.limits.seed.is_none() {
        config.seed = journal.seed().unwrap_or(config.seed);
    }
    let gate = match gate::Files::read(&args.gate, args.spec.as_deref()) {
        Ok(gate) => gate,
        Err(why) => return exit::fail(exit::USAGE, &why),
    };
    let scan_id = config.scan_id.clone();
    let cancel = CancellationToken::new();
    let shown = progress::Progress::start(args.quiet);
    let ports = nat::server::engine_ports(false, Vec::new(), Arc::new(SystemClock));
    let outcome = tokio::select! {
        outcome = engine::run_with(config, ports, shown.sink(), cancel.clone(), Arc::clone(&journal)) => outcome,
        () = super::server::second_signal(&cancel) => return exit::fail(exit::CANCELLED, "stopped at once"),
    };
    shown.finish();
    let written = write_report(&args, &outcome, &scan_id, format, &gate);
    if written != ExitCode::SUCCESS {
        return written;
    }
    // One that was cancelled, or did not come to its first request, may go on later.
    if !outcome.cancelled
        && outcome.failure.is_none()
        && let Err(error) = journal.remove().await
    {
        output::say(&format!("note: the journal is left over: {error}"));
    }
    verdict(&args, &outcome, gate)
}

async fn open_journal(path: Option<&Path>) -> Result<Arc<Journal>, String> {
    let Some(path) = path else { return Ok(Journal::none()) };
    let opened = Journal::open(Arc::new(FileStore::new(path)), Foreign::Refuse).await;
    opened.map_err(|error| format!("{}: {error}", path.display()))
}

fn report_format(args: &ScanArgs) -> Result<Option<Format>, String> {
    let Some(path) = args.output.as_ref().filter(|_| args.format.is_none()) else { return Ok(args.format) };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let found = Format::ALL.into_iter().find(|format| format.extension() == ending);
    found.map(Some).ok_or_else(|| format!("the ending of {} names no format; add --format", path.display()))
}

/// What the engine is told; or an exit code and why not.
pub(super) fn scan_config(
    url: &Url,
    spec: Option<&str>,
    identity: &IdentityArgs,
    limits: &LimitArgs,
    kind: ScanKind,
) -> Result<ScanConfig, (u8, String)> {
    if !matches!(url.scheme(), "http" | "https") {
        // `localhost:8000` is a URL with the scheme `localhost`.
        let meant = if url.cannot_be_a_base() { format!(": http://{url}") } else { String::new() };
        return Err((exit::USAGE, format!("the URL must begin with http:// or https://{meant}")));
    }
    let spec = match spec {
        None => SpecSource::Discover,
        Some(text) if text.starts_with("http://") || text.starts_with("https://") => {
            SpecSource::Url(Url::parse(text).map_err(|error| (exit::USAGE, format!("--spec: {error}")))?)
        }
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| (exit::SPEC_UNUSABLE, format!("{path}: {error}")))?;
            let base = std::fs::canonicalize(path).ok().and_then(|path| Url::from_file_path(path).ok());
            SpecSource::Bytes { bytes, base }
        }
    };
    let users = identity::users(identity).map_err(|why| (exit::USAGE, why))?;
    let timeout = Duration::from_secs(limits.timeout.into());
    Ok(ScanConfig {
        kind,
        target: url.clone(),
        spec,
        callback: limits.callback_address.clone(),
        credentials: users.first,
        second_credentials: users.second,
        admin_credentials: users.admin,
        profile: if limits.thorough { Profile::Thorough } else { Profile::Quiet },
        concurrency: limits.concurrency.into(),
        limits: Limits {
            total_timeout: timeout,
            first_byte_timeout: timeout.min(Limits::default().first_byte_timeout),
            ..Limits::default()
        },
        max_requests: limits.max_requests,
        max_duration: Duration::from_secs(limits.max_seconds.into()),
        max_bytes: 4 << 30,
        exclude: limits.exclude.clone(),
        seed: limits.seed.unwrap_or_else(random_seed),
        safe_mode: limits.safe_mode,
        clean_up: !limits.no_clean_up,
        scan_id: nat::core::ScanId::generate(nat::core::time::Clock::now(&SystemClock), &SystemEntropy).to_string(),
    })
}

fn random_seed() -> u64 {
    let mut bytes = [0u8; 4];
    SystemEntropy.fill(&mut bytes);
    // Short enough to be typed again.
    u64::from(u32::from_le_bytes(bytes))
}

fn write_report(
    args: &ScanArgs,
    outcome: &Outcome,
    scan_id: &str,
    format: Option<Format>,
    gate: &gate::Files,
) -> ExitCode {
    let summary = || report::terminal(outcome, output::wants_colour(), output::width());
    let Some(format) = format else { return output::print(&summary()) };
    let bytes = match gate.review(&args.gate, outcome) {
        Some(review) => report::write_reviewed(&review, scan_id, format),
        None => report::write(outcome, scan_id, format),
    };
    let Some(path) = &args.output else { return output::write(&bytes) };
    if let Err(error) = std::fs::write(path, &bytes) {
        return exit::fail(exit::INTERNAL, &format!("cannot write {}: {error}", path.display()));
    }
    if !args.quiet {
        output::say(&format!("report written to {}", path.display()));
        return output::print(&summary());
    }
    ExitCode::SUCCESS
}

fn verdict(args: &ScanArgs, outcome: &Outcome, gate: gate::Files) -> ExitCode {
    if outcome.cancelled {
        return ExitCode::from(exit::CANCELLED);
    }
    match &outcome.failure {
        Some(failure) => failed(failure),
        None => gate::judge(&args.gate, gate, outcome, args.quiet),
    }
}

/// A scan that could not be made.
pub(super) fn failed(failure: &ScanFailure) -> ExitCode {
    let code = match failure.code.as_str() {
        "SPEC_INVALID" => exit::SPEC_UNUSABLE,
        "ENGINE_ERROR" => exit::INTERNAL,
        "JOURNAL_FOREIGN" => exit::USAGE,
        "CANCELLED" => exit::CANCELLED,
        _ => exit::NO_VERDICT,
    };
    exit::fail(code, &failure.message)
}
