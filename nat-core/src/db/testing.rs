//! Fresh databases for tests of all crates: an SQLite file always, a PostgreSQL database when the environment variable
//! `NAT_TEST_POSTGRES` holds the URL of a server.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{Migrations, SeaStore};
use crate::entropy::{Entropy, SystemEntropy};

/// A database that only one test uses.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// Opened and migrated.
    pub store: SeaStore,
    /// To open it a second time, as another node would.
    pub url: String,
}

/// Runs `test` on a fresh database of every configured kind, and removes them again, also when it panics.
///
/// # Panics
/// When a database cannot be made, or when `test` does.
#[expect(clippy::expect_used, reason = "a test that cannot have its database must fail")]
pub async fn on_every_database<T>(more: fn() -> Migrations, test: T)
where
    T: AsyncFn(TestDatabase),
{
    let name = random_name();
    let path = std::env::temp_dir().join(format!("{name}.db"));
    run(format!("sqlite://{}?mode=rwc", path.display()), more, &test, async || {
        for ending in ["", "-wal", "-shm"] {
            // Whatever is missing need not be removed.
            let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
        }
    })
    .await;

    #[expect(clippy::disallowed_methods, reason = "tests are configured by their environment")]
    let Ok(server) = std::env::var("NAT_TEST_POSTGRES") else { return };
    let command = async |sql: String| {
        let mut connection = PgConnection::connect(&server).await.expect("NAT_TEST_POSTGRES can be reached");
        connection.execute(AssertSqlSafe(sql)).await.expect("the server makes and drops databases");
    };
    command(format!("CREATE DATABASE {name}")).await;
    let (base, _) = server.rsplit_once('/').expect("NAT_TEST_POSTGRES names a database");
    run(format!("{base}/{name}"), more, &test, async || command(format!("DROP DATABASE {name} WITH (FORCE)")).await)
        .await;
}

#[expect(clippy::expect_used, reason = "a test that cannot have its database must fail")]
async fn run<T, C>(url: String, more: fn() -> Migrations, test: &T, clean_up: C)
where
    T: AsyncFn(TestDatabase),
    C: AsyncFn(),
{
    let store = SeaStore::open(&url, more()).await.expect("a fresh database opens");
    let outcome = AssertUnwindSafe(test(TestDatabase { store: store.clone(), url })).catch_unwind().await;
    store.close().await;
    clean_up().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

fn random_name() -> String {
    let mut random = [0u8; 8];
    SystemEntropy.fill(&mut random);
    format!("nat_test_{}", hex::encode(random))
}
