//! The run of a chat's events right after a place, without a hole: what `sync` answers and what a late retry searches.

use tidings_nats::{ReadMax, Subject};
use tidings_protocol::limits::PAGE_BYTES;
use tidings_protocol::{ChatId, Entry, Refusal, Seq};
use tidings_schema::history::Range;

use super::{Reads, entry_of_log, entry_of_row, log_refusal, store_refusal};

/// A run of entries.
#[derive(Debug, Default)]
pub(crate) struct EntryRun {
    /// In order, without a hole after the place asked for.
    pub(crate) items: Vec<Entry>,
    /// More follow.
    pub(crate) limited: bool,
}

impl Reads {
    /// Up to `limit` entries right after `after`, none after `until`.
    ///
    /// # Errors
    /// `log_unavailable`, `store_unavailable`: a run is never cut short in silence.
    pub(crate) async fn run(
        &self,
        chat: ChatId,
        after: Seq,
        limit: usize,
        until: Option<Seq>,
    ) -> Result<EntryRun, Refusal> {
        let mut run = match self.run_from_log(chat, after, limit).await? {
            Some(run) => run,
            None => self.run_from_both(chat, after, limit).await?,
        };
        if run.items.len() > limit {
            run.items.truncate(limit);
            run.limited = true;
        }
        cut_bytes(&mut run);
        if let Some(until) = until
            && run.items.last().is_some_and(|entry| entry.seq >= until)
        {
            run.items.retain(|entry| entry.seq <= until);
            run.limited = false;
        }
        link(&mut run.items);
        Ok(run)
    }

    /// When the event at `after` itself is still in the log, so is everything after it: the log forgets from its start.
    /// Then the store need not be asked.
    async fn run_from_log(&self, chat: ChatId, after: Seq, limit: usize) -> Result<Option<EntryRun>, Refusal> {
        if after == 0 {
            return Ok(None);
        }
        let max = ReadMax { events: limit + 2, bytes: PAGE_BYTES };
        let run = self.log.read_after(&Subject::chat(chat), after - 1, max).await.map_err(log_refusal)?;
        if run.events.first().is_none_or(|first| first.seq != after) {
            return Ok(None);
        }
        let items = run.events[1..].iter().map(entry_of_log).collect();
        Ok(Some(EntryRun { items, limited: !run.complete }))
    }

    async fn run_from_both(&self, chat: ChatId, after: Seq, limit: usize) -> Result<EntryRun, Refusal> {
        let watermark = self.watermark(chat).await?;
        let mut items = Vec::new();
        if after < watermark {
            let rows = self.history().entries(chat, Range::After(after), limit + 1).await.map_err(store_refusal)?;
            items.extend(rows.iter().filter(|row| row.seq <= watermark).map(entry_of_row));
        }
        if items.len() > limit {
            return Ok(EntryRun { items, limited: true });
        }
        let max = ReadMax { events: limit + 1 - items.len(), bytes: PAGE_BYTES };
        let run = self.log.read_after(&Subject::chat(chat), after.max(watermark), max).await.map_err(log_refusal)?;
        items.extend(run.events.iter().map(entry_of_log));
        Ok(EntryRun { items, limited: !run.complete })
    }
}

/// Sets `prev` where the neighbour in the run tells it.
fn link(items: &mut [Entry]) {
    for at in 1..items.len() {
        let before = items[at - 1].seq;
        items[at].prev.get_or_insert(before);
    }
}

/// Keeps a run within [`PAGE_BYTES`], but never empties it.
fn cut_bytes(run: &mut EntryRun) {
    let mut bytes = 0;
    let fits = run.items.iter().take_while(|entry| {
        bytes += entry.event.body.len() + 300;
        bytes <= PAGE_BYTES
    });
    let keep = fits.count().max(1);
    if keep < run.items.len() {
        run.items.truncate(keep);
        run.limited = true;
    }
}
