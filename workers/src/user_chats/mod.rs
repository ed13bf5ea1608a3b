//! User chats: `INBOX` -> each user's list of chats (R10).
//!
//! It protects that a list is a function of its user's inbox: a pointer is a whole picture of a chat as of its `seq`,
//! a read position only moves up, so order, repeats and a second worker change nothing. Progress is written with the
//! rows. What it cannot read, or does not know, becomes a dead letter (R12), because rows have no place for it.
//!
//! It never reads chats' logs and never completes a line: who reads it does (R13).

use std::convert::Infallible;
use std::sync::Arc;

use tidings_nats::{FeedEvent, LeaseSettings, Log, StreamName};
use tidings_protocol::inbox::{INBOX_VERSION, InboxKind};
use tidings_protocol::{InboxEvent, Seq, UserId};
use tidings_schema::user_chats::UserChatWrite;
use tidings_schema::{Progress, ProgressStore, UserChatsStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::WorkerError;
use crate::run::dead::{DeadLetters, Reason};
use crate::run::rows::{self, Applied, Rows};
use crate::run::stats::Counters;
use crate::run::supervise::{Job, Seat, WorkerHandle, start as start_jobs};
use crate::settings::RowSettings;

/// The worker's name in progress, leases and dead letters.
pub const WORKER: &str = "user_chats";

/// What the worker reads from and writes to.
#[derive(Clone)]
pub struct UserChatsDeps {
    /// The log.
    pub log: Log,
    /// Rows by user, written by this worker only.
    pub store: Arc<dyn UserChatsStore>,
    /// Where its progress is read.
    pub progress: Arc<dyn ProgressStore>,
}

/// Starts the worker on every stream of inboxes. It works where it gets the lease and stands by elsewhere (R9).
pub fn start(
    deps: &UserChatsDeps,
    settings: &RowSettings,
    lease: &LeaseSettings,
    cancel: &CancellationToken,
    tracker: &TaskTracker,
) -> WorkerHandle {
    let streams = deps.log.shards().inbox_streams();
    let jobs = streams.iter().map(|&stream| {
        let seat = Seat {
            worker: WORKER,
            stream,
            log: deps.log.clone(),
            lease: lease.clone(),
            retry_min_ms: settings.retry_min_ms,
            retry_max_ms: settings.retry_max_ms,
        };
        let job = UserChats { deps: deps.clone(), stream, settings: settings.clone() };
        (seat, job)
    });
    start_jobs(jobs.collect(), cancel, tracker)
}

struct UserChats {
    deps: UserChatsDeps,
    stream: StreamName,
    settings: RowSettings,
}

impl Job for UserChats {
    async fn run(&mut self, counters: &Counters) -> Result<Infallible, WorkerError> {
        let mut lists = ListRows { stream: self.stream.to_string(), store: Arc::clone(&self.deps.store) };
        let (log, progress) = (&self.deps.log, self.deps.progress.as_ref());
        rows::run(&mut lists, log, progress, self.stream, &self.settings, counters).await
    }
}

/// Turns events of inboxes into lines of lists.
struct ListRows {
    stream: String,
    store: Arc<dyn UserChatsStore>,
}

impl Rows for ListRows {
    const WORKER: &'static str = WORKER;

    async fn apply(
        &mut self,
        events: &[FeedEvent],
        done: Seq,
        progress: Progress,
        dead: &DeadLetters,
    ) -> Result<Applied, WorkerError> {
        let mut writes = Vec::with_capacity(events.len());
        let mut applied = Applied::default();
        for event in events.iter().filter(|event| !event.void) {
            match read(event) {
                Ok(write) => writes.push(write),
                Err(reason) => {
                    applied.dead += 1;
                    // Up to `done` letters were sent before the rows were written.
                    if event.seq > done {
                        dead.send(event, reason).await;
                    }
                }
            }
        }
        applied.rows = writes.len();
        self.store
            .apply_user_chats(&self.stream, &writes, progress)
            .await
            .map_err(|source| WorkerError::Store { step: "write user chats", source })?;
        Ok(applied)
    }
}

/// What an inbox event writes.
fn read(event: &FeedEvent) -> Result<UserChatWrite, Reason> {
    let user = event.subject.user_id().ok_or(Reason::Misplaced)?;
    read_for(user, &event.payload)
}

fn read_for(user: UserId, payload: &[u8]) -> Result<UserChatWrite, Reason> {
    let event = InboxEvent::decode(payload).map_err(|_| Reason::Unreadable)?;
    if event.v > INBOX_VERSION {
        return Err(Reason::UnknownKind);
    }
    match event.kind {
        InboxKind::Pointer(pointer) => Ok(UserChatWrite::Pointer { user, pointer }),
        InboxKind::Read(read) => Ok(UserChatWrite::Read { user, read }),
        InboxKind::Unknown => Err(Reason::UnknownKind),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tidings_protocol::ChatId;
    use tidings_protocol::inbox::ReadPosition;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_known_is_written_and_the_rest_is_named() {
        let user = UserId(Uuid::from_u128(1));
        let read = ReadPosition { chat: ChatId(Uuid::from_u128(2)), seq: 7, n: 3 };
        let bytes = InboxEvent::new(InboxKind::Read(read)).encode().unwrap();
        assert_eq!(read_for(user, &bytes), Ok(UserChatWrite::Read { user, read }));
        let newer = InboxEvent { v: INBOX_VERSION + 1, kind: InboxKind::Read(read) };
        let newer = newer.encode().unwrap();
        assert_eq!(read_for(user, &newer), Err(Reason::UnknownKind));
        let other = br#"{"v":1,"kind":"muted","chat":"x"}"#;
        assert_eq!(read_for(user, other), Err(Reason::UnknownKind));
        for damaged in [&b""[..], b"{", b"\xff", br#"{"v":1,"kind":"read"}"#] {
            assert_eq!(read_for(user, damaged), Err(Reason::Unreadable));
        }
    }
}
