//! What goes into the publisher and what comes out: the words of an append.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tidings_protocol::{MsgId, Seq, SessionId};
use tokio::sync::oneshot;

use crate::subjects::Subject;

/// Who is served in turn: a session of a gateway, a task of a worker. Its messages to one subject keep their order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner(pub u64);

/// One session's turn in one chat. When an append that carries it is refused for now, everything submitted after it
/// that carries it too is refused with [`AppendError::OutOfTurn`]: otherwise a pipelined second message would pass the
/// first (R7). What was submitted before it goes its way. It stays broken; whoever has the refused one again makes a new
/// turn.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<Places>);

/// Places in a turn, in the order of submission, from 0.
#[derive(Debug)]
struct Places {
    next: AtomicU64,
    /// The first that was refused; `u64::MAX` while none was.
    refused: AtomicU64,
}

impl Default for Places {
    fn default() -> Self {
        Self { next: AtomicU64::new(0), refused: AtomicU64::new(u64::MAX) }
    }
}

impl Turn {
    /// A turn that nothing has broken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an append in it was refused.
    pub fn is_broken(&self) -> bool {
        self.0.refused.load(Ordering::Acquire) != u64::MAX
    }

    /// The place of an append that is submitted now.
    pub(crate) fn take_place(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::AcqRel)
    }

    /// Whether one before `place` was refused.
    pub(crate) fn is_broken_before(&self, place: u64) -> bool {
        self.0.refused.load(Ordering::Acquire) < place
    }

    pub(crate) fn break_off(&self, place: u64) {
        self.0.refused.fetch_min(place, Ordering::AcqRel);
    }
}

/// One event to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub subject: Subject,
    /// Whose share of the queue it takes.
    pub owner: Owner,
    /// Stored at most once within the dedupe window. `None`: a repeat after an unknown outcome may be stored twice, so
    /// only for events whose readers do not mind (pointers).
    pub msg_id: Option<MsgId>,
    /// The event's bytes.
    pub payload: Bytes,
    /// The session that sent it, in the header `Tidings-Session`.
    pub session: Option<SessionId>,
    /// Whether it is void when it is stored after its deadline (R5).
    pub deadline: bool,
    /// Only as the first event of its subject (`created`).
    pub expect_empty: bool,
    /// Marked by the client as a repeat: goes alone, never in a batch (R7).
    pub retry: bool,
    /// The turn it stands in, if order matters to its owner.
    pub turn: Option<Turn>,
}

impl Append {
    /// An append with a deadline and nothing else asked for.
    pub fn new(subject: Subject, owner: Owner, msg_id: Option<MsgId>, payload: Bytes) -> Self {
        Self {
            subject,
            owner,
            msg_id,
            payload,
            session: None,
            deadline: true,
            expect_empty: false,
            retry: false,
            turn: None,
        }
    }
}

/// The event is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Its place.
    pub seq: Seq,
    /// It was there already, from an earlier attempt: another call's, or one of this call whose answer was lost.
    pub duplicate: bool,
}

/// Why the log could not be asked, or gave no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Outage {
    /// There is no connection to any server.
    #[error("not connected to nats")]
    Disconnected,
    /// The server that we are connected to knows nobody who holds the stream now.
    #[error("no responder for the stream")]
    NoResponders,
    /// Nothing came back in time.
    #[error("no answer in time")]
    TimedOut,
    /// It waited in the queue for too long.
    #[error("waited {waited_ms} ms in the queue")]
    Waited {
        /// How long.
        waited_ms: u64,
    },
    /// The server said no for a reason that passes.
    #[error("refused by the server with {code}: {text}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// Its text.
        text: String,
    },
}

/// Why an event was not appended, or nobody knows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The lane, or the owner's share of it, is full. Nothing was sent. Retryable.
    #[error("the queue is full")]
    QueueFull,
    /// The log cannot be reached. Nothing was stored. Retryable.
    #[error("the log is unavailable")]
    Unavailable {
        /// What is wrong.
        #[source]
        source: Outage,
    },
    /// An earlier append of the same turn was refused for now. Nothing was sent. Retryable, in order.
    #[error("an earlier append of this turn was refused")]
    OutOfTurn,
    /// It may be stored or not, now or until its deadline: sync and see.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
    /// The subject has events already (`expect_empty`).
    #[error("the subject is not empty")]
    NotEmpty,
    /// Another body is stored under this id.
    #[error("another body is stored under this id at {seq}")]
    Conflict {
        /// Where.
        seq: Seq,
    },
    /// Longer than the server takes.
    #[error("the event is too large")]
    TooLarge,
    /// The stream or the disk is full. Nothing was stored. Retryable when somebody has made room.
    #[error("the log is full")]
    LogFull,
    /// The publisher is stopping. Nothing was sent.
    #[error("the publisher has stopped")]
    Stopped,
}

impl AppendError {
    /// Whether the same append may succeed later, so that what stands behind it must wait (R7).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::QueueFull
            | Self::Unavailable { .. }
            | Self::OutOfTurn
            | Self::OutcomeUnknown
            | Self::LogFull
            | Self::Stopped => true,
            Self::NotEmpty | Self::Conflict { .. } | Self::TooLarge => false,
        }
    }
}

/// The answer to an append that has been queued. Dropping it does not take the append back.
#[derive(Debug)]
pub struct PendingAppend(pub(crate) Answer);

#[derive(Debug)]
pub(crate) enum Answer {
    Known(Result<Appended, AppendError>),
    Awaited(oneshot::Receiver<Result<Appended, AppendError>>),
}

impl Future for PendingAppend {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answer::Known(answer) => Poll::Ready(answer.clone()),
            // A lane that ends without answering was cut off in the middle: nobody knows.
            Answer::Awaited(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Err(AppendError::OutcomeUnknown)))
            }
        }
    }
}
