//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use nat::scan::engine::{Event, EventSink};

use crate::cli::output;

/// Shows events as they come.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Silent when `quiet`.
    pub(super) fn start(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(100);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:<14} [{bar:30}] {pos:>3} %  {prefix}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar, quiet }
    }

    /// What the engine calls.
    pub(super) fn sink(&self) -> EventSink {
        let bar = self.bar.clone();
        let quiet = self.quiet;
        Arc::new(move |event| match &bar {
            Some(bar) => on_terminal(bar, &event),
            None if !quiet => {
                if let Some(line) = plain_line(&event) {
                    output::say(&line);
                }
            }
            None => {}
        })
    }

    /// Takes the bar away, so that the result stands alone.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn on_terminal(bar: &ProgressBar, event: &Event) {
    match event {
        Event::Progress(progress) => {
            bar.set_position(progress.percent.into());
            bar.set_message(phase_name(progress.phase.as_str()));
            bar.set_prefix(format!(
                "{} of {} operations, {} requests",
                progress.operations_tested, progress.operations_total, progress.requests_sent
            ));
        }
        other => {
            if let Some(line) = plain_line(other) {
                bar.println(line);
            }
        }
    }
}

fn phase_name(phase: &str) -> String {
    phase.replace('_', " ")
}

fn plain_line(event: &Event) -> Option<String> {
    Some(match event {
        Event::SpecLoaded { title, operations, warnings } => {
            let operations = counted(*operations, "operation");
            match warnings {
                0 => format!("{title}: {operations}"),
                _ => format!("{title}: {operations}, {} in the document", counted(*warnings, "fault")),
            }
        }
        Event::PhaseStarted(phase) => format!("phase: {}", phase_name(phase.as_str())),
        Event::Found(finding) => {
            format!("{:<8} {:<7} {}: {}", finding.severity.as_str(), finding.check_id, finding.endpoint, finding.title)
        }
        Event::Notice(text) => format!("note: {text}"),
        _ => return None,
    })
}

fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
