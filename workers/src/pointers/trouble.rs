//! A kind of failure that many chats meet at the same time: logged when it begins and when it ends, not per chat.

use tidings_nats::StreamName;
use tracing::{info, warn};

use crate::WorkerError;
use crate::error::Chain;
use crate::run::backoff::Backoff;

/// Whether it lasts, and how long chats that meet it pause.
pub(super) struct Trouble {
    what: &'static str,
    backoff: Backoff,
    lasts: bool,
}

impl Trouble {
    pub(super) fn new(what: &'static str, backoff: Backoff) -> Self {
        Self { what, backoff, lasts: false }
    }

    /// It failed again: how long the chat pauses, in milliseconds.
    pub(super) fn met(&mut self, stream: StreamName, error: &WorkerError) -> u64 {
        let pause = self.backoff.next();
        if !self.lasts {
            warn!(worker = super::WORKER, %stream, what = self.what, error = %Chain(error),
                "chats wait and are tried again");
        }
        self.lasts = true;
        u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
    }

    /// It went well.
    pub(super) fn over(&mut self, stream: StreamName) {
        if self.lasts {
            info!(worker = super::WORKER, %stream, what = self.what, "chats go on");
        }
        self.lasts = false;
        self.backoff.reset();
    }
}
