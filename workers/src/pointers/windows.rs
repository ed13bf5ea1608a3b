//! When a chat's members are pointed to it (R15), as a pure state machine without a clock.
//!
//! It protects two promises. *Every event is covered*: an event waits in its chat's window until a flush takes it, a
//! flush that fails goes back to waiting, and [`Windows::floor`] never passes an event that waits or is being
//! published, so a crash finds it again. *A busy chat stays cheap*: after the first event of a quiet time, which goes at
//! once, there is one flush per window, and windows double while the chat keeps moving. Only what changes the chat
//! itself (membership, roles, title) does not wait for the window's end.
//!
//! It never holds an event's content, never looks at a clock (callers pass monotonic milliseconds), and never has two
//! flushes of one chat in flight: all pointers of a window are acked before the chat's next one.

use std::collections::{BTreeSet, HashMap};

use tidings_protocol::{ChatId, Seq};

/// Milliseconds of a monotonic clock, from anywhere.
pub type Millis = u64;

/// Bounds of the windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowBounds {
    /// Width of the window that follows the first flush, in milliseconds.
    pub first_ms: u64,
    /// Width at which doubling ends, in milliseconds.
    pub max_ms: u64,
    /// Most chats with an open window. At the bound windows close early, in the order in which they would have ended.
    pub max_chats: usize,
    /// How many events of the stream the oldest waiting event may be behind the newest one read. Beyond it the chats
    /// that hold the floor are flushed early.
    pub max_behind: u64,
}

/// A chat to point to: `first` to at least `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flush {
    /// The chat.
    pub chat: ChatId,
    /// The chat's first event not covered by an acked pointer.
    pub first: Seq,
    /// The newest event read.
    pub last: Seq,
}

/// Events that no flush has taken yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Waiting {
    first: Seq,
    last: Seq,
    /// One of them changes the chat: the window's end is not waited for.
    urgent: bool,
}

#[derive(Debug)]
struct Window {
    width_ms: u64,
    /// Until then only an urgent event is flushed.
    ends: Millis,
    waiting: Option<Waiting>,
    in_flight: Option<Flush>,
    /// Events up to here are covered by acked pointers, also those that the feed has yet to bring.
    covered: Seq,
    /// After a failure: not before this time, and the window does not grow by it.
    retry_at: Option<Millis>,
    /// This window's place in `Windows::due`; none while a flush is in flight.
    due: Option<Millis>,
}

/// The windows of all chats of one stream.
#[derive(Debug)]
pub struct Windows {
    bounds: WindowBounds,
    chats: HashMap<ChatId, Window>,
    /// When each chat without a flush in flight is looked at next.
    due: BTreeSet<(Millis, ChatId)>,
    /// The first uncovered event of each chat that has one: what holds the floor.
    firsts: BTreeSet<(Seq, ChatId)>,
    read: Seq,
}

impl Windows {
    /// Windows of a stream whose events up to `floor` are covered.
    pub fn new(bounds: WindowBounds, floor: Seq) -> Self {
        Self { bounds, chats: HashMap::new(), due: BTreeSet::new(), firsts: BTreeSet::new(), read: floor }
    }

    /// An event of a chat was read. Events come in log order; a repeat is passed over.
    pub fn on_event(&mut self, now: Millis, chat: ChatId, seq: Seq, urgent: bool) {
        if seq <= self.read {
            return;
        }
        self.read = seq;
        let first_ms = self.bounds.first_ms;
        let window = self.chats.entry(chat).or_insert_with(|| Window::opened(now, first_ms));
        if seq <= window.covered {
            return;
        }
        match &mut window.waiting {
            Some(waiting) => {
                waiting.last = seq;
                waiting.urgent |= urgent;
            }
            None => {
                window.waiting = Some(Waiting { first: seq, last: seq, urgent });
                if window.in_flight.is_none() {
                    self.firsts.insert((seq, chat));
                }
            }
        }
        self.schedule(now, chat);
    }

    /// An event that nobody is pointed to (void, or of no chat) was read.
    pub fn on_passed(&mut self, seq: Seq) {
        self.read = self.read.max(seq);
    }

    /// When [`Self::take_due`] has something next; `None`: not before another event or a flush's end.
    pub fn next_due(&self, now: Millis) -> Option<Millis> {
        if self.early().is_some() {
            return Some(now);
        }
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the next chat whose window has ended (or must end early). It is in flight until [`Self::done`] or
    /// [`Self::failed`].
    pub fn take_due(&mut self, now: Millis) -> Option<Flush> {
        loop {
            let (at, chat) = match self.early() {
                Some(place) => place,
                None => *self.due.first().filter(|(at, _)| *at <= now)?,
            };
            self.due.remove(&(at, chat));
            let max_ms = self.bounds.max_ms;
            // Every place in `due` is of a window; a missing one would only be passed over.
            let Some(window) = self.chats.get_mut(&chat) else {
                continue;
            };
            window.due = None;
            match window.take(chat, now, max_ms) {
                Some(flush) => return Some(flush),
                None => self.chats.remove(&chat),
            };
        }
    }

    /// Every pointer of the chat's flush is acked, and they cover the chat up to `covered` (at least the flush's
    /// `last`; more when its members were loaded with a newer state).
    pub fn done(&mut self, now: Millis, chat: ChatId, covered: Seq) {
        let too_many = self.too_many();
        let Some(window) = self.chats.get_mut(&chat) else {
            return;
        };
        let Some(flush) = window.in_flight.take() else {
            return;
        };
        self.firsts.remove(&(flush.first, chat));
        window.covered = window.covered.max(covered).max(flush.last);
        window.retry_at = None;
        if window.waiting.is_some_and(|w| w.last <= window.covered) {
            window.waiting = None;
        }
        match window.waiting {
            Some(waiting) => {
                self.firsts.insert((waiting.first, chat));
                self.schedule(now, chat);
            }
            // At the bound a window that holds nothing is not worth its place.
            None if too_many => {
                self.chats.remove(&chat);
            }
            None => self.schedule(now, chat),
        }
    }

    /// The chat's flush did not succeed: its events wait again, until `retry_at`.
    pub fn failed(&mut self, chat: ChatId, retry_at: Millis) {
        let Some(window) = self.chats.get_mut(&chat) else {
            return;
        };
        let Some(flush) = window.in_flight.take() else {
            return;
        };
        let (last, urgent) = match window.waiting {
            Some(waiting) => (waiting.last, waiting.urgent),
            None => (flush.last, false),
        };
        window.waiting = Some(Waiting { first: flush.first, last, urgent });
        window.retry_at = Some(retry_at);
        self.schedule(retry_at, chat);
    }

    /// Every event up to here is covered by acked pointers: where the consumer's ack may stand.
    pub fn floor(&self) -> Seq {
        match self.firsts.first() {
            Some((first, _)) => self.read.min(first.saturating_sub(1)),
            None => self.read,
        }
    }

    /// The newest event read.
    pub fn read(&self) -> Seq {
        self.read
    }

    /// How many chats have an open window.
    pub fn open(&self) -> usize {
        self.chats.len()
    }

    /// The bound of chats is reached: nothing more should be read until flushes have ended.
    pub fn is_full(&self) -> bool {
        self.too_many()
    }

    /// The newest event of this chat that was read and is not known to be covered.
    pub fn newest(&self, chat: ChatId) -> Option<Seq> {
        let window = self.chats.get(&chat)?;
        let waiting = window.waiting.map(|waiting| waiting.last);
        waiting.or(window.in_flight.map(|flush| flush.last))
    }

    /// Whether events of this chat wait, or are being published. Its members are needed then.
    pub fn needs(&self, chat: ChatId) -> bool {
        self.chats.get(&chat).is_some_and(|window| window.waiting.is_some() || window.in_flight.is_some())
    }

    fn too_many(&self) -> bool {
        self.chats.len() >= self.bounds.max_chats
    }

    fn too_far(&self) -> bool {
        self.read - self.floor() > self.bounds.max_behind
    }

    /// The place of a window that has to end before its time because a bound is reached.
    fn early(&self) -> Option<(Millis, ChatId)> {
        if self.too_far()
            && let Some((_, chat)) = self.firsts.first()
            && let Some(window) = self.chats.get(chat)
            && window.retry_at.is_none()
            && let Some(at) = window.due
        {
            return Some((at, *chat));
        }
        if self.too_many()
            && let Some((at, chat)) = self.due.first()
            && self.chats.get(chat).is_some_and(|w| w.retry_at.is_none())
        {
            return Some((*at, *chat));
        }
        None
    }

    /// Puts the chat at its place in `due`.
    fn schedule(&mut self, now: Millis, chat: ChatId) {
        let Some(window) = self.chats.get_mut(&chat) else {
            return;
        };
        let at = window.looked_at(now);
        if at == window.due {
            return;
        }
        if let Some(old) = window.due {
            self.due.remove(&(old, chat));
        }
        if let Some(new) = at {
            self.due.insert((new, chat));
        }
        window.due = at;
    }
}

impl Window {
    /// The window of a chat that was quiet: it ends at once.
    fn opened(now: Millis, first_ms: u64) -> Self {
        Self { width_ms: first_ms, ends: now, waiting: None, in_flight: None, covered: 0, retry_at: None, due: None }
    }

    /// When it is looked at next.
    fn looked_at(&self, now: Millis) -> Option<Millis> {
        if self.in_flight.is_some() {
            return None;
        }
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        match self.waiting {
            // Never later than it already stands: a second urgent event does not put off the first.
            Some(waiting) if waiting.urgent => Some(self.due.unwrap_or(now).min(now).min(self.ends)),
            _ => Some(self.ends),
        }
    }

    /// Takes what waits and opens the next window; `None`: the window was a quiet one.
    fn take(&mut self, chat: ChatId, now: Millis, max_ms: u64) -> Option<Flush> {
        let waiting = self.waiting.take()?;
        let flush = Flush { chat, first: waiting.first, last: waiting.last };
        let moved_through_a_window = self.covered > 0 && now >= self.ends;
        if moved_through_a_window && self.retry_at.is_none() {
            self.width_ms = (self.width_ms * 2).min(max_ms);
        }
        self.ends = now + self.width_ms;
        self.in_flight = Some(flush);
        Some(flush)
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
