//! What can go wrong, one small type per kind of call.

use tidings_protocol::Refusal;

use crate::event::OfflineReason;

/// Why a message has no place in the log. Retryable refusals never come here: the outbox retries them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The server refused it for good; it is not stored.
    #[error("the message was refused")]
    Refused(#[source] Refusal),
    /// Too many messages wait already; this one was not taken.
    #[error("the outbox is full: {max} messages wait")]
    OutboxFull {
        /// The bound.
        max: usize,
    },
    /// The client stopped before the outcome was known.
    #[error("the client stopped before the outcome was known")]
    Stopped(#[source] OfflineReason),
}

/// Why a request over the socket has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The server refused it.
    #[error("the request was refused")]
    Refused(#[source] Refusal),
    /// The connection broke before the answer came.
    #[error("the connection broke before the answer came")]
    Disconnected,
    /// No answer within the request time-out.
    #[error("no answer in time")]
    TimedOut,
    /// Another type of answer came than the request has.
    #[error("the answer is of another type")]
    WrongAnswer,
    /// Too many requests wait already.
    #[error("too many requests wait")]
    TooMany,
    /// The client has stopped.
    #[error("the client has stopped")]
    Stopped,
}
