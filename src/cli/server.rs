//! `serve`, `worker`, `plans` and `config check`.

use std::process::ExitCode;

use nat::config::{Config, Problem, Settings};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{exit, output};

/// Arguments of `serve` and `worker`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nat serve                                                     SQLite file nat.db, 127.0.0.1:8080
  nat serve --listen 0.0.0.0:8080 --metrics-listen 127.0.0.1:9090
  DATABASE_URL=postgres://nat@db/nat NAT_SEAL_KEY=… nat serve   several of these may share one database")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
}

/// Runs the API and a worker.
pub(super) fn serve(args: &ServeArgs) -> ExitCode {
    start(args, async |config, stop| {
        nat::server::serve(&config, stop, |address| tracing::info!(%address, "listening")).await
    })
}

/// Runs a worker alone.
pub(super) fn work(args: &ServeArgs) -> ExitCode {
    start(args, async |config, stop| nat::server::work(&config, stop).await)
}

/// Prints the catalogue in force.
pub(super) fn plans(settings: &Settings) -> ExitCode {
    match settings.check() {
        Ok(config) => output::print(&config.plans.to_toml()),
        Err(problems) => refuse(&problems),
    }
}

/// Prints every mistake, or the settings in force.
pub(super) fn check(settings: &Settings) -> ExitCode {
    match settings.check() {
        Ok(config) => {
            for warning in config.warnings.iter().chain(&misspelt()) {
                output::say(&format!("warning: {warning}"));
            }
            output::print(&config.describe())
        }
        Err(problems) => refuse(&problems),
    }
}

fn misspelt() -> Vec<Problem> {
    nat::config::unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

/// Says all problems at once.
pub(super) fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        output::say(&format!("error: {problem}"));
    }
    let noun = if problems.len() == 1 { "mistake" } else { "mistakes" };
    exit::fail(exit::CONFIG, &format!("{} {noun} in the configuration", problems.len()))
}

fn start(args: &ServeArgs, run: impl AsyncFnOnce(Config, CancellationToken) -> Result<(), String>) -> ExitCode {
    let config = match args.settings.check() {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    if let Err(error) = start_log(&config.log, config.log_json) {
        return exit::fail(exit::CONFIG, &format!("NAT_LOG: {error}"));
    }
    for warning in config.warnings.iter().chain(&misspelt()) {
        tracing::warn!("{warning}");
    }
    super::block_on(async {
        let stop = CancellationToken::new();
        tokio::select! {
            ended = run(config, stop.clone()) => match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => exit::fail(exit::INTERNAL, &why),
            },
            () = second_signal(&stop) => exit::fail(exit::CANCELLED, "stopped at once"),
        }
    })
}

fn start_log(filter: &str, json: bool) -> Result<(), String> {
    // The job queue polls; its chatter is worth a line only when it is a warning.
    let filter = EnvFilter::try_new(format!("sqlx=warn,apalis=warn,sea_orm=warn,{filter}"))
        .map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { builder.json().try_init() } else { builder.with_ansi(false).try_init() }
        .map_err(|error| error.to_string())
}

/// Cancels `stop` at the first SIGTERM or Ctrl-C and returns at the second.
pub(super) async fn second_signal(stop: &CancellationToken) {
    signal().await;
    tracing::info!("stopping; a second signal stops at once");
    stop.cancel();
    signal().await;
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
