//! Settings of the GraphQL facade and of browsers.

use nat_core::Scope;
use nat_graphql::Introspection;

use super::{Mode, Report, Settings};

/// Requests in one batch at most.
const MAX_BATCH: usize = 10;

impl Settings {
    /// What the facade is told; the token that stops it is the server's.
    pub(super) fn graphql(&self, mode: Mode, report: &mut Report) -> nat_graphql::Settings {
        nat_graphql::Settings {
            // A hosted schema is shown to those who were given the right.
            introspection: match mode {
                Mode::SelfHosted => Introspection::Everybody,
                Mode::Saas => Introspection::With(Scope::SchemaRead),
            },
            max_batch: batch(&self.graphql_batch, report),
            origins: self.origins(report),
            dashboard: switch("NAT_DASHBOARD", &self.dashboard, mode, report),
            graphiql: switch("NAT_GRAPHIQL", &self.graphiql, mode, report),
            ..nat_graphql::Settings::default()
        }
    }

    fn origins(&self, report: &mut Report) -> Vec<String> {
        let text = report.trimmed("NAT_ORIGINS", self.origins.as_ref()).unwrap_or_default();
        let mut origins = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match url::Url::parse(item) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == item => {
                    origins.push(item.to_owned());
                }
                _ => report.error("NAT_ORIGINS", format!("'{item}' is no origin such as https://app.example")),
            }
        }
        origins
    }
}

fn batch(text: &str, report: &mut Report) -> usize {
    let text = text.trim();
    match text.parse() {
        Ok(count @ 0..=MAX_BATCH) => count,
        Err(_) if text.is_empty() => 0,
        _ => {
            report.error("NAT_GRAPHQL_BATCH", format!("must be a number from 0 (no batches) to {MAX_BATCH}"));
            0
        }
    }
}

/// `auto` is on for a server of one's own and off for a hosted one.
fn switch(variable: &'static str, text: &str, mode: Mode, report: &mut Report) -> bool {
    match text.trim() {
        "" | "auto" => mode == Mode::SelfHosted,
        "on" => true,
        "off" => false,
        other => {
            report.error(variable, format!("'{other}' is none of auto, on and off"));
            false
        }
    }
}
