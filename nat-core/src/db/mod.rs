//! The store on SQLite and PostgreSQL through sea-orm; the durable job queue through apalis.

mod entity;
mod fault;
mod migration;
mod queue;
mod store;
#[doc(hidden)]
pub mod testing;
mod tx;

pub use sea_orm;
pub use sea_orm_migration;

pub use fault::database_error;
pub use queue::ApalisQueue;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use crate::{Error, Result};

/// One store for all crates: nat-billing and nat-scan implement their own ports for it.
#[derive(Clone, Debug)]
pub struct SeaStore {
    /// Reads. On SQLite several connections.
    pub read: DatabaseConnection,
    /// Writes. On SQLite exactly one connection, so that writers queue instead of failing.
    pub write: DatabaseConnection,
    /// Counts commits that change what a summary of usage says. On SQLite only: PostgreSQL has other writers too.
    usage_version: Option<Arc<AtomicU64>>,
}

/// A migration of any crate; the composition passes all of them to [`SeaStore::open`].
pub type Migrations = Vec<Box<dyn sea_orm_migration::MigrationTrait>>;

/// Tries to open a SQLite file that others open too, and the pause between them: three seconds in all.
const OPEN_TRIES: u32 = 60;
const OPEN_PAUSE: Duration = Duration::from_millis(50);
/// Readers beside the one writer of an SQLite file.
const SQLITE_READERS: u32 = 4;
/// Connections of one process to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a request may wait for a connection before it is a 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// No statement of ours runs longer; the database gives up then.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

impl SeaStore {
    /// Opens `url` (`sqlite://path?mode=rwc`, `sqlite::memory:` or `postgres://…`) and runs the migrations of this
    /// crate, then `more`, each once and under a lock, so that several nodes may start together.
    pub async fn open(url: &str, more: Migrations) -> Result<Self> {
        let store = if url.starts_with("sqlite:") {
            Self::connect_sqlite(url).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::connect_postgres(url).await?
        } else {
            return Err(Error::internal("the database URL must begin with sqlite: or postgres://"));
        };
        migration::run(&store, more).await?;
        queue::migrate(&store).await?;
        Ok(store)
    }

    async fn connect_sqlite(url: &str) -> Result<Self> {
        let write = connect_in_turn(|| sqlite_options(url, 1, false)).await?;
        // Each connection to `:memory:` is a database of its own, so reader and writer are the same one.
        let read = if url.contains(":memory:") || url.contains("mode=memory") {
            write.clone()
        } else {
            connect_in_turn(|| sqlite_options(url, SQLITE_READERS, true)).await?
        };
        Ok(Self { read, write, usage_version: Some(Arc::default()) })
    }

    async fn connect_postgres(url: &str) -> Result<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(POSTGRES_CONNECTIONS)
            .connect_timeout(Duration::from_secs(5))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .statement_timeout(STATEMENT_TIMEOUT)
            .set_application_name("nat")
            .test_before_acquire_if_idle_for(Duration::from_secs(30))
            .sqlx_logging(false)
            .record_stmt_in_spans(false);
        let pool = Database::connect(options).await.map_err(database_error)?;
        Ok(Self { read: pool.clone(), write: pool, usage_version: None })
    }

    /// Begins a transaction that sibling crates can write through.
    ///
    /// On SQLite it takes the write lock at once: a transaction that reads first and writes later could otherwise fail
    /// because another process wrote in between.
    pub async fn begin_sea(&self) -> Result<SeaTx> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let inner = self.write.begin_with_options(options).await.map_err(database_error)?;
        Ok(SeaTx { inner, usage_version: self.usage_version.clone(), changes_usage: false })
    }

    /// Whether several processes may use this database at once: PostgreSQL, not SQLite.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.write.get_database_backend() != sea_orm::DatabaseBackend::Sqlite
    }

    /// The durable job queue in this database.
    #[must_use]
    pub fn job_queue(&self) -> ApalisQueue {
        ApalisQueue::new(self)
    }

    /// Closes the connections; what is begun is rolled back.
    pub async fn close(self) {
        // A failure to close changes nothing for the caller: the process lets go of the connections anyway.
        let _ = self.read.close_by_ref().await;
        let _ = self.write.close_by_ref().await;
    }
}

/// A transaction as a value: dropping it rolls back.
#[derive(Debug)]
pub struct SeaTx {
    /// For the `db` modules of sibling crates.
    pub inner: sea_orm::DatabaseTransaction,
    usage_version: Option<Arc<AtomicU64>>,
    changes_usage: bool,
}

impl SeaTx {
    /// The transaction behind the port, for sibling crates that write through the same one.
    pub fn from_core(tx: &mut dyn crate::store::CoreTx) -> Result<&mut Self> {
        tx.as_any_mut().downcast_mut().ok_or_else(|| Error::internal("the transaction is not one of this store"))
    }
}

/// Connects to a file that others may be opening in the same moment: whoever gives a fresh one its journal does not wait
/// for the others, whatever the busy time-out says, but is refused.
async fn connect_in_turn(options: impl Fn() -> ConnectOptions) -> Result<DatabaseConnection> {
    for _ in 1..OPEN_TRIES {
        match Database::connect(options()).await {
            Err(error) if error.to_string().contains("database is locked") => tokio::time::sleep(OPEN_PAUSE).await,
            opened => return opened.map_err(database_error),
        }
    }
    Database::connect(options()).await.map_err(database_error)
}

fn sqlite_options(url: &str, connections: u32, reader: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A local file needs no probing, and an in-memory database dies with its connection.
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |options| {
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true);
            if reader { options.pragma("query_only", "ON") } else { options }
        });
    options
}

#[cfg(test)]
mod tests;
