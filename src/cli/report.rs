//! `nat report`: a stored report in another format.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nat::scan::report::{self, Annotate, Export, Format, SpecFile};

use super::stored::Stored;
use super::{exit, output};

/// Arguments of `report`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nat report report.json                                       the summary for people
  nat report report.json --format pytest --output test_nat.py
  nat report report.json --format allure --output allure-results
  nat report report.json --format spec-patch --spec openapi.yaml")]
pub(super) struct ReportArgs {
    /// A report of nat scan --format json, or a file with one finding of it.
    report: PathBuf,
    /// Only the finding whose id begins so.
    #[arg(long)]
    id: Option<String>,
    /// json, html, csv, sarif, junit, markdown, har, allure, ctrf, ndjson, http, pytest, github, gitlab, azure or
    /// spec-patch. Absent: the summary for people.
    #[arg(long, value_parser = parse_kind)]
    format: Option<Kind>,
    /// Write there instead of to standard output; for allure a directory.
    #[arg(long, short, value_name = "FILE|DIR", required_if_eq("format", "allure"))]
    output: Option<PathBuf>,
    /// The OpenAPI document, for github, gitlab, azure and spec-patch.
    #[arg(long, value_name = "FILE", required_if_eq("format", "spec-patch"))]
    spec: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Kind {
    Report(Format),
    Export(Export),
    Annotations(Annotate),
    SpecPatch,
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    if text == "spec-patch" {
        return Ok(Kind::SpecPatch);
    }
    let found = Format::parse(text).map(Kind::Report).or_else(|| Export::parse(text).map(Kind::Export));
    found.or_else(|| Annotate::parse(text).map(Kind::Annotations)).ok_or_else(|| {
        let mut names: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        names.extend(Export::ALL.iter().map(|export| export.as_str()));
        names.extend(Annotate::ALL.iter().map(|annotate| annotate.as_str()));
        format!("one of {}, spec-patch", names.join(", "))
    })
}

/// Converts.
pub(super) fn run(args: &ReportArgs) -> ExitCode {
    match convert(args) {
        Ok(code) => code,
        Err(why) => exit::fail(exit::USAGE, &why),
    }
}

fn convert(args: &ReportArgs) -> Result<ExitCode, String> {
    let stored = Stored::read(&args.report)?;
    let only = args.id.as_deref().map(|id| stored.pick(Some(id)).cloned()).transpose()?;
    let (scan_id, mut outcome) = stored.into_outcome();
    if let Some(finding) = only {
        outcome.findings = vec![finding];
    }
    let path = args.spec.as_deref();
    let spec = path.map(|path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display())));
    let spec = spec.transpose()?.unwrap_or_default();
    let bytes = match args.format {
        None => {
            report::terminal(&outcome, args.output.is_none() && output::wants_colour(), output::width()).into_bytes()
        }
        Some(Kind::Report(format)) => report::write(&outcome, &scan_id, format),
        Some(Kind::Annotations(dialect)) => {
            let text = String::from_utf8_lossy(&spec);
            let path = path.map_or_else(|| "openapi.json".into(), Path::to_string_lossy);
            report::annotations(&outcome.findings, dialect, SpecFile { path: &path, text: &text })
        }
        Some(Kind::SpecPatch) => {
            let document = nat::scan::spec::document(&spec).map_err(|error| error.to_string())?;
            serde_json::to_vec_pretty(&report::spec_patch(&outcome.findings, &document)).unwrap_or_default()
        }
        Some(Kind::Export(export)) => {
            let mut files = report::export(&outcome, &scan_id, export);
            if let Some(directory) = args.output.as_deref().filter(|_| export.is_directory()) {
                return Ok(written(write_all(directory, &files)));
            }
            files.pop().map(|file| file.bytes).unwrap_or_default()
        }
    };
    Ok(match &args.output {
        None => output::write(&bytes),
        Some(path) => written(std::fs::write(path, &bytes).map_err(|error| format!("{}: {error}", path.display()))),
    })
}

fn write_all(directory: &Path, files: &[report::File]) -> Result<(), String> {
    let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| named(directory, error))?;
    for file in files {
        let path = directory.join(&file.name);
        std::fs::write(&path, &file.bytes).map_err(|error| named(&path, error))?;
    }
    Ok(())
}

fn written(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => exit::fail(exit::INTERNAL, &format!("cannot write {why}")),
    }
}
