//! After a scan: what is known, what does not count, and whether the rest lets it pass.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nat::core::time::{Clock, SystemClock};
use nat::scan::engine::Outcome;
use nat::scan::finding::{Finding, Severity};
use nat::scan::gate::{self, Baseline, Gate, Review, Rules, Status};
use nat::scan::report::{self, Annotate, SpecFile};

use crate::cli::{exit, output};

/// Where GitLab expects its file.
const GITLAB_FILE: &str = "gl-code-quality-report.json";

#[derive(clap::Args)]
#[command(next_help_heading = "Gate")]
pub(in crate::cli) struct GateArgs {
    /// Exit with 1 when a finding that is not in the baseline is at least this severe: critical, high, medium, low, info
    /// or none. Default: high, and only findings that are proved.
    #[arg(long, value_parser = parse_fail_on, conflicts_with = "gate")]
    fail_on: Option<FailOn>,
    /// Exit with 1 when this is true, such as 'new.high > 0 || coverage.ops2xx < 0.8' (see docs/findings.md).
    #[arg(long, value_name = "EXPRESSION", value_parser = parse_gate)]
    gate: Option<Gate>,
    /// Findings that are known.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Add what this scan finds to the baseline; the file is made when there is none.
    #[arg(long, requires = "baseline")]
    baseline_update: bool,
    /// Remove what is fixed from the baseline: only where the operation was exercised.
    #[arg(long, requires = "baseline")]
    baseline_prune: bool,
    /// Rules for findings that do not count, each with a reason and a last day.
    #[arg(long, value_name = "FILE")]
    suppress: Option<PathBuf>,
    /// Annotate the document for a CI server: github, gitlab or azure.
    #[arg(long, value_name = "SERVER", value_parser = parse_annotate)]
    annotate: Option<Annotate>,
    /// Write what the document would have to say for the answers that were seen, as a JSON patch. Needs --spec FILE.
    #[arg(long, value_name = "FILE", requires = "spec")]
    spec_patch: Option<PathBuf>,
}

/// From which severity on the scan fails; `None` never.
#[derive(Clone, Copy)]
struct FailOn(Option<Severity>);

fn parse_fail_on(text: &str) -> Result<FailOn, String> {
    if text == "none" {
        return Ok(FailOn(None));
    }
    let found = Severity::ALL.into_iter().find(|severity| severity.as_str() == text);
    found
        .map(|severity| FailOn(Some(severity)))
        .ok_or_else(|| "one of critical, high, medium, low, info, none".to_owned())
}

fn parse_gate(text: &str) -> Result<Gate, String> {
    gate::parse(text).map_err(|error| error.to_string())
}

pub(in crate::cli) fn parse_annotate(text: &str) -> Result<Annotate, String> {
    Annotate::parse(text).ok_or_else(|| "one of github, gitlab, azure".to_owned())
}

/// What the gate reads, read before the scan, so that a mistake costs no scan.
pub(super) struct Files {
    baseline: Baseline,
    rules: Rules,
    spec: Option<(String, Vec<u8>)>,
}

impl Files {
    pub(super) fn read(args: &GateArgs, spec: Option<&str>) -> Result<Self, String> {
        let named = |path: &Path, why: String| format!("{}: {why}", path.display());
        let mut baseline = Baseline::default();
        if let Some(path) = &args.baseline {
            match std::fs::read_to_string(path) {
                Ok(text) => baseline = Baseline::parse(&text).map_err(|why| named(path, why))?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && args.baseline_update => {}
                Err(error) => return Err(named(path, error.to_string())),
            }
        }
        let rules = match &args.suppress {
            None => Rules::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| named(path, error.to_string()))?;
                Rules::parse(&text).map_err(|why| named(path, why))?
            }
        };
        let spec = spec.and_then(|path| Some((path.to_owned(), std::fs::read(path).ok()?)));
        if args.spec_patch.is_some() && spec.is_none() {
            return Err("--spec-patch needs a document in a file: --spec FILE".to_owned());
        }
        Ok(Self { baseline, rules, spec })
    }

    /// What baseline and rules say, when there are any.
    pub(super) fn review<'a>(&self, args: &GateArgs, outcome: &'a Outcome) -> Option<Review<'a>> {
        let today = SystemClock.now().date_naive();
        (args.baseline.is_some() || args.suppress.is_some())
            .then(|| Review::of(outcome, &self.baseline, &self.rules, today))
    }
}

/// Writes what was asked for and decides.
pub(super) fn judge(args: &GateArgs, files: Files, outcome: &Outcome, quiet: bool) -> ExitCode {
    let today = SystemClock.now().date_naive();
    let Files { mut baseline, rules, spec } = files;
    let before = Review::of(outcome, &baseline, &rules, today);
    if let Some(path) = args.baseline.as_ref().filter(|_| args.baseline_update || args.baseline_prune) {
        if args.baseline_update {
            baseline = baseline.updated(with_status(&before, |status| status != Status::Suppressed));
        }
        if args.baseline_prune {
            let fixed: Vec<&str> =
                before.gone.iter().filter(|gone| gone.fixed).map(|gone| gone.entry.id.as_str()).collect();
            baseline = baseline.without(&fixed);
        }
        if let Err(error) = std::fs::write(path, baseline.to_text()) {
            return exit::fail(exit::INTERNAL, &format!("cannot write {}: {error}", path.display()));
        }
    }
    let after = Review::of(outcome, &baseline, &rules, today);
    if !quiet && (args.baseline.is_some() || args.suppress.is_some()) {
        tell(&before);
    }
    if let Err(why) = write_beside(args, spec.as_ref(), &after) {
        return exit::fail(exit::INTERNAL, &why);
    }
    match fails(args, &after) {
        None => ExitCode::from(exit::PASSED),
        Some(held) => {
            output::say(&format!("gate failed: {}", held.join(", ")));
            ExitCode::from(exit::GATE_FAILED)
        }
    }
}

fn fails(args: &GateArgs, review: &Review<'_>) -> Option<Vec<String>> {
    let written = match (&args.gate, args.fail_on) {
        (Some(gate), _) => return gate.fails(|name| review.value(name)),
        (None, Some(FailOn(None))) => return None,
        (None, Some(FailOn(Some(least)))) => gate::at_least(least),
        (None, None) => gate::DEFAULT.to_owned(),
    };
    // Our own words: they parse, and a test says so.
    gate::parse(&written).ok().and_then(|gate| gate.fails(|name| review.value(name)))
}

fn with_status<'a>(review: &Review<'a>, wanted: impl Fn(Status) -> bool) -> Vec<&'a Finding> {
    let both = review.outcome.findings.iter().zip(&review.statuses);
    both.filter(|(_, status)| wanted(**status)).map(|(finding, _)| finding).collect()
}

fn tell(review: &Review<'_>) {
    let fixed = review.gone.iter().filter(|gone| gone.fixed).count();
    output::say(&format!(
        "{} new, {} unchanged, {} suppressed, {fixed} fixed, {} not looked at this time",
        review.count(Status::New),
        review.count(Status::Unchanged),
        review.count(Status::Suppressed),
        review.gone.len() - fixed
    ));
    for gone in review.gone.iter().filter(|gone| gone.fixed) {
        output::say(&format!("fixed: {} {}", gone.entry.check_id, gone.entry.endpoint));
    }
    for notice in &review.notices {
        output::say(&format!("note: {notice}"));
    }
}

/// Annotations of what is new, and the patch.
fn write_beside(args: &GateArgs, spec: Option<&(String, Vec<u8>)>, review: &Review<'_>) -> Result<(), String> {
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    if let Some(dialect) = args.annotate {
        let text = spec.map(|(_, bytes)| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let path = spec.map_or("openapi.json", |(path, _)| path.as_str());
        let new = with_status(review, |status| status == Status::New);
        let bytes = report::annotations(new, dialect, SpecFile { path, text: &text });
        if dialect == Annotate::Gitlab {
            write(Path::new(GITLAB_FILE), &bytes)?;
        } else if !bytes.is_empty() {
            let _ = output::write(&bytes);
        }
    }
    if let (Some(path), Some((_, bytes))) = (&args.spec_patch, spec) {
        let document = nat::scan::spec::document(bytes).map_err(|error| error.to_string())?;
        let patch = report::spec_patch(&review.outcome.findings, &document);
        write(path, serde_json::to_string_pretty(&patch).unwrap_or_default().as_bytes())?;
    }
    Ok(())
}
