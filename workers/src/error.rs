//! Why a worker's loop ended. It begins again from its progress after a pause; nothing is passed over because of one.

use tidings_nats::{FeedError, LogError, StreamName};
use tidings_protocol::{ChatId, Seq};
use tidings_schema::StoreError;

/// A worker's loop could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The rows are of another log: the stream was made anew. Equal places would mean other events, so nothing is
    /// written until somebody decides: restore the stream, or start with an empty store.
    #[error("progress of {stream} is of epoch {found}, the stream is of epoch {wanted}")]
    OtherEpoch {
        /// The stream.
        stream: StreamName,
        /// The epoch in the store.
        found: u64,
        /// The stream's.
        wanted: u64,
    },
    /// The rows know more than the log: the stream lost its end, or came back from an older copy. New events would take
    /// places that rows have already, so nothing is written until somebody decides.
    #[error("{stream} ends at {last}, but rows are written up to {done}")]
    LogWentBack {
        /// The stream.
        stream: StreamName,
        /// Its newest event.
        last: Seq,
        /// The progress in the store.
        done: Seq,
    },
    /// The stream's state or a chat's events could not be read.
    #[error("could not read {stream}")]
    Log {
        /// The stream.
        stream: StreamName,
        /// Why.
        #[source]
        source: LogError,
    },
    /// The stream's events could not be read on, or the floor not be written down.
    #[error("could not follow {stream}")]
    Feed {
        /// The stream.
        stream: StreamName,
        /// Why.
        #[source]
        source: FeedError,
    },
    /// The store could not read or write.
    #[error("could not {step}")]
    Store {
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The members of a chat changed each time they were read. Trying again later helps.
    #[error("rows of chat {chat} moved while they were read")]
    Moved {
        /// The chat.
        chat: ChatId,
    },
    /// A pointer could not be written as JSON.
    #[error("could not encode a pointer of chat {chat}")]
    Encode {
        /// The chat.
        chat: ChatId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A task of the loop ended without an answer.
    #[error("a task was lost")]
    Task(#[source] tokio::task::JoinError),
    /// Pointers of a chat got no ack.
    #[error("{unacked} pointers of chat {chat} got no ack")]
    Unacked {
        /// The chat.
        chat: ChatId,
        /// How many.
        unacked: usize,
        /// Why the last one did not.
        #[source]
        source: tidings_nats::AppendError,
    },
}

/// An error with its causes on one line, for the one log line that it gets.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
