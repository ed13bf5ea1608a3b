//! The rows of one batch of events, in log order; of a chat's head only the newest, which covers the others.

use std::collections::HashMap;

use tidings_nats::FeedEvent;
use tidings_protocol::ChatId;
use tidings_schema::HistoryStore;
use tidings_schema::history::{HeadRow, HistoryWrite};
use tidings_schema::rules::{StoredEvent, look_up};

use super::folds::Folds;
use crate::WorkerError;
use crate::run::dead::Reason;

/// Rows to write together.
#[derive(Default)]
pub(super) struct Batch {
    writes: Vec<HistoryWrite>,
    heads: HashMap<ChatId, HeadRow>,
}

impl Batch {
    /// Folds one event that is not void. Returns why it is a dead letter, if it is one.
    pub(super) async fn take(
        &mut self,
        store: &dyn HistoryStore,
        folds: &mut Folds,
        event: &FeedEvent,
    ) -> Result<Option<Reason>, WorkerError> {
        let fold = event.subject.chat_id().and_then(|chat| folds.get(chat));
        let Some(fold) = fold else {
            return Ok(Some(Reason::Misplaced));
        };
        let time_ms = i64::try_from(event.time_ms).unwrap_or(i64::MAX);
        let stored = StoredEvent::read(event.payload.clone(), time_ms);
        let found = look_up(store, fold, event.seq, &stored)
            .await
            .map_err(|source| WorkerError::Store { step: "look up a member", source })?;
        for write in fold.apply(event.seq, &stored, &found) {
            match write {
                HistoryWrite::Head(head) => {
                    self.heads.insert(head.chat, head);
                }
                other => self.writes.push(other),
            }
        }
        Ok(stored.is_unreadable().then_some(Reason::Unreadable))
    }

    /// All rows, entries and memberships before heads.
    pub(super) fn into_writes(mut self) -> Vec<HistoryWrite> {
        self.writes.extend(self.heads.into_values().map(HistoryWrite::Head));
        self.writes
    }
}
