//! The group-commit publisher.
mod append;

use append::Answer;
pub use append::{Append, AppendError, Appended, Outage, Owner, PendingAppend, Turn};

use crate::log::Log;
use crate::settings::PublishSettings;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Appends to the log. A copy is the same publisher.
#[derive(Clone, Debug)]
pub struct Publisher {}

/// What the publisher has done since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PublishStats {
    /// Atomic batches sent, repeats included.
    pub batches: u64,
    /// Messages sent within batches, repeats included.
    pub batched_messages: u64,
    /// Messages sent as plain publishes, repeats included.
    pub plain_messages: u64,
    /// Appends answered with a place.
    pub appended: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Appends answered with an earlier place, by the server or from memory.
    pub duplicates: u64,
    /// Events found void and appended again.
    pub voids: u64,
    /// Appends refused.
    pub refused: u64,
    /// Appends whose outcome is unknown.
    pub unknown: u64,
    /// Messages that wait now.
    pub queued: u64,
}

impl Publisher {
    /// Starts the lanes as tasks of `tracker`. On `cancel` they take nothing new, finish what they hold, and end.
    pub fn start(_log: &Log, _settings: PublishSettings, _tracker: &TaskTracker, _cancel: CancellationToken) -> Self {
        Self {}
    }

    /// Appends and waits until the event is on disk.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.submit(append)?.await
    }

    /// Queues an append, in the order of the calls. The answer comes later.
    ///
    /// # Errors
    /// When it cannot be queued; see [`AppendError`].
    pub fn submit(&self, _append: Append) -> Result<PendingAppend, AppendError> {
        Ok(PendingAppend(Answer::Known(Err(AppendError::Stopped))))
    }

    /// What it has done so far.
    pub fn stats(&self) -> PublishStats {
        PublishStats::default()
    }
}
