//! How far a worker's rows are whole (R11), which is also the watermark of answers (R13).

use async_trait::async_trait;
use tidings_protocol::Seq;

use crate::StoreError;

/// Name of the worker that writes rows by chat.
pub const HISTORY_WORKER: &str = "history";
/// Name of the worker that writes users' lists.
pub const USER_CHATS_WORKER: &str = "user_chats";

/// Everything of a stream up to `seq` is in the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// The last event applied.
    pub seq: Seq,
    /// Its log time, milliseconds since 1970.
    pub time_ms: i64,
    /// The stream's epoch (creation time): progress of another epoch is of another log.
    pub epoch: u64,
}

/// Reads progress. It is written together with the rows, by the stores' `apply`, and never goes back within an epoch;
/// the greater epoch (the stream made later) wins over a lesser one.
#[async_trait]
pub trait ProgressStore: Send + Sync {
    /// Progress of `worker` ([`HISTORY_WORKER`], [`USER_CHATS_WORKER`]) on `stream` ("CHAT_0"); `None` before its first write.
    async fn progress(&self, worker: &str, stream: &str) -> Result<Option<Progress>, StoreError>;
}
