//! Chats kept in memory by the history worker: each is the fold of everything read so far.
//!
//! A chat that is not in memory is loaded as of the event before its first one in hand. That is right because the
//! chat's rows are whole up to there: either all of the chat's events since the loop began were applied before it was
//! dropped (it is only dropped by [`Folds::written`]), or this is its first event since the loop began, and everything
//! before that is behind the progress, rewound far enough (R11).

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use tidings_nats::FeedEvent;
use tidings_protocol::{ChatId, Seq};
use tidings_schema::HistoryStore;
use tidings_schema::rules::ChatFold;

use crate::WorkerError;
use crate::run::cache::Generations;

/// Chats loaded at the same time.
const LOADS: usize = 8;

/// Folds of chats, bounded.
pub(super) struct Folds {
    chats: Generations<ChatId, ChatFold>,
    /// Folds that events of the batch in hand changed.
    changed: HashSet<ChatId>,
    bound: usize,
}

impl Folds {
    /// Keeps about `bound` chats, and those of the batch in hand.
    pub(super) fn new(bound: usize) -> Self {
        Self { chats: Generations::new(), changed: HashSet::new(), bound }
    }

    /// Loads the chats of these events that are not in memory.
    pub(super) async fn load_for(&mut self, store: &dyn HistoryStore, events: &[FeedEvent]) -> Result<(), WorkerError> {
        let mut missing: HashMap<ChatId, Seq> = HashMap::new();
        for event in events.iter().filter(|event| !event.void) {
            if let Some(chat) = event.subject.chat_id()
                && !self.chats.contains(&chat)
            {
                missing.entry(chat).or_insert(event.seq);
            }
        }
        let loaded: Vec<(ChatId, ChatFold)> = stream::iter(missing)
            .map(|(chat, first)| async move {
                let fold = ChatFold::load(store, chat, first - 1).await;
                fold.map(|fold| (chat, fold))
            })
            .buffer_unordered(LOADS)
            .try_collect()
            .await
            .map_err(|source| WorkerError::Store { step: "load chats", source })?;
        for (chat, fold) in loaded {
            self.chats.insert(chat, fold, 1);
        }
        Ok(())
    }

    /// The fold of a chat that [`Folds::load_for`] was asked for.
    pub(super) fn get(&mut self, chat: ChatId) -> Option<&mut ChatFold> {
        self.changed.insert(chat);
        self.chats.get_mut(&chat)
    }

    /// All rows of the batch in hand are in the store.
    pub(super) fn written(&mut self) {
        for chat in self.changed.drain() {
            if let Some(fold) = self.chats.get_mut(&chat) {
                fold.settled();
            }
        }
        if self.chats.young_weight() > self.bound / 2 {
            self.chats.turn(|_| false);
        }
    }
}
