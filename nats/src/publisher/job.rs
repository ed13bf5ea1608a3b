//! One append on its way through a lane.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tidings_protocol::{MsgId, Seq};
use tokio::sync::oneshot;

use super::append::{Append, AppendError, Appended, Owner};
use super::recent::{Key, Recent};
use super::stats::Counters;
use crate::subjects::Subject;

/// What all lanes of a publisher share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) counters: Counters,
    // Held for a few instructions, never over an await.
    pub(super) recent: Mutex<Recent>,
}

/// When its deadline was set, on both clocks (R5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) deadline_ms: u64,
    pub(super) at: Instant,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) append: Append,
    /// The id it goes under now: another one after a void event held the first.
    pub(super) id: Option<MsgId>,
    /// The last event that its subject must have, when it asks for an empty one.
    pub(super) expect: Option<Seq>,
    /// Set when it is first sent, and never again: repeats are void together with the first.
    pub(super) stamp: Option<Stamp>,
    /// An attempt went out whose outcome nobody knows.
    pub(super) unknown: bool,
    /// Its id may be in the log already, so it would make a whole batch fail.
    pub(super) alone: bool,
    pub(super) queued_at: Instant,
    /// Its place in its turn.
    place_in_turn: u64,
    key: Option<Key>,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    shared: Arc<Shared>,
}

impl Job {
    pub(super) fn new(
        append: Append,
        place_in_turn: u64,
        key: Option<Key>,
        alone: bool,
        shared: &Arc<Shared>,
    ) -> (Self, oneshot::Receiver<Result<Appended, AppendError>>) {
        let (answer, receiver) = oneshot::channel();
        let job = Self {
            id: append.msg_id.clone(),
            expect: append.expect_empty.then_some(0),
            stamp: None,
            unknown: false,
            alone: alone || append.retry || append.expect_empty,
            queued_at: Instant::now(),
            append,
            place_in_turn,
            key,
            answer,
            shared: Arc::clone(shared),
        };
        (job, receiver)
    }

    /// Whose order it must keep: two of the same never go unordered.
    pub(super) fn place(&self) -> (Owner, Subject) {
        (self.append.owner, self.append.subject)
    }

    pub(super) fn bytes(&self) -> usize {
        self.append.payload.len()
    }

    pub(super) fn is_out_of_turn(&self) -> bool {
        self.append.turn.as_ref().is_some_and(|turn| turn.is_broken_before(self.place_in_turn))
    }

    /// Answers it, and with it all who wait under the same id.
    pub(super) fn finish(self, answer: Result<Appended, AppendError>) {
        let counters = &self.shared.counters;
        match &answer {
            Ok(appended) => {
                counters.appended.add(1);
                counters.duplicates.add(usize::from(appended.duplicate));
            }
            Err(error) => {
                if error.is_retryable()
                    && let Some(turn) = &self.append.turn
                {
                    turn.break_off(self.place_in_turn);
                }
                match error {
                    AppendError::OutcomeUnknown => counters.unknown.add(1),
                    _ => counters.refused.add(1),
                }
            }
        }
        if let Some(key) = self.key {
            self.shared.recent.lock().end(key, &answer);
        }
        // Whoever stopped waiting does not want to know.
        let _ = self.answer.send(answer);
    }

    /// It could not be queued: whoever submits it is told by the caller, those who joined meanwhile are told here.
    pub(super) fn withdraw(self, error: &AppendError) {
        if let Some(key) = self.key {
            self.shared.recent.lock().end(key, &Err(error.clone()));
        }
    }

    /// Refuses it; when an attempt may have been stored, nobody can say that it was not.
    pub(super) fn refuse(self, error: AppendError) {
        let unknown = self.unknown;
        self.finish(Err(match unknown {
            true => AppendError::OutcomeUnknown,
            false => error,
        }));
    }
}
