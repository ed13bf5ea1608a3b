//! Where a worker that keeps its progress in the store begins (R11): some log time before its progress, because a store
//! may have lost what it took last. Reading events again changes nothing (R10).
//!
//! It refuses to go on over rows of another log, and it never passes over a hole in silence.

use tidings_nats::{Log, StreamName};
use tidings_protocol::Seq;
use tidings_schema::ProgressStore;
use tracing::error;

use crate::WorkerError;

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    /// The first event to read.
    pub(crate) seq: Seq,
    /// The stream's epoch, which all progress written from here on carries.
    pub(crate) epoch: u64,
    /// Rows are written up to here.
    pub(crate) done: Seq,
}

/// Finds where `worker` begins on `stream`.
pub(crate) async fn resume(
    log: &Log,
    progress: &dyn ProgressStore,
    worker: &'static str,
    stream: StreamName,
    rewind_ms: u64,
) -> Result<Start, WorkerError> {
    let unread = |source| WorkerError::Log { stream, source };
    let state = log.state(stream).await.map_err(unread)?;
    let epoch = state.epoch;
    let found = progress
        .progress(worker, &stream.to_string())
        .await
        .map_err(|source| WorkerError::Store { step: "read progress", source })?;
    let Some(found) = found else {
        return Ok(Start { seq: 1, epoch, done: 0 });
    };
    if found.epoch != epoch {
        return Err(WorkerError::OtherEpoch { stream, found: found.epoch, wanted: epoch });
    }
    if state.last_seq < found.seq {
        return Err(WorkerError::LogWentBack { stream, last: state.last_seq, done: found.seq });
    }
    if state.first_seq > found.seq + 1 {
        let missing = state.first_seq - found.seq - 1;
        error!(worker, %stream, done = found.seq, first = state.first_seq, missing,
            "events expired before they were applied");
    }
    let time_ms = u64::try_from(found.time_ms).unwrap_or(0);
    let rewound = log.seq_at(stream, time_ms.saturating_sub(rewind_ms)).await.map_err(unread)?;
    Ok(Start { seq: rewound.min(found.seq + 1), epoch, done: found.seq })
}
