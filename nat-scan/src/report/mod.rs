//! Writers: JSON, SARIF 2.1.0, JUnit, HTML, Markdown, CSV. Each consumes an [`Outcome`] and nothing else.

mod allure;
mod annotate;
mod csv;
mod export;
mod har;
mod html;
mod http_file;
mod json;
mod junit;
mod markdown;
mod patch;
mod pytest;
mod sarif;
mod terminal;
mod text;
mod view;

use crate::engine::Outcome;
use crate::gate::Review;

pub use annotate::{Annotate, SpecFile, annotations};
pub use export::{Export, File, export};
pub use patch::{Suggestion, patched, spec_patch};
pub use terminal::terminal;

/// Name of the tool in reports.
const TOOL: &str = "NAT";
/// Its version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Its home.
const HOME: &str = "https://nat-testing.io";

/// A format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The outcome as it is.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit XML.
    Junit,
    /// One self-contained page.
    Html,
    /// For a pull request.
    Markdown,
    /// One row a finding.
    Csv,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [Self::Json, Self::Html, Self::Csv, Self::Sarif, Self::Junit, Self::Markdown];

    /// The name in `?format=` and `--format`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Sarif => "application/sarif+json",
            Self::Junit => "application/xml",
            Self::Html => "text/html; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// File ending without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Junit => "xml",
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Csv => "csv",
        }
    }
}

/// Writes the report; `id` names the scan in it. Its size is bounded by the outcome's.
#[must_use]
pub fn write(outcome: &Outcome, id: &str, format: Format) -> Vec<u8> {
    match format {
        Format::Json => json::write(outcome, id),
        Format::Sarif => sarif::write(outcome, id, None),
        Format::Junit => junit::write(outcome, id),
        Format::Html => html::write(outcome, id).into_bytes(),
        Format::Markdown => markdown::write(outcome, id).into_bytes(),
        Format::Csv => csv::write(outcome, id),
    }
}

/// As [`write()`], with what a baseline and rules say of the findings, in the formats that have a place for it (SARIF).
#[must_use]
pub fn write_reviewed(review: &Review<'_>, id: &str, format: Format) -> Vec<u8> {
    match format {
        Format::Sarif => sarif::write(review.outcome, id, Some(&review.statuses)),
        other => write(review.outcome, id, other),
    }
}

#[cfg(test)]
mod tests;
