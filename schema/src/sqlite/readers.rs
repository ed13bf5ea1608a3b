//! A few reading connections. Each call borrows one and runs on a blocking thread.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::READ_WAIT;
use super::errors::Step;
use crate::StoreError;

/// The pool.
pub(super) struct Readers {
    /// One permit per connection; taken before `idle` is touched, so a holder always finds one there.
    free: Arc<Semaphore>,
    /// Connections nobody uses. The lock guards the list only; it is never held while reading.
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self { free: Arc::new(Semaphore::new(connections.len())), idle: Arc::new(Mutex::new(connections)) }
    }

    /// Waits until nobody reads, and counts the connections.
    #[cfg(test)]
    pub(super) async fn idle_when_all_are_free(&self) -> usize {
        let all = u32::try_from(super::READERS).unwrap_or(u32::MAX);
        let _free = self.free.acquire_many(all).await;
        self.idle.lock().len()
    }

    /// Runs `work` on one connection, in one read transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = timeout(READ_WAIT, Arc::clone(&self.free).acquire_owned())
            .await
            .map_err(|_| step.unavailable("all reading connections stayed busy"))?
            .map_err(|closed| step.unavailable(closed))?;
        let idle = Arc::clone(&self.idle);
        // The permit travels with the work: a caller that goes away gives it back only when the connection is back.
        let reading = tokio::task::spawn_blocking(move || {
            let mut borrowed = Borrowed::take(idle);
            let result = borrowed.read(work);
            drop(borrowed);
            drop(permit);
            result
        });
        reading.await.map_err(|ended| step.unavailable(ended))?.map_err(|source| step.failed(source))
    }
}

/// A connection that goes back to the pool whatever happens.
struct Borrowed {
    connection: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
}

impl Borrowed {
    fn take(home: Arc<Mutex<Vec<Connection>>>) -> Self {
        let connection = home.lock().pop();
        Self { connection, home }
    }

    fn read<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let connection = self.connection.as_mut().ok_or(rusqlite::Error::InvalidQuery)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        work(&transaction)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.home.lock().push(connection);
        }
    }
}
