//! Names of the headers in the log.

/// Milliseconds of log time after which a stored event is void (R5).
pub const DEADLINE: &str = "Tidings-Deadline";
/// The session that sent the event.
pub const SESSION: &str = "Tidings-Session";

pub(crate) const MSG_ID: &str = "Nats-Msg-Id";
pub(crate) const BATCH_ID: &str = "Nats-Batch-Id";
pub(crate) const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
pub(crate) const BATCH_COMMIT: &str = "Nats-Batch-Commit";
pub(crate) const EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
pub(crate) const SUBJECT: &str = "Nats-Subject";
pub(crate) const SEQUENCE: &str = "Nats-Sequence";
pub(crate) const TIME_STAMP: &str = "Nats-Time-Stamp";
pub(crate) const NUM_PENDING: &str = "Nats-Num-Pending";
pub(crate) const LAST_SEQUENCE: &str = "Nats-Last-Sequence";
pub(crate) const UP_TO_SEQUENCE: &str = "Nats-UpTo-Sequence";

/// Whether an event stored at `time_ms` with that deadline is void.
pub(crate) fn is_void(deadline_ms: Option<u64>, time_ms: u64) -> bool {
    deadline_ms.is_some_and(|deadline| time_ms > deadline)
}
