//! What the hub has done elsewhere: reads of the log and of the store, each in a task of its own that ends with one
//! message back. The hub itself never waits.
//!
//! Reads under way at once are bounded by a semaphore; tasks are bounded by what they belong to (one per warm chat, one
//! per attached session behind, one per inbox, one per inbox event of a connected user).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tidings_nats::live::LiveReader;
use tidings_nats::{Log, ReadMax, Subject};
use tidings_protocol::server_frame::{ChatFrame, ServerFrame};
use tidings_protocol::{ChatId, Pointer, Seq, SessionId, UserId};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::event::{ChatEvent, InboxItem};
use crate::reads::Reads;

/// Log reads of the fan-out under way at once.
pub(crate) const READS_AT_ONCE: usize = 64;
/// How much one read brings.
pub(crate) const READ_MAX: ReadMax = ReadMax { events: 500, bytes: 1024 * 1024 };
/// Wait before a failed read is tried again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Result of a job.
pub(crate) enum Done {
    /// A warm chat's log read.
    ChatRead { chat: ChatId, run: Option<Run<ChatEvent>> },
    /// A single session's log read.
    SessionRead { chat: ChatId, session: SessionId, after: Seq, run: Option<Run<ChatEvent>> },
    /// An inbox's log read.
    InboxRead { user: UserId, run: Option<Run<InboxItem>> },
    /// Where sessions attach for a pointer (the chat's event before `first`), and the list line when it changed.
    Placed { user: UserId, inbox_seq: Seq, pointer: Box<Pointer>, from: Seq, line: Option<Utf8Bytes> },
    /// A list line after a read position moved.
    Line { user: UserId, inbox_seq: Seq, except: Option<SessionId>, line: Option<Utf8Bytes> },
    /// Newest places of subjects.
    Tails { tails: Vec<(Subject, Seq)>, sweep: bool },
}

/// A run of events from the log.
pub(crate) struct Run<E> {
    pub(crate) events: Vec<E>,
    pub(crate) complete: bool,
}

/// Starts jobs.
#[derive(Clone)]
pub(crate) struct Jobs {
    pub(crate) log: Log,
    pub(crate) live: Arc<dyn LiveReader>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) tracker: TaskTracker,
    /// Back to the hub; the hub always empties it, so a job waits only for a moment.
    pub(crate) done: mpsc::Sender<Done>,
    pub(crate) permits: Arc<Semaphore>,
}

impl Jobs {
    /// Reads a chat for everybody attached. `confirm`: the subscription was just made, so first make sure that the server
    /// has it; otherwise an event between the read and the subscription would be missed.
    pub(crate) fn read_chat(&self, chat: ChatId, after: Seq, at_least: Seq, confirm: bool) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            let confirmed = !confirm || jobs.live.confirmed().await.is_ok();
            let run = if confirmed { jobs.read(Subject::chat(chat), after, at_least).await } else { None };
            if run.is_none() {
                tokio::time::sleep(RETRY_WAIT).await;
            }
            jobs.finish(Done::ChatRead { chat, run }).await;
        });
    }

    /// Reads a chat for one session that is behind.
    pub(crate) fn read_for_session(&self, chat: ChatId, session: SessionId, after: Seq, at_least: Seq) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            let run = jobs.read(Subject::chat(chat), after, at_least).await;
            if run.is_none() {
                tokio::time::sleep(RETRY_WAIT).await;
            }
            jobs.finish(Done::SessionRead { chat, session, after, run }).await;
        });
    }

    /// Reads an inbox.
    pub(crate) fn read_inbox(&self, user: UserId, after: Seq, at_least: Seq) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            let run = jobs.read(Subject::inbox(user), after, at_least).await;
            let run = run.map(|run| Run {
                events: run.events.into_iter().map(InboxItem::from).collect(),
                complete: run.complete,
            });
            if run.is_none() {
                tokio::time::sleep(RETRY_WAIT).await;
            }
            jobs.finish(Done::InboxRead { user, run }).await;
        });
    }

    async fn read(&self, subject: Subject, after: Seq, at_least: Seq) -> Option<Run<ChatEvent>> {
        let _permit = self.permits.acquire().await.ok()?;
        match self.log.read_after_at_least(&subject, after, READ_MAX, at_least).await {
            Ok(run) => {
                Some(Run { events: run.events.into_iter().map(ChatEvent::from).collect(), complete: run.complete })
            }
            Err(error) => {
                tracing::warn!(%subject, after, error = &error as &dyn std::error::Error, "could not read the log for live delivery");
                None
            }
        }
    }

    /// Finds where a pointer's range begins (the chat's event before `first`: a log read gives no `prev` for its first
    /// event, R2) and makes the list line when the chat itself changed.
    pub(crate) fn place(&self, user: UserId, inbox_seq: Seq, pointer: Box<Pointer>, look: bool) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            let from = if look { jobs.before(&pointer).await } else { pointer.first.saturating_sub(1) };
            let line = if pointer.chat_changed { jobs.line(user, pointer.chat).await } else { None };
            jobs.finish(Done::Placed { user, inbox_seq, pointer, from, line }).await;
        });
    }

    async fn before(&self, pointer: &Pointer) -> Seq {
        let unlooked = pointer.first.saturating_sub(1);
        let Ok(_permit) = self.permits.acquire().await else { return unlooked };
        match self.log.last_before(&Subject::chat(pointer.chat), pointer.first).await {
            Ok(before) => before.unwrap_or(0),
            // The client then sees a gap where there may be none, and syncs.
            Err(_) => unlooked,
        }
    }

    /// Makes a list line after a read position moved.
    pub(crate) fn read_moved(&self, user: UserId, inbox_seq: Seq, chat: ChatId, except: Option<SessionId>) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            let line = jobs.line(user, chat).await;
            jobs.finish(Done::Line { user, inbox_seq, except, line }).await;
        });
    }

    async fn line(&self, user: UserId, chat: ChatId) -> Option<Utf8Bytes> {
        let _permit = self.permits.acquire().await.ok()?;
        match self.reads.summary(user, chat).await {
            Ok(chat) => ServerFrame::Chat(ChatFrame { chat, since: None }).encode().ok().map(Utf8Bytes::from),
            Err(refusal) => {
                tracing::warn!(%chat, %user, code = %refusal.code, "could not make a list line");
                None
            }
        }
    }

    /// Asks the stream for the newest places of subjects (R8).
    pub(crate) fn look_at_tails(&self, subjects: Vec<Subject>, sweep: bool) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            let tails = loop {
                match jobs.log.last(&subjects).await {
                    Ok(lasts) => break lasts,
                    Err(error) => {
                        tracing::warn!(
                            subjects = subjects.len(),
                            error = &error as &dyn std::error::Error,
                            "could not look at tails"
                        );
                        tokio::time::sleep(RETRY_WAIT).await;
                        if jobs.done.is_closed() {
                            return;
                        }
                    }
                }
            };
            let tails =
                subjects.into_iter().zip(tails).filter_map(|(subject, last)| Some((subject, last?.seq))).collect();
            jobs.finish(Done::Tails { tails, sweep }).await;
        });
    }

    async fn finish(&self, done: Done) {
        // A hub that is gone has stopped: nobody waits for the result.
        let _ = self.done.send(done).await;
    }
}
