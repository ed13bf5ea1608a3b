//! Brings a chat into memory: rows at the history worker's watermark, and the chat's log from there (R15).
//!
//! It protects against rows that move while they are read. The watermark is read first (everything up to it is in the
//! rows), then head and members (which may be newer, each with its clock), then the watermark again: entries up to that
//! are whole, the head is not newer, and what lies between or after is applied once more, where it changes nothing or
//! sets right. At the end head and members are as of the chat's tail.
//!
//! It never trusts rows of another epoch and never answers with less than the newest event that the feed has brought.

use std::sync::Arc;

use tidings_nats::{Log, ReadMax, StreamName, Subject};
use tidings_protocol::{ChatId, EventKind, Seq};
use tidings_schema::history::{EntryRow, MemberRow, Range};
use tidings_schema::rules::{HeadFold, StoredEvent};
use tidings_schema::{HistoryStore, ProgressStore, StoreError};

use super::chat::ChatState;
use crate::WorkerError;

/// Members in one page of rows.
const PAGE_MEMBERS: usize = 1_000;
/// Entries in one page of rows.
const PAGE_ENTRIES: usize = 500;
/// Entries looked at for the newest message before a range; further back a pointer to a parted member has none.
const LOOK_BACK_ENTRIES: usize = 200;
/// Events in one read of the log.
const PAGE_LOG: ReadMax = ReadMax { events: 500, bytes: 1024 * 1024 };

/// Loads chats of one stream.
#[derive(Clone)]
pub(super) struct Loader {
    pub(super) log: Log,
    pub(super) store: Arc<dyn HistoryStore>,
    pub(super) progress: Arc<dyn ProgressStore>,
    pub(super) stream: StreamName,
    /// The stream's epoch: progress of another one is of another log.
    pub(super) epoch: u64,
}

/// Entries that the head has already, taken in with the head as it was at each.
struct Past {
    /// The newest message so far, when the entries have had one.
    message: Option<EntryRow>,
    /// What the newest message was before the entries: looked up only when it is needed.
    before: Option<HeadFold>,
    /// Below the first entry.
    from: Seq,
}

impl Loader {
    /// The chat as of its tail, which is at least `newest`, with what happened in it from `first` on.
    pub(super) async fn load(&self, chat: ChatId, first: Seq, newest: Seq) -> Result<ChatState, WorkerError> {
        let whole = self.watermark().await?;
        let heads = self.store.heads(&[chat]).await.map_err(unread)?;
        let head = heads.into_iter().next().flatten();
        let members = self.members(chat, first).await?;
        let watermark = self.watermark().await?;
        if head.as_ref().is_some_and(|head| head.seq > watermark) {
            return Err(WorkerError::Moved { chat });
        }
        let mut state = ChatState::of(chat, head.as_ref(), members);
        self.entries(&mut state, chat, whole.min(first - 1), watermark, first).await?;
        self.tail(&mut state, chat, watermark, newest).await?;
        state.count_members();
        state.settle(first - 1);
        Ok(state)
    }

    /// Everything of the stream up to here is in the rows; 0 before the first progress.
    async fn watermark(&self) -> Result<Seq, WorkerError> {
        let found = self.progress.progress(crate::history::WORKER, &self.stream.to_string()).await.map_err(unread)?;
        match found {
            None => Ok(0),
            Some(found) if found.epoch == self.epoch => Ok(found.seq),
            Some(found) => Err(WorkerError::OtherEpoch { stream: self.stream, found: found.epoch, wanted: self.epoch }),
        }
    }

    /// Members, and those who left at `first` or later.
    async fn members(&self, chat: ChatId, first: Seq) -> Result<Vec<MemberRow>, WorkerError> {
        let mut members: Vec<MemberRow> = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.members(chat, after, PAGE_MEMBERS).await.map_err(unread)?;
            after = page.last().map(|row| row.user);
            let is_last = page.len() < PAGE_MEMBERS;
            let matter = |row: &MemberRow| row.left_seq.is_none_or(|left| left >= first);
            members.extend(page.into_iter().filter(matter));
            if is_last {
                return Ok(members);
            }
        }
    }

    /// Takes in the stored entries after `after` up to `watermark`.
    async fn entries(
        &self,
        state: &mut ChatState,
        chat: ChatId,
        after: Seq,
        watermark: Seq,
        first: Seq,
    ) -> Result<(), WorkerError> {
        let mut past = Past { message: None, before: None, from: after };
        let mut at = after;
        while at < watermark {
            let page = self.store.entries(chat, Range::After(at), PAGE_ENTRIES).await.map_err(unread)?;
            let is_last = page.len() < PAGE_ENTRIES;
            for entry in page.into_iter().filter(|entry| entry.seq <= watermark) {
                at = entry.seq;
                let event = StoredEvent::read(entry.raw.clone(), entry.at.millis()).event;
                if entry.seq > state.seq() {
                    state.apply(entry.seq, &event);
                    continue;
                }
                if entry.countable {
                    past.message = Some(entry.clone());
                }
                // Only a pointer to somebody who parted tells what the newest message was back then.
                let parts = matches!(event.kind, EventKind::MemberRemoved | EventKind::MemberLeft);
                let told = parts && entry.seq >= first;
                let then = match told {
                    true => self.head_then(state, &mut past, &entry).await?,
                    false => numbers_then(state, &entry),
                };
                state.apply_past(&event, then);
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// The chat's head as of a stored entry: the entry's numbers and the newest message at or before it. (A title given
    /// after it is not taken back: rows do not tell the one before.)
    async fn head_then(&self, state: &ChatState, past: &mut Past, entry: &EntryRow) -> Result<HeadFold, WorkerError> {
        let mut then = numbers_then(state, entry);
        if let Some(message) = &past.message {
            set_message(&mut then, Some(message));
            return Ok(then);
        }
        if past.before.is_none() {
            let mut before = then.clone();
            // The head has had no message since: its own is the newest one.
            if entry.n < state.head().n {
                let range = Range::Before(past.from + 1);
                let page = self.store.entries(entry.chat, range, LOOK_BACK_ENTRIES).await.map_err(unread)?;
                set_message(&mut before, page.iter().rfind(|entry| entry.countable));
            }
            past.before = Some(before);
        }
        if let Some(before) = &past.before {
            then.at = before.at;
            then.preview.clone_from(&before.preview);
            then.from = before.from;
        }
        Ok(then)
    }

    /// Takes in the chat's log after `after`, to its end.
    async fn tail(&self, state: &mut ChatState, chat: ChatId, after: Seq, newest: Seq) -> Result<(), WorkerError> {
        let subject = Subject::chat(chat);
        let mut after = after;
        loop {
            let run = self
                .log
                .read_after_at_least(&subject, after, PAGE_LOG, newest)
                .await
                .map_err(|source| WorkerError::Log { stream: self.stream, source })?;
            for event in &run.events {
                let time_ms = i64::try_from(event.time_ms).unwrap_or(i64::MAX);
                let stored = StoredEvent::read(event.payload.clone(), time_ms);
                state.apply(event.seq, &stored.event);
            }
            if run.complete || run.reached <= after {
                return Ok(());
            }
            after = run.reached;
        }
    }
}

/// The chat's head with the numbers of a stored entry.
fn numbers_then(state: &ChatState, entry: &EntryRow) -> HeadFold {
    HeadFold { seq: entry.seq, events: entry.ord + 1, n: entry.n, members: entry.members, ..state.head().clone() }
}

fn set_message(head: &mut HeadFold, message: Option<&EntryRow>) {
    let event = message.map(|row| StoredEvent::read(row.raw.clone(), row.at.millis()).event);
    head.at = event.as_ref().map(|event| event.at);
    head.preview = event.as_ref().and_then(|event| event.preview());
    head.from = event.map(|event| event.from);
}

fn unread(source: StoreError) -> WorkerError {
    WorkerError::Store { step: "read a chat's rows", source }
}
