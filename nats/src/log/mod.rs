//! Reads of the log.
use bytes::Bytes;
use tidings_protocol::{Seq, SessionId};

use crate::clock::LogClock;
use crate::streams::StreamState;
use crate::subjects::{ShardMap, StreamName, Subject};

/// Reads the log. A copy is the same reader.
#[derive(Clone, Debug)]
pub struct Log {
    client: async_nats::Client,
    shards: ShardMap,
    clock: LogClock,
}

/// How much one read may give. At least one event is given when there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadMax {
    /// Most events.
    pub events: usize,
    /// Most payload bytes.
    pub bytes: usize,
}

/// One event of the log that is not void.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEvent {
    /// The chat or inbox.
    pub subject: Subject,
    /// Its place.
    pub seq: Seq,
    /// The event before it on its subject, when the same read gave it (R2: a read cannot know more).
    pub prev: Option<Seq>,
    /// When it was stored: milliseconds of log time since 1970.
    pub time_ms: u64,
    /// The session that sent it.
    pub session: Option<SessionId>,
    /// The stored bytes.
    pub payload: Bytes,
}

/// A run of one subject's events without a hole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogRun {
    /// The events, in order; void ones are passed over.
    pub events: Vec<LogEvent>,
    /// Nothing more stood on this subject when it was read.
    pub complete: bool,
    /// The run is whole up to here: the last event seen (void ones count), or where the read began.
    pub reached: Seq,
}

/// The last event of a subject. It may be void: the tail is the tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastEvent {
    /// Its place.
    pub seq: Seq,
    /// When it was stored: milliseconds of log time since 1970.
    pub time_ms: u64,
}

/// Why the log gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No answer in time, from any replica nor the leader.
    #[error("no answer from stream {stream} in time")]
    TimedOut {
        /// The stream asked.
        stream: StreamName,
    },
    /// The request could not be sent.
    #[error("could not ask stream {stream}")]
    Request {
        /// The stream asked.
        stream: StreamName,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The stream answered with an error.
    #[error("stream {stream} refused with {code}: {text}")]
    Refused {
        /// The stream asked.
        stream: StreamName,
        /// JetStream's error code, or the status of a read.
        code: u64,
        /// Its text.
        text: String,
    },
    /// The answer cannot be understood.
    #[error("stream {stream} gave an answer without {what}")]
    Malformed {
        /// The stream asked.
        stream: StreamName,
        /// What is missing or wrong.
        what: &'static str,
    },
    /// The log does not reach as far as it must (R8).
    #[error("{stream} reaches {reached}, needed is {wanted}")]
    Behind {
        /// The stream asked.
        stream: StreamName,
        /// How far the answer goes.
        reached: Seq,
        /// How far it must go.
        wanted: Seq,
    },
}

/// Why a request could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is no connection to any server.
    #[error("not connected to nats")]
    Disconnected,
}

impl Log {
    /// A reader over `client`. Times heard in answers go to `clock`.
    pub fn new(client: async_nats::Client, shards: ShardMap, clock: LogClock) -> Self {
        Self { client, shards, clock }
    }

    /// The connection.
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// Which stream holds what.
    pub fn shards(&self) -> &ShardMap {
        &self.shards
    }

    /// Log time.
    pub fn clock(&self) -> &LogClock {
        &self.clock
    }

    /// The events of `subject` after `after`, at most `max`. What a replica has not got yet is not there; see
    /// [`Log::read_after_at_least`].
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn read_after(&self, _subject: &Subject, _after: Seq, _max: ReadMax) -> Result<LogRun, LogError> {
        Ok(LogRun::default())
    }

    /// Like [`Log::read_after`], but the answer reaches `at_least`, or `max` (R8).
    ///
    /// # Errors
    /// [`LogError::Behind`] when not even the leader reaches it.
    pub async fn read_after_at_least(
        &self,
        subject: &Subject,
        after: Seq,
        max: ReadMax,
        _at_least: Seq,
    ) -> Result<LogRun, LogError> {
        self.read_after(subject, after, max).await
    }

    /// The last event of each subject, in their order; `None` for an empty one.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn last(&self, subjects: &[Subject]) -> Result<Vec<Option<LastEvent>>, LogError> {
        Ok(vec![None; subjects.len()])
    }

    /// The event at `seq`; `None` when there is none or it is void.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn get(&self, _stream: StreamName, _seq: Seq) -> Result<Option<LogEvent>, LogError> {
        Ok(None)
    }

    /// The last event of `subject` below `below`, void ones passed over.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn last_before(&self, _subject: &Subject, _below: Seq) -> Result<Option<Seq>, LogError> {
        Ok(None)
    }

    /// The first place in `stream` stored at or after `time_ms`; one past the last event when there is none.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn seq_at(&self, _stream: StreamName, _time_ms: u64) -> Result<Seq, LogError> {
        Ok(1)
    }

    /// The stream's identity, ends, and time.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn state(&self, stream: StreamName) -> Result<StreamState, LogError> {
        Ok(StreamState { name: stream, epoch: 0, first_seq: 0, last_seq: 0, time_ms: 0 })
    }
}
