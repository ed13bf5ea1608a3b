//! Appends the pointers of one flush to the inboxes and waits for every ack.
//!
//! A large chat takes turns: at most `chat_in_flight` of its pointers wait at a time, and all chats share `in_flight`
//! places, given in the order in which they were asked for. A pointer without an ack is tried again a few times here; if
//! that does not help the whole flush is done again later, which is harmless: readers take pointers by their `seq`.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tidings_nats::{Append, AppendError, Owner, Publisher, Subject};
use tidings_protocol::inbox::InboxKind;
use tidings_protocol::{ChatId, InboxEvent, Pointer, UserId};
use tokio::sync::Semaphore;
use tracing::error;

use crate::WorkerError;
use crate::run::backoff::Backoff;

/// How often one pointer is tried within a flush.
const ATTEMPTS: u32 = 4;

/// The way into the inboxes.
#[derive(Clone)]
pub(super) struct Outbox {
    pub(super) publisher: Publisher,
    /// Places for pointers of all chats that wait for their ack.
    pub(super) places: Arc<Semaphore>,
    pub(super) chat_in_flight: usize,
    pub(super) retry_min_ms: u64,
    pub(super) retry_max_ms: u64,
}

impl Outbox {
    /// Appends all of them. `Ok` only when every one is on disk; how many.
    pub(super) async fn publish(&self, chat: ChatId, pointers: Vec<(UserId, Pointer)>) -> Result<usize, WorkerError> {
        let all = pointers.len();
        let answers = stream::iter(pointers)
            .map(|(user, pointer)| self.one(chat, user, pointer))
            .buffer_unordered(self.chat_in_flight.max(1));
        let failed = answers.filter_map(async |answer| answer.err());
        let failed: Vec<WorkerError> = failed.collect().await;
        let unacked = failed.len();
        match failed.into_iter().next_back() {
            None => Ok(all),
            Some(WorkerError::Unacked { chat, source, .. }) => Err(WorkerError::Unacked { chat, unacked, source }),
            Some(other) => Err(other),
        }
    }

    async fn one(&self, chat: ChatId, user: UserId, pointer: Pointer) -> Result<(), WorkerError> {
        let event = InboxEvent::new(InboxKind::Pointer(Box::new(pointer)));
        let payload = event.encode().map_err(|source| WorkerError::Encode { chat, source })?;
        let append = Append {
            // A late pointer says nothing new, so it needs no deadline; a repeated one neither, so it needs no id.
            deadline: false,
            ..Append::new(Subject::inbox(user), owner(chat), None, payload.into())
        };
        let mut backoff = Backoff::new(self.retry_min_ms, self.retry_max_ms);
        let mut attempt = 1;
        loop {
            let place = self.places.acquire().await;
            let answer = self.publisher.append(append.clone()).await;
            drop(place);
            match answer {
                Ok(_) => return Ok(()),
                Err(refused) if !refused.is_retryable() => {
                    give_up(chat, user, &refused);
                    return Ok(());
                }
                Err(source) if attempt >= ATTEMPTS => {
                    return Err(WorkerError::Unacked { chat, unacked: 1, source });
                }
                Err(_) => {
                    attempt += 1;
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }
}

/// The log will never take this pointer. Its user meets the chat by the next one, or without a token.
fn give_up(chat: ChatId, user: UserId, refused: &AppendError) {
    error!(%chat, %user, error = %refused, "pointer refused for good");
}

/// A chat's share of the publisher's queues.
fn owner(chat: ChatId) -> Owner {
    let (high, low) = chat.0.as_u64_pair();
    Owner(high ^ low)
}
