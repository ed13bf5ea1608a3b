//! Versioned migrations. Each runs in one transaction together with its version, so none can be half applied.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::errors::Step;
use crate::StoreError;

/// The schema this program writes: the number of migrations.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// In order; never edited once released, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_start.sql")];

const STEP: Step = Step::new("migrating", "schema_version");

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = prepare(connection).map_err(|source| STEP.failed(source))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Version { found, known: SCHEMA_VERSION });
    }
    for (version, sql) in (1..).zip(MIGRATIONS) {
        if version > found {
            apply(connection, version, sql).map_err(|source| STEP.failed(source))?;
            tracing::info!(version, "schema migrated");
        }
    }
    Ok(())
}

/// Makes the version table where there is none, and reads it. 0: an empty file.
fn prepare(connection: &mut Connection) -> rusqlite::Result<u32> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")?;
    let found = transaction
        .query_row("SELECT max(version) FROM schema_version", [], |row| row.get::<_, Option<u32>>(0))
        .optional()?
        .flatten();
    transaction.commit()?;
    Ok(found.unwrap_or(0))
}

fn apply(connection: &mut Connection, version: u32, sql: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", [version])?;
    transaction.commit()
}
