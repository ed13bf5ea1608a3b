//! What the hub and the socket task know together of one session.

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use tidings_protocol::{Seq, SessionId, UserId};

use super::queue::{QueueBounds, SessionQueue};
use crate::fanout::progress::InboxPlace;

/// One connected session.
#[derive(Debug)]
pub(crate) struct SessionShared {
    /// This connection.
    pub(crate) id: SessionId,
    /// Whose it is.
    pub(crate) user: UserId,
    /// What waits to be written to the socket.
    pub(crate) queue: SessionQueue,
    /// The place that the session's next resume token names (R14). Written by the hub after the frames it covers were
    /// pushed, read by the socket task. Never held over an await.
    since: Mutex<InboxPlace>,
}

impl SessionShared {
    pub(crate) fn new(id: SessionId, user: UserId, bounds: QueueBounds) -> Self {
        Self { id, user, queue: SessionQueue::new(bounds), since: Mutex::default() }
    }

    /// Adds a frame; a full queue closes the session.
    pub(crate) fn push(&self, frame: Utf8Bytes) -> bool {
        self.queue.push(frame)
    }

    /// The place for a token.
    pub(crate) fn since(&self) -> InboxPlace {
        *self.since.lock()
    }

    /// Moves the place for a token up.
    pub(crate) fn move_since(&self, place: InboxPlace) {
        let mut since = self.since.lock();
        if (place.seq, place.time_ms) > (since.seq, since.time_ms) {
            *since = place;
        }
    }

    /// The last place's `seq`.
    pub(crate) fn since_seq(&self) -> Seq {
        self.since().seq
    }
}
