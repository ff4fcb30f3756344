//! Database failures as errors of the registry. No SQL ever reaches the public message.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::Error;

/// 503 when the database cannot be reached or asks to try again, else 500. The cause is for the log only.
pub fn database_error(error: DbErr) -> Error {
    if is_transient(&error) { Error::unavailable(error) } else { Error::internal(error) }
}

/// The same for statements that go through sqlx itself.
pub(super) fn sqlx_error(error: SqlxError) -> Error {
    if is_transient_sqlx(&error) { Error::unavailable(error) } else { Error::internal(error) }
}

fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            is_transient_sqlx(error)
        }
        _ => false,
    }
}

fn is_transient_sqlx(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => true,
        SqlxError::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
        _ => false,
    }
}

/// PostgreSQL has five characters, SQLite a number whose low byte is the primary code.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 {
        // Connection, transaction rollback (deadlock), resources, lock not available, cancelled, shutdown.
        return ["08", "40", "53"].iter().any(|class| code.starts_with(class))
            || ["55P03", "57014", "57P01", "57P02", "57P03"].contains(&code);
    }
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    code.parse::<u32>().is_ok_and(|code| [SQLITE_BUSY, SQLITE_LOCKED].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_says_whether_to_try_again() {
        let check = |code: &str, transient: bool| assert_eq!(is_transient_code(code), transient, "{code}");
        check("5", true);
        check("517", true); // SQLITE_BUSY_SNAPSHOT
        check("6", true);
        check("2067", false); // SQLITE_CONSTRAINT_UNIQUE
        check("40P01", true);
        check("53300", true);
        check("57P01", true);
        check("23505", false);
        check("42P01", false);
    }

    #[test]
    fn public_message_never_holds_the_cause() {
        let cause = || DbErr::Custom("SELECT secret FROM api_key".to_owned());
        for error in [database_error(cause()), sqlx_error(SqlxError::Protocol("SELECT secret".to_owned()))] {
            assert_eq!(error.message, "An internal error occurred.");
            assert!(error.cause().is_some());
        }
        assert_eq!(sqlx_error(SqlxError::PoolTimedOut).code, crate::ErrorCode::Unavailable);
    }
}
