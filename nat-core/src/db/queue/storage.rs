//! apalis' statements on both databases.

use std::time::Duration;

use apalis::prelude::{Status, Task, TaskBuilder, TaskId, TaskResult, WorkerContext};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use sea_orm::sqlx::{self, Connection as _, PgPool, SqlitePool};
use sea_orm::{DatabaseBackend, SqlxError};

use super::super::SeaStore;
use super::super::fault::sqlx_error;
use super::HEARTBEAT;
use crate::{Error, Result, ScanId};

/// The name of the queue in the database: it must outlive every renaming of ours.
const QUEUE: &str = "scan";
/// Seconds after which a silent worker counts as dead.
const DEAD_AFTER_S: u32 = 60;
/// Deletes what is done, and workers that are gone, after this many seconds.
const KEEP_S: i64 = 24 * 3600;
/// Two processes that make the same SQLite file at the same moment may collide once.
const MIGRATION_ATTEMPTS: u32 = 5;

/// The tables of apalis in either database.
#[derive(Clone, Debug)]
pub(super) enum Storage {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A worker as apalis knows it.
#[derive(Clone, Debug)]
pub(super) struct Worker(WorkerContext);

impl Worker {
    pub(super) fn new(name: &str) -> Self {
        Self(WorkerContext::new(name))
    }
}

/// A fetched job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) scan_id: ScanId,
    task_id: TaskId,
    attempt: usize,
}

/// Makes apalis' tables. Its own `setup` is not used: on SQLite it would turn `synchronous` off.
pub(in crate::db) async fn migrate(store: &SeaStore) -> Result<()> {
    match Storage::new(store) {
        Storage::Sqlite(pool) => {
            let mut attempt = 1;
            while let Err(error) = SqliteStorage::<()>::migrations().run(&pool).await {
                if attempt == MIGRATION_ATTEMPTS {
                    return Err(Error::internal(error));
                }
                attempt += 1;
            }
            Ok(())
        }
        // Waits for other nodes under a lock of its own.
        Storage::Postgres(pool) => PostgresStorage::<()>::setup(&pool).await.map_err(Error::internal),
    }
}

impl Storage {
    pub(super) fn new(store: &SeaStore) -> Self {
        if store.write.get_database_backend() == DatabaseBackend::Postgres {
            Self::Postgres(store.write.get_postgres_connection_pool().clone())
        } else {
            Self::Sqlite(store.write.get_sqlite_connection_pool().clone())
        }
    }

    pub(super) fn poll_interval(&self) -> Duration {
        match self {
            Self::Sqlite(_) => Duration::from_millis(100),
            Self::Postgres(_) => Duration::from_millis(250),
        }
    }

    /// Pushing the same scan and attempt twice leaves one job.
    pub(super) async fn push(&self, scan_id: &ScanId, attempt: u32) -> Result<()> {
        let arguments = serde_json::to_vec(scan_id).map_err(Error::internal)?;
        let task = TaskBuilder::new(arguments).idempotency_key(format!("{scan_id}:{attempt}")).build();
        match self {
            Self::Sqlite(pool) => {
                let mut connection = pool.acquire().await.map_err(sqlx_error)?;
                let tasks = [task];
                apalis_sqlite::queries::push_tasks(&mut *connection, QUEUE, &tasks).await.map_err(sqlite_error)
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(sqlx_error)?;
                match apalis_postgres::queries::push_tasks(&mut *connection, QUEUE, vec![task]).await {
                    Err(apalis_postgres::Error::Database(SqlxError::Database(error)))
                        if error.is_unique_violation() =>
                    {
                        Ok(())
                    }
                    pushed => pushed.map_err(postgres_error),
                }
            }
        }
    }

    pub(super) async fn register(&self, worker: &Worker) -> Result<()> {
        match self {
            Self::Sqlite(pool) => apalis_sqlite::queries::register_worker(pool, &sqlite_config(), &worker.0, "nat")
                .await
                .map_err(sqlx_error),
            Self::Postgres(pool) => sqlx::query(
                "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen) \
                 VALUES ($1, $2, 'nat', '', now())",
            )
            .bind(worker.0.name())
            .bind(QUEUE)
            .execute(pool)
            .await
            .map(|_| ())
            .map_err(sqlx_error),
        }
    }

    /// One job, which is this worker's from now on.
    pub(super) async fn fetch(&self, worker: &Worker) -> Result<Option<Job>> {
        let fetched: Vec<Task<Vec<u8>>> = match self {
            Self::Sqlite(pool) => {
                apalis_sqlite::queries::fetch_next(pool, &sqlite_config(), &worker.0).await.map_err(sqlite_error)?
            }
            Self::Postgres(pool) => {
                let config = apalis_postgres::Config::default().queue(QUEUE).batch_size(1);
                let mut connection = pool.acquire().await.map_err(sqlx_error)?;
                apalis_postgres::queries::fetch_next(&mut *connection, &config, &worker.0)
                    .await
                    .map_err(postgres_error)?
            }
        };
        let Some(task) = fetched.into_iter().next() else { return Ok(None) };
        let (arguments, context) = task.take();
        let scan_id = serde_json::from_slice(&arguments).map_err(Error::internal)?;
        let task_id = context.task_id().cloned().ok_or_else(|| Error::internal("a job without an id"))?;
        Ok(Some(Job { scan_id, task_id, attempt: context.attempt() + 1 }))
    }

    pub(super) async fn acknowledge(&self, worker: &Worker, job: &Job) -> Result<()> {
        let done = TaskResult {
            task_id: job.task_id.clone(),
            attempt: job.attempt,
            status: Status::Done,
            result: Ok(serde_json::Value::Null),
        };
        match self {
            Self::Sqlite(pool) => {
                apalis_sqlite::queries::ack_tasks(pool, &[&done], worker.0.name()).await.map_err(sqlx_error)?;
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(sqlx_error)?;
                apalis_postgres::queries::handle_results(&mut *connection, &[&done], worker.0.name())
                    .await
                    .map_err(postgres_error)?;
            }
        }
        Ok(())
    }

    /// Heartbeat, orphans, and the deletion of what is old.
    pub(super) async fn tend(&self, worker: &Worker) -> Result<()> {
        match self {
            Self::Sqlite(pool) => tend_sqlite(pool, worker).await.map_err(sqlx_error),
            Self::Postgres(pool) => tend_postgres(pool, worker).await,
        }
    }

    /// Says good-bye: jobs that were fetched and never run (there should be none) go back at the next heartbeat of
    /// any worker.
    pub(super) async fn deregister(&self, worker: &Worker) -> Result<()> {
        let sql = match self {
            Self::Sqlite(_) => "UPDATE Workers SET last_seen = 0 WHERE id = $1",
            Self::Postgres(_) => "UPDATE apalis.workers SET last_seen = 'epoch' WHERE id = $1",
        };
        match self {
            Self::Sqlite(pool) => sqlx::query(sql).bind(worker.0.name()).execute(pool).await.map(|_| ()),
            Self::Postgres(pool) => sqlx::query(sql).bind(worker.0.name()).execute(pool).await.map(|_| ()),
        }
        .map_err(sqlx_error)
    }
}

fn sqlite_config() -> apalis_sqlite::Config {
    apalis_sqlite::Config::default().queue(QUEUE).batch_size(1).heartbeat_interval(HEARTBEAT)
}

async fn tend_sqlite(pool: &SqlitePool, worker: &Worker) -> Result<(), SqlxError> {
    let mut connection = pool.acquire().await?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    apalis_sqlite::queries::keep_alive(&mut *tx, &sqlite_config(), &worker.0).await?;
    // Not apalis' statement: that one counts a failed attempt and would give a job up after 25 crashes.
    sqlx::query(
        "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL \
         WHERE job_type = $1 AND status IN ('Queued', 'Running') AND lock_by IN \
         (SELECT id FROM Workers WHERE CAST(strftime('%s', 'now') AS INTEGER) - last_seen >= $2)",
    )
    .bind(QUEUE)
    .bind(DEAD_AFTER_S)
    .execute(&mut *tx)
    .await?;
    let old = "CAST(strftime('%s', 'now') AS INTEGER) - $1";
    for sql in [
        format!("DELETE FROM Jobs WHERE status IN ('Done', 'Killed') AND done_at < {old}"),
        format!(
            "DELETE FROM Workers WHERE last_seen < {old} \
             AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = Workers.id)"
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(KEEP_S).execute(&mut *tx).await?;
    }
    tx.commit().await
}

async fn tend_postgres(pool: &PgPool, worker: &Worker) -> Result<()> {
    let mut tx = pool.begin().await.map_err(sqlx_error)?;
    apalis_postgres::queries::keep_alive(&mut *tx, QUEUE, &worker.0).await.map_err(postgres_error)?;
    tx.commit().await.map_err(sqlx_error)?;
    // SKIP LOCKED: nodes that tend at the same moment leave each other's rows alone.
    let orphans = "UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL WHERE id IN \
         (SELECT jobs.id FROM apalis.jobs JOIN apalis.workers ON jobs.lock_by = workers.id \
          WHERE jobs.job_type = $1 AND jobs.status IN ('Queued', 'Running') \
          AND workers.last_seen < now() - make_interval(secs => $2) FOR UPDATE OF jobs SKIP LOCKED)";
    sqlx::query(orphans).bind(QUEUE).bind(f64::from(DEAD_AFTER_S)).execute(pool).await.map_err(sqlx_error)?;
    for sql in [
        "DELETE FROM apalis.jobs WHERE id IN (SELECT id FROM apalis.jobs WHERE status IN ('Done', 'Killed') \
         AND done_at < now() - make_interval(secs => $1) FOR UPDATE SKIP LOCKED)",
        "DELETE FROM apalis.workers WHERE id IN (SELECT id FROM apalis.workers \
         WHERE last_seen < now() - make_interval(secs => $1) \
         AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE lock_by = workers.id) FOR UPDATE SKIP LOCKED)",
    ] {
        #[expect(clippy::cast_precision_loss, reason = "a day in seconds is exact")]
        sqlx::query(sql).bind(KEEP_S as f64).execute(pool).await.map_err(sqlx_error)?;
    }
    Ok(())
}

fn sqlite_error(error: apalis_sqlite::Error) -> Error {
    match error {
        apalis_sqlite::Error::Database(error) => sqlx_error(error),
        other => Error::internal(other),
    }
}

fn postgres_error(error: apalis_postgres::Error) -> Error {
    match error {
        apalis_postgres::Error::Database(error) => sqlx_error(error),
        other => Error::internal(other),
    }
}
