//! How far rows are whole. Never goes back within an epoch: a rewound worker writes rows that are there already.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction};

use super::SqliteStore;
use super::errors::Step;
use crate::{Progress, ProgressStore, StoreError};

const READ: Step = Step::new("reading progress", "progress");

/// Moves progress up, in the transaction that writes the rows it speaks of.
pub(super) fn advance(
    transaction: &Transaction<'_>,
    worker: &str,
    stream: &str,
    progress: Progress,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO progress (worker, stream, seq, time_ms, epoch) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (worker, stream) DO UPDATE
             SET seq = excluded.seq, time_ms = excluded.time_ms, epoch = excluded.epoch
             WHERE (excluded.epoch, excluded.seq) > (epoch, seq)",
        )?
        .execute((worker, stream, progress.seq, progress.time_ms, progress.epoch))?;
    Ok(())
}

#[async_trait]
impl ProgressStore for SqliteStore {
    async fn progress(&self, worker: &str, stream: &str) -> Result<Option<Progress>, StoreError> {
        let key = (worker.to_owned(), stream.to_owned());
        self.read(READ, move |transaction| {
            transaction
                .prepare_cached("SELECT seq, time_ms, epoch FROM progress WHERE worker = ?1 AND stream = ?2")?
                .query_row(key, |row| Ok(Progress { seq: row.get(0)?, time_ms: row.get(1)?, epoch: row.get(2)? }))
                .optional()
        })
        .await
    }
}
