//! A page of history: newest, before, after or around a place.

use tidings_nats::Subject;
use tidings_protocol::cursor::{Direction, HistoryCursor};
use tidings_protocol::{ChatId, Entry, ErrorCode, Refusal, Seq};
use tidings_schema::history::Range;

use super::{Reads, entry_of_log, entry_of_row, store_refusal};
use crate::http::ops::HistoryPlace as Place;

/// A page, oldest first.
#[derive(Debug)]
pub(crate) struct HistoryPage {
    pub(crate) items: Vec<Entry>,
    /// Leads to older entries.
    pub(crate) older: Option<String>,
    /// Leads to newer entries.
    pub(crate) newer: Option<String>,
    /// The log could not be read.
    pub(crate) stale: bool,
}

/// One side of a place.
#[derive(Debug, Default)]
struct Side {
    items: Vec<Entry>,
    more: bool,
    stale: bool,
}

impl Reads {
    /// A page of at most `limit` entries, none after `until`.
    ///
    /// # Errors
    /// `store_unavailable`; `overloaded` when the workers are too far behind.
    pub(crate) async fn page(
        &self,
        chat: ChatId,
        place: Place,
        limit: usize,
        until: Option<Seq>,
    ) -> Result<HistoryPage, Refusal> {
        let end = until.map(|until| until + 1);
        let (older, newer) = match place {
            Place::Newest => (self.older(chat, end, limit).await?, Side::default()),
            Place::Before(seq) => {
                let before = end.map_or(seq, |end| seq.min(end));
                let side = self.older(chat, Some(before), limit).await?;
                (side, Side { more: end.is_none_or(|end| seq < end), ..Side::default() })
            }
            Place::After(seq) => {
                let side = self.newer(chat, seq, limit, until).await?;
                (Side { more: seq > 0, ..Side::default() }, side)
            }
            Place::Around(seq) => {
                let before = end.map_or(seq.saturating_add(1), |end| seq.saturating_add(1).min(end));
                let older = self.older(chat, Some(before), limit.div_ceil(2)).await?;
                let newer = if limit > 1 { self.newer(chat, seq, limit / 2, until).await? } else { Side::default() };
                (older, newer)
            }
        };
        Ok(assemble(chat, place, older, newer))
    }

    /// The newest entries below `before`.
    async fn older(&self, chat: ChatId, before: Option<Seq>, limit: usize) -> Result<Side, Refusal> {
        let watermark = self.watermark(chat).await?;
        let mut tail = std::collections::VecDeque::new();
        let mut stale = false;
        if before.is_none_or(|before| before > watermark + 1) {
            let read = self.each_after(Subject::chat(chat), watermark, |event| {
                if before.is_some_and(|before| event.seq >= before) {
                    return false;
                }
                if tail.len() > limit {
                    tail.pop_front();
                }
                tail.push_back(entry_of_log(&event));
                true
            });
            match read.await {
                Ok(()) => {}
                Err(refusal) if refusal.code == ErrorCode::LogUnavailable => {
                    stale = true;
                    tail.clear();
                }
                Err(refusal) => return Err(refusal),
            }
        }
        let mut items = Vec::new();
        if tail.len() <= limit {
            let below = before.map_or(watermark + 1, |before| before.min(watermark + 1));
            let rows = self.history().entries(chat, Range::Before(below), limit + 1 - tail.len()).await;
            items.extend(rows.map_err(store_refusal)?.iter().map(entry_of_row));
        }
        items.extend(tail);
        let more = items.len() > limit;
        if more {
            items.drain(..items.len() - limit);
        }
        Ok(Side { items, more, stale })
    }

    /// The oldest entries above `after`. With the log away, what the store has.
    async fn newer(&self, chat: ChatId, after: Seq, limit: usize, until: Option<Seq>) -> Result<Side, Refusal> {
        match self.run(chat, after, limit, until).await {
            Ok(run) => Ok(Side { items: run.items, more: run.limited, stale: false }),
            Err(refusal) if refusal.code == ErrorCode::LogUnavailable => {
                let watermark = self.watermark(chat).await?;
                let rows = self.history().entries(chat, Range::After(after), limit + 1).await.map_err(store_refusal)?;
                let visible =
                    rows.iter().filter(|row| row.seq <= watermark && until.is_none_or(|until| row.seq <= until));
                let mut items: Vec<Entry> = visible.map(entry_of_row).collect();
                let more = items.len() > limit;
                items.truncate(limit);
                Ok(Side { items, more, stale: true })
            }
            Err(refusal) => Err(refusal),
        }
    }
}

fn assemble(chat: ChatId, place: Place, older: Side, newer: Side) -> HistoryPage {
    let stale = older.stale || newer.stale;
    let (more_older, more_newer) = (older.more, newer.more);
    let mut items = older.items;
    items.extend(newer.items);
    for at in 1..items.len() {
        let before = items[at - 1].seq;
        items[at].prev.get_or_insert(before);
    }
    number(&mut items);
    let cursor = |direction, seq| HistoryCursor { chat, direction, seq }.to_string();
    let (first, last) = match (items.first(), items.last(), place) {
        (Some(first), Some(last), _) => (first.seq, last.seq),
        (_, _, Place::After(seq)) => (seq.saturating_add(1), seq),
        (_, _, Place::Before(seq)) => (seq, seq.saturating_sub(1)),
        _ => (0, 0),
    };
    let begins = items.first().is_some_and(|first| first.prev == Some(0));
    HistoryPage {
        older: (more_older && !begins).then(|| cursor(Direction::Older, first)),
        newer: more_newer.then(|| cursor(Direction::Newer, last)),
        items,
        stale,
    }
}

/// Goes on counting where a row's `n` is known (R3): the same number that its own row will have.
fn number(items: &mut [Entry]) {
    let mut counted = None;
    for entry in items {
        if entry.event.kind.is_countable() {
            entry.n = entry.n.or_else(|| counted.map(|n: u64| n + 1));
            counted = entry.n;
        }
    }
}
