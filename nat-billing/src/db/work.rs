//! Work that is left: one row a customer. `wanted` counts how often it was asked for, `done` how far it got, so that any
//! number of requests is one piece of work, and what is asked for while it runs is another one.

use chrono::{DateTime, Utc};
use nat_core::{
    Result,
    db::{SeaStore, database_error},
};
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement, Value};

use crate::store::{ClaimedWork, WorkOutcome};

pub(super) async fn want(db: &impl ConnectionTrait, customer_id: &str, now: DateTime<Utc>) -> Result<()> {
    let sql = "INSERT INTO billing_work (customer_id, wanted, done, attempts, since, due_at, token) \
               VALUES ($1, 1, 0, 0, $2, $2, 0) \
               ON CONFLICT (customer_id) DO UPDATE SET wanted = billing_work.wanted + 1, due_at = $2, \
               attempts = CASE WHEN billing_work.wanted > billing_work.done THEN billing_work.attempts ELSE 0 END, \
               since = CASE WHEN billing_work.wanted > billing_work.done THEN billing_work.since ELSE $2 END";
    execute(db, sql, vec![customer_id.into(), now.into()]).await.map(|_| ())
}

pub(super) async fn claim(
    store: &SeaStore,
    customer_id: Option<&str>,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<ClaimedWork>> {
    let free = "wanted > done AND (lease_until IS NULL OR lease_until <= $1)";
    // Workers on PostgreSQL step over what another one is claiming. On SQLite there is one writer.
    let skip =
        if store.write.get_database_backend() == DatabaseBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let (found, wanted): (String, Value) = match customer_id {
        Some(id) => (format!("SELECT customer_id FROM billing_work WHERE customer_id = $2 AND {free}"), id.into()),
        None => (
            format!("SELECT customer_id FROM billing_work WHERE due_at <= $2 AND {free} ORDER BY due_at LIMIT 1"),
            now.into(),
        ),
    };
    // An idle poll only reads.
    let look = statement(&store.read, &found, vec![now.into(), wanted.clone()]);
    if store.read.query_one_raw(look).await.map_err(database_error)?.is_none() {
        return Ok(None);
    }
    let sql = format!(
        "UPDATE billing_work SET lease_until = $3, token = token + 1 WHERE customer_id = ({found} {skip}) \
         RETURNING customer_id, wanted, token, attempts, since"
    );
    let take = statement(&store.write, &sql, vec![now.into(), wanted, lease_until.into()]);
    let Some(row) = store.write.query_one_raw(take).await.map_err(database_error)? else { return Ok(None) };
    let attempts: i64 = row.try_get("", "attempts").map_err(database_error)?;
    Ok(Some(ClaimedWork {
        customer_id: row.try_get("", "customer_id").map_err(database_error)?,
        wanted: row.try_get("", "wanted").map_err(database_error)?,
        token: row.try_get("", "token").map_err(database_error)?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        since: row.try_get("", "since").map_err(database_error)?,
    }))
}

pub(super) async fn end(db: &impl ConnectionTrait, work: &ClaimedWork, outcome: &WorkOutcome) -> Result<bool> {
    let claim: Vec<Value> = vec![work.customer_id.as_str().into(), work.token.into()];
    let rows = match outcome {
        WorkOutcome::Done => {
            let sql = "UPDATE billing_work SET done = $3, attempts = 0, since = due_at, lease_until = NULL \
                       WHERE customer_id = $1 AND token = $2";
            execute(db, sql, [claim, vec![work.wanted.into()]].concat()).await?
        }
        // What was asked for meanwhile is not put off: it may be what helps.
        WorkOutcome::Retry(at) => {
            let sql = "UPDATE billing_work SET attempts = attempts + 1, lease_until = NULL, \
                       due_at = CASE WHEN wanted = $3 THEN $4 ELSE due_at END WHERE customer_id = $1 AND token = $2";
            execute(db, sql, [claim, vec![work.wanted.into(), (*at).into()]].concat()).await?
        }
    };
    Ok(rows == 1)
}

pub(super) async fn is_left(store: &SeaStore, customer_id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM billing_work WHERE customer_id = $1 AND wanted > done";
    let look = statement(&store.read, sql, vec![customer_id.into()]);
    Ok(store.read.query_one_raw(look).await.map_err(database_error)?.is_some())
}

fn statement(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

async fn execute(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<u64> {
    let done = db.execute_raw(statement(db, sql, values)).await.map_err(database_error)?;
    Ok(done.rows_affected())
}
