//! All stores on one SQLite file: the embedded default.
//!
//! It protects two promises. *Rows and progress are one*: each `apply` is one transaction, so progress never stands
//! above rows that are not there (R11). *A cell never goes back*: every upsert compares clocks inside the statement
//! (`ON CONFLICT DO UPDATE ... WHERE excluded.clock > clock`), so order, repeats and a second worker do not matter
//! (R10). The file is in WAL mode with `synchronous=FULL`: what a call has answered is on disk.
//!
//! One connection writes, on a thread of its own, fed by a bounded queue; [`READERS`] connections read. No call waits
//! without a bound: what takes too long is [`StoreError::Unavailable`], whose write may still land (writes from the log
//! are idempotent; a handler that hears it does not know). It never reads the log and never deletes a row that comes
//! from it. Nothing but this module may open the file while it is in use.

mod cells;
mod directory;
mod errors;
mod history;
mod migrate;
mod progress;
mod readers;
mod user_chats;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction};

use crate::StoreError;
use errors::Step;
pub use migrate::SCHEMA_VERSION;
use readers::Readers;
use writer::Writer;

/// Reading connections, and so reads at a time. More wait for [`READ_WAIT`].
pub const READERS: usize = 4;
/// Writes that may wait for the writing thread. More wait for [`WRITE_WAIT`].
pub const WRITE_QUEUE_COMMANDS: usize = 64;
/// How long a read waits for a connection before it is refused.
pub const READ_WAIT: Duration = Duration::from_secs(5);
/// How long a write waits for its place in the queue, and then again for its answer, before it is refused.
pub const WRITE_WAIT: Duration = Duration::from_secs(15);
/// How long SQLite waits for a lock that another process holds.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Memory for pages: the writing connection touches rows all over the file.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Memory for pages of each reading connection.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// The WAL goes into the file when it has this many pages (of 4 KiB): fewer syncs than with the 1,000 of SQLite, and a start
/// after a crash still reads it back at once.
const CHECKPOINT_PAGES: i64 = 8_000;
/// Prepared statements kept per connection: more than there are different ones.
const STATEMENTS: usize = 64;

/// The embedded store. Cheap to share; dropping the last handle waits until queued writes are done.
pub struct SqliteStore {
    /// Ends, and is waited for, before the readers go: the last connection to close tidies the WAL.
    writer: Writer,
    readers: Readers,
}

impl SqliteStore {
    /// Opens the file, makes it when there is none, and brings its schema up to [`SCHEMA_VERSION`]. Blocks for as long
    /// as the disk takes: call it at start, before serving.
    ///
    /// # Errors
    /// `Version` when the file is of a newer program; `Damaged` when it is no database; `Unavailable` when it cannot
    /// be opened or written (locked, disk full, no permission).
    pub fn open(path: &Path) -> Result<Arc<Self>, StoreError> {
        let mut writing = connect(path, OpenFlags::SQLITE_OPEN_CREATE, WRITER_CACHE_KIB)?;
        migrate::migrate(&mut writing)?;
        let reading = (0..READERS)
            .map(|_| {
                let connection = connect(path, OpenFlags::empty(), READER_CACHE_KIB)?;
                connection.pragma_update(None, "query_only", true).map_err(|source| Step::OPEN.failed(source))?;
                Ok(connection)
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Arc::new(Self { writer: Writer::start(writing)?, readers: Readers::new(reading) }))
    }

    /// Runs `work` in one transaction on the writing connection: all of it is on disk when this returns `Ok`, nothing
    /// of it is there when it returns an error of SQLite.
    async fn write<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(step, work).await
    }

    /// Runs `work` on a reading connection; all its statements see the same state.
    async fn read<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run(step, work).await
    }
}

fn connect(path: &Path, extra: OpenFlags, cache_kib: i64) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        Ok(connection)
    };
    open().map_err(|source| Step::OPEN.failed(source))
}

#[cfg(test)]
mod tests;
