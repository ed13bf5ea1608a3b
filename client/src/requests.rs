//! Requests of the app over the socket (history, lists, reads, pings): asked once connected, answered or failed, in
//! time. A request whose connection broke fails: the app knows best whether it still wants it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tidings_protocol::Refusal;
use tidings_protocol::client_frame::{Command, Request};
use tidings_protocol::server_frame::ServerFrame;
use tokio::sync::oneshot;

use crate::error::RequestError;

/// Requests of the app at once; more are refused with `TooMany`. A gateway takes 64 requests of one session, most of
/// which are left to the engine.
pub(crate) const REQUESTS: usize = 8;
/// Requests that wait for those; more are refused with `TooMany`.
pub(crate) const REQUESTS_WAITING: usize = 64;

/// Where the answer goes.
pub(crate) type Reply = oneshot::Sender<Result<ServerFrame, RequestError>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    waiting: VecDeque<(Instant, Command, Reply)>,
    asked: HashMap<u64, Reply>,
    /// In the order of asking, which is not quite that of time: a request may have waited before it was asked.
    until: VecDeque<(Instant, u64)>,
}

impl Requests {
    /// Takes a request in.
    pub(crate) fn push(&mut self, command: Command, reply: Reply, now: Instant, within: Duration) {
        if self.waiting.len() >= REQUESTS_WAITING {
            // Whoever dropped the receiver does not want to know; so below.
            let _ = reply.send(Err(RequestError::TooMany));
        } else {
            self.waiting.push_back((now + within, command, reply));
        }
    }

    /// The next request that may be asked now.
    pub(crate) fn start(&mut self, id: impl FnOnce() -> u64) -> Option<Request> {
        if self.asked.len() >= REQUESTS {
            return None;
        }
        let (until, command, reply) = self.waiting.pop_front()?;
        let id = id();
        self.asked.insert(id, reply);
        self.until.push_back((until, id));
        Some(Request { id, command })
    }

    /// An answer came.
    pub(crate) fn answered(&mut self, re: u64, frame: ServerFrame) {
        let Some(reply) = self.asked.remove(&re) else { return };
        self.until.retain(|(_, id)| *id != re);
        let _ = reply.send(match frame {
            ServerFrame::Error(error) => Err(RequestError::Refused(Refusal {
                code: error.code,
                message: error.message,
                retry_after_ms: error.retry_after_ms,
            })),
            frame => Ok(frame),
        });
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        self.until.clear();
        for (_, reply) in self.asked.drain() {
            let _ = reply.send(Err(RequestError::Disconnected));
        }
    }

    /// The client stops.
    pub(crate) fn stop(&mut self) {
        self.lost();
        for (_, _, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(RequestError::Stopped));
        }
    }

    /// When [`Requests::expire`] wants to be called.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|(until, _, _)| *until);
        self.until.iter().map(|(until, _)| *until).chain(waiting).min()
    }

    /// Fails what has waited too long. A late answer is dropped.
    pub(crate) fn expire(&mut self, now: Instant) {
        let late: Vec<u64> = self.until.iter().filter(|(until, _)| *until <= now).map(|(_, id)| *id).collect();
        self.until.retain(|(until, _)| *until > now);
        for reply in late.iter().filter_map(|id| self.asked.remove(id)) {
            let _ = reply.send(Err(RequestError::TimedOut));
        }
        let (late, waiting) = self.waiting.drain(..).partition(|(until, _, _)| *until <= now);
        self.waiting = waiting;
        let late: VecDeque<(Instant, Command, Reply)> = late;
        for (_, _, reply) in late {
            let _ = reply.send(Err(RequestError::TimedOut));
        }
    }
}
