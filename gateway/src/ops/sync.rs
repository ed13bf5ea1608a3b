//! Sync: the run of a chat's events right after a place. A complete one attaches the session to the chat.

use tidings_protocol::client_frame::Sync;
use tidings_protocol::cursor::{Direction, HistoryCursor};
use tidings_protocol::limits::PAGE_ITEMS;
use tidings_protocol::{Entry, Refusal, Seq, UserId};

use super::Ops;

/// What a sync found.
#[derive(Debug)]
pub(crate) struct Synced {
    pub(crate) items: Vec<Entry>,
    pub(crate) limited: bool,
    /// The place after `items`, for `history`.
    pub(crate) cursor: Option<String>,
    /// The session now has everything up to here: attach it there. `None` when more follow or the user has left.
    pub(crate) attach_from: Option<Seq>,
}

impl Ops {
    /// The events right after `sync.after`, at most [`PAGE_ITEMS`].
    pub(crate) async fn sync(&self, user: UserId, sync: &Sync) -> Result<Synced, Refusal> {
        let until = self.reads.membership(sync.chat, user).await?.require_reader()?;
        let run = self.reads.run(sync.chat, sync.after, PAGE_ITEMS, until).await?;
        let last = run.items.last().map_or(sync.after, |entry| entry.seq);
        let cursor = HistoryCursor { chat: sync.chat, direction: Direction::Newer, seq: last }.to_string();
        Ok(Synced {
            items: run.items,
            limited: run.limited,
            cursor: run.limited.then_some(cursor),
            attach_from: (!run.limited && until.is_none()).then_some(last),
        })
    }
}
