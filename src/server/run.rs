//! Serving and working until told to stop, then stopping in order: not ready, no new work, finish, close.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use nat_core::job::JobHandler;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{App, compose};
use crate::config::Config;

/// How often the sweeper repairs.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long requests in flight may take after the stop.
const DRAIN_FOR: Duration = Duration::from_secs(10);
/// How long running scans and billing work may take after the stop; what is cut off is resumed all the same.
const WORK_DRAIN_FOR: Duration = Duration::from_secs(3);

/// Which parts of a server to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The API and a worker: one process is a whole server.
    All,
    /// A worker alone, beside other processes on one PostgreSQL.
    Worker,
}

/// Runs the API and a worker until `stop`. `ready` gets the address once it listens.
///
/// # Errors
/// A sentence: an address is taken, or the database cannot be opened.
pub async fn serve(config: &Config, stop: CancellationToken, ready: impl FnOnce(SocketAddr)) -> Result<(), String> {
    let listener = bind(config.listen).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let metrics = match config.metrics_listen {
        Some(address) => Some((bind(address).await?, install_recorder()?)),
        None => None,
    };
    let app = compose(config).await.map_err(|error| explain(&error))?;
    let rest = nat_rest::Config { origins: config.graphql.origins.clone(), ..nat_rest::Config::default() };
    let draining = rest.draining.clone();
    let graphql = nat_graphql::Settings { stop: stop.clone(), ..config.graphql.clone() };
    let graphql = nat_graphql::router(graphql_services(&app), graphql);
    let router = nat_rest::router_with(app.services.clone(), rest, graphql);

    let mut tasks = JoinSet::new();
    tasks.spawn(background(app.clone(), config.clone(), Part::All, stop.clone()));
    if let Some((listener, handle)) = metrics {
        tasks.spawn(serve_metrics(listener, handle, stop.clone()));
    }
    ready(address);
    let server = axum::serve(listener, router).with_graceful_shutdown({
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            draining.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let served = until_drained(server.into_future(), &stop, DRAIN_FOR).await;
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    served.unwrap_or(Ok(())).map_err(|error| error.to_string())
}

/// Runs a worker alone until `stop`.
///
/// # Errors
/// A sentence: the database cannot be opened, or is not one that several processes share.
pub async fn work(config: &Config, stop: CancellationToken) -> Result<(), String> {
    if !config.is_postgres() {
        return Err("a worker on its own needs PostgreSQL; `nat serve` has a worker of its own on SQLite".to_owned());
    }
    let app = compose(config).await.map_err(|error| explain(&error))?;
    background(app, config.clone(), Part::Worker, stop).await;
    Ok(())
}

/// The worker and the periodic work.
async fn background(app: App, config: Config, part: Part, stop: CancellationToken) {
    // Only one process uses a SQLite file: whatever was running there died with the process before this one.
    let mut restarted = part == Part::All && !config.is_postgres();
    let sweeper = async {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = app.services.scans.sweep(restarted).await {
                tracing::warn!(error = %error, cause = ?error.cause(), "sweep failed, will be repeated");
                continue;
            }
            restarted = false;
            flush(&app).await;
            // Once an hour in the whole cluster; this only asks whether it is time.
            if let Err(error) = app.services.billing.sweep().await {
                tracing::warn!(error = %error, cause = ?error.cause(), "the billing sweep failed, will be repeated");
            }
        }
    };
    // Cut off when Stripe stalls: what is not committed is done again when its lease is over.
    let billing = until_drained(app.services.billing.work(stop.clone()), &stop, WORK_DRAIN_FOR);
    let worker = async {
        let scans = app.services.scans.clone();
        let handler: JobHandler = Arc::new(move |id| {
            let scans = scans.clone();
            Box::pin(async move { scans.execute(id).await })
        });
        let work = app.jobs.work(config.workers, handler, stop.clone());
        if let Some(Err(error)) = until_drained(work, &stop, WORK_DRAIN_FOR).await {
            tracing::error!(error = %error, cause = ?error.cause(), "the worker ended");
        }
    };
    let leaver = async {
        stop.cancelled().await;
        app.services.scans.hand_back();
    };
    tokio::join!(sweeper, billing, worker, leaver);
    flush(&app).await;
}

/// Writes down when keys were last used; what fails is tried again with the next tick.
async fn flush(app: &App) {
    if let Err(error) = app.services.keys.flush().await {
        tracing::warn!(error = %error, cause = ?error.cause(), "cannot write when keys were last used");
    }
}

/// The result of `work`, unless it goes on for longer than `grace` after `stop`.
async fn until_drained<T>(work: impl Future<Output = T>, stop: &CancellationToken, grace: Duration) -> Option<T> {
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = deadline => None,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

fn install_recorder() -> Result<PrometheusHandle, String> {
    PrometheusBuilder::new().install_recorder().map_err(|error| format!("metrics cannot be recorded: {error}"))
}

async fn serve_metrics(listener: TcpListener, handle: PrometheusHandle, stop: CancellationToken) {
    let router = axum::Router::new().route("/metrics", axum::routing::get(move || async move { handle.render() }));
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    if let Some(Err(error)) = until_drained(server.into_future(), &stop, DRAIN_FOR).await {
        tracing::error!(%error, "the metrics listener ended");
    }
}

/// What the GraphQL facade needs of a composed server.
#[must_use]
pub fn graphql_services(app: &App) -> nat_graphql::Services {
    nat_graphql::Services {
        keys: app.services.keys.clone(),
        usage: app.services.usage.clone(),
        limiter: app.services.limiter.clone(),
        scans: app.services.scans.clone(),
        billing: app.services.billing.clone(),
        plans: app.services.plans.clone(),
    }
}

/// Public message and cause: this goes to the operator, who needs both.
fn explain(error: &nat_core::Error) -> String {
    match error.cause() {
        Some(cause) => format!("{} ({cause})", error.message),
        None => error.message.clone(),
    }
}
