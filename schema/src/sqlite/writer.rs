//! The one writing connection, on a thread of its own.

use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::errors::Step;
use super::{WRITE_QUEUE_COMMANDS, WRITE_WAIT};
use crate::StoreError;

type Command = Box<dyn FnOnce(&mut Connection) + Send>;

/// Owns the writing thread, and waits for it when dropped.
pub(super) struct Writer {
    /// Bounded by [`WRITE_QUEUE_COMMANDS`]; when full, callers wait for [`WRITE_WAIT`] and are then refused. `None` only
    /// while dropping: closing it is what ends the thread.
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection) -> Result<Self, StoreError> {
        let (commands, mut queue) = mpsc::channel::<Command>(WRITE_QUEUE_COMMANDS);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                while let Some(command) = queue.blocking_recv() {
                    command(&mut connection);
                }
            })
            .map_err(|source| Step::OPEN.unavailable(source))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Runs `work` in one transaction, after everything that was queued before.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |connection| {
            // A caller that went away is no reason not to write.
            let _ = answer.send(in_transaction(connection, work));
        });
        let commands = self.commands.as_ref().ok_or_else(|| step.unavailable("the store is closing"))?;
        timeout(WRITE_WAIT, commands.send(command))
            .await
            .map_err(|_| step.unavailable("the write queue stayed full"))?
            .map_err(|_| step.unavailable("the writing thread has ended"))?;
        timeout(WRITE_WAIT, answered)
            .await
            .map_err(|_| step.unavailable("the write takes too long"))?
            .map_err(|_| step.unavailable("the writing thread has ended"))?
            .map_err(|source| step.failed(source))
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("sqlite writer panicked");
        }
    }
}
