//! Answers about chats (R13): the store up to the materialised watermark, read *first*, and the log after it. So an acked
//! message is in every answer given after its ack, whether or not a worker has seen it, even with all workers stopped.
//!
//! When the log cannot be read, an answer up to the watermark says `stale`; `sync` gives none, because it settles
//! outboxes. An outage is never an empty answer.
//!
//! This module never writes anything and never decides who may read: operations do.

mod count;
mod fold;
mod inbox;
mod lines;
mod member_page;
mod members;
mod membership;
mod own;
mod page;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tidings_nats::{Log, LogError, LogEvent, ReadMax, Subject};
use tidings_protocol::limits::PAGE_BYTES;
use tidings_protocol::{ChatId, Entry, ErrorCode, Event, Refusal, Seq};
use tidings_schema::history::EntryRow;
use tidings_schema::rules::StoredEvent;
use tidings_schema::{HistoryStore, ProgressStore, UserChatsStore};

use crate::accounts::store_refusal;

pub(crate) use fold::Line;
pub(crate) use inbox::{Overlay, add as add_inbox_event};
pub(crate) use members::Members;
pub(crate) use membership::Membership;

/// Worker names under which progress is stored.
const HISTORY: &str = "history";
const USER_CHATS: &str = "user_chats";

/// Log events read at once while an answer is completed.
const LOG_STEP: ReadMax = ReadMax { events: 500, bytes: PAGE_BYTES };
/// Log events that one answer reads at most. A worker so far behind makes answers `overloaded`, never short.
const LOG_EVENTS_PER_ANSWER: usize = 200_000;

/// The stores that answers come from.
#[derive(Clone)]
pub struct ReadStores {
    /// Events, heads, members.
    pub history: Arc<dyn HistoryStore>,
    /// Lists.
    pub user_chats: Arc<dyn UserChatsStore>,
    /// Watermarks.
    pub progress: Arc<dyn ProgressStore>,
}

/// Makes answers.
#[derive(Clone)]
pub(crate) struct Reads {
    log: Log,
    stores: ReadStores,
    members: Arc<Members>,
    /// The longest window between two pointers of a moving chat (R15).
    max_window_ms: u64,
    /// Questions to the stores so far, for the metrics and for whoever wants to see that a resume asks none.
    store_reads: Arc<AtomicU64>,
}

impl Reads {
    pub(crate) fn new(log: Log, stores: ReadStores, members: Arc<Members>, max_window_ms: u64) -> Self {
        Self { log, stores, members, max_window_ms, store_reads: Arc::default() }
    }

    /// How many questions the stores were asked so far.
    pub(crate) fn store_reads(&self) -> u64 {
        self.store_reads.load(Ordering::Relaxed)
    }

    fn history(&self) -> &dyn HistoryStore {
        self.store_reads.fetch_add(1, Ordering::Relaxed);
        &*self.stores.history
    }

    fn user_chats(&self) -> &dyn UserChatsStore {
        self.store_reads.fetch_add(1, Ordering::Relaxed);
        &*self.stores.user_chats
    }

    fn progress(&self) -> &dyn ProgressStore {
        self.store_reads.fetch_add(1, Ordering::Relaxed);
        &*self.stores.progress
    }

    /// Everything of the chat's stream up to here is in the rows.
    async fn watermark(&self, chat: ChatId) -> Result<Seq, Refusal> {
        let stream = self.log.shards().stream_of(&Subject::chat(chat)).to_string();
        let progress = self.progress().progress(HISTORY, &stream).await.map_err(store_refusal)?;
        Ok(progress.map_or(0, |progress| progress.seq))
    }

    /// All events of a subject after `after`, handed to `take` in order, until it says enough.
    async fn each_after(
        &self,
        subject: Subject,
        mut after: Seq,
        mut take: impl FnMut(LogEvent) -> bool,
    ) -> Result<(), Refusal> {
        let mut taken = 0;
        loop {
            let run = self.log.read_after(&subject, after, LOG_STEP).await.map_err(log_refusal)?;
            taken += run.events.len();
            after = after.max(run.reached);
            for event in run.events {
                after = event.seq.max(after);
                if !take(event) {
                    return Ok(());
                }
            }
            if run.complete {
                return Ok(());
            }
            if taken > LOG_EVENTS_PER_ANSWER {
                return Err(Refusal::new(ErrorCode::Overloaded, "the workers are too far behind").after_ms(5_000));
            }
        }
    }
}

/// The log's error as clients see it.
pub(crate) fn log_refusal(error: LogError) -> Refusal {
    tracing::warn!(error = &error as &dyn std::error::Error, "log could not be read");
    Refusal::new(ErrorCode::LogUnavailable, "the log cannot be read").after_ms(1_000)
}

/// The event under stored bytes; what does not read is shown as `unreadable` (R12).
pub(crate) fn event_of(time_ms: u64, bytes: &Bytes) -> Event {
    StoredEvent::read(bytes.clone(), i64::try_from(time_ms).unwrap_or(i64::MAX)).event
}

fn entry_of_row(row: &EntryRow) -> Entry {
    let at_ms = u64::try_from(row.at.millis()).unwrap_or(0);
    Entry { seq: row.seq, prev: Some(row.prev), n: row.countable.then_some(row.n), event: event_of(at_ms, &row.raw) }
}

fn entry_of_log(event: &LogEvent) -> Entry {
    Entry { seq: event.seq, prev: event.prev, n: None, event: event_of(event.time_ms, &event.payload) }
}
