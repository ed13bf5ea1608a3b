//! A warm chat: one subscription, one encode, and the sessions of this gateway that are attached to it (R7, "warm and
//! cold").
//!
//! It protects the order of what each session sees: a session is given the chat's events from its own place on, each
//! once, in log order, without a hole. A session whose place is older than what is kept here first catches up from the
//! log by itself; until then nothing newer is pushed to it.
//!
//! Pure: the hub does the reads that come back as [`CatchUp`], and pushes the frames through `push`.

use std::collections::VecDeque;

use tidings_protocol::{Event, Seq, SessionId, UserId};

use super::event::{ChatEvent, Shown};
use super::tail::{Fed, Tail};

/// Events kept for sessions that attach a moment later, so that they need no read.
pub(crate) const RING_EVENTS: usize = 64;
/// Bytes of frames kept for that; an event of many members is not kept sixty times.
pub(crate) const RING_BYTES: usize = 256 * 1024;

/// Where an attached session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It gets what is shown.
    AtEnd,
    /// A log read of its own is under way; nothing is pushed until it is done.
    Reading,
    /// It was too far behind and was told to sync; nothing is pushed until it has.
    Parked,
}

/// A session attached to a chat.
#[derive(Debug)]
struct Attached {
    session: SessionId,
    user: UserId,
    /// It has everything up to here.
    from: Seq,
    /// It may see nothing after this: the user was removed there.
    until: Option<Seq>,
    standing: Standing,
}

/// A promise to a session: tell when it has everything of this chat up to `need`, so that its resume token may pass
/// `inbox_seq` (R14).
#[derive(Debug, PartialEq, Eq)]
struct Waiter {
    session: SessionId,
    inbox_seq: Seq,
    need: Seq,
}

/// Read the chat's log after `after` for this session alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CatchUp {
    pub(crate) session: SessionId,
    pub(crate) after: Seq,
}

/// What a change of a warm chat asks of the hub.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// Read the chat's log after this place.
    pub(crate) read_after: Option<Seq>,
    /// Reads for single sessions.
    pub(crate) catch_ups: Vec<CatchUp>,
    /// Pointers now delivered in full: session and inbox place.
    pub(crate) settled: Vec<(SessionId, Seq)>,
    /// Sessions that are attached no more.
    pub(crate) detached: Vec<SessionId>,
    /// Events encoded.
    pub(crate) encoded: u64,
    /// Events that change members, role or title, with their places, in order.
    pub(crate) changes: Vec<(Seq, Event)>,
}

/// Pushes a frame to a session.
pub(crate) trait Push {
    /// `false` when the session is gone; it is detached when the hub hears of it.
    fn push(&mut self, session: SessionId, shown: &Shown);
}

/// One warm chat.
#[derive(Debug)]
pub(crate) struct WarmChat {
    chat: tidings_protocol::ChatId,
    tail: Tail<ChatEvent>,
    /// The newest event shown; `prev` of the next frame.
    shown: Seq,
    /// What was shown last, oldest first.
    ring: VecDeque<Shown>,
    ring_bytes: usize,
    attached: Vec<Attached>,
    waiters: Vec<Waiter>,
}

impl WarmChat {
    /// A chat that somebody here knows up to `from`.
    pub(crate) fn new(chat: tidings_protocol::ChatId, from: Seq) -> Self {
        Self {
            chat,
            tail: Tail::new(from),
            shown: from,
            ring: VecDeque::new(),
            ring_bytes: 0,
            attached: Vec::new(),
            waiters: Vec::new(),
        }
    }

    /// The newest place passed on.
    pub(crate) fn last(&self) -> Seq {
        self.tail.last()
    }

    /// The place that a log read must reach.
    pub(crate) fn wanted(&self) -> Seq {
        self.tail.wanted()
    }

    /// Whether what is here is the log's end as far as known.
    pub(crate) fn is_settled(&self) -> bool {
        !self.tail.is_repairing()
    }

    /// Whether nobody is attached.
    pub(crate) fn is_unused(&self) -> bool {
        self.attached.is_empty()
    }

    /// The sessions attached.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.attached.iter().map(|attached| attached.session)
    }

    /// Whether a session is attached.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.attached.iter().any(|attached| attached.session == session)
    }

    /// Attaches a session that has everything up to `from`. One that is at the end stays there.
    pub(crate) fn attach(
        &mut self,
        session: SessionId,
        user: UserId,
        from: Seq,
        until: Option<Seq>,
        push: &mut impl Push,
    ) -> Todo {
        let mut todo = Todo::default();
        if let Some(known) = self.attached.iter_mut().find(|attached| attached.session == session) {
            known.until = until;
            known.from = known.from.max(from);
            if known.standing == Standing::Parked {
                known.standing = Standing::AtEnd;
            }
        } else {
            self.attached.push(Attached { session, user, from, until, standing: Standing::AtEnd });
        }
        self.advance(push, &mut todo);
        todo
    }

    /// Takes a session off.
    pub(crate) fn detach(&mut self, session: SessionId) {
        self.attached.retain(|attached| attached.session != session);
        self.waiters.retain(|waiter| waiter.session != session);
    }

    /// Remembers to tell when `session` has everything up to `need`.
    pub(crate) fn wait(&mut self, session: SessionId, inbox_seq: Seq, need: Seq, push: &mut impl Push) -> Todo {
        self.waiters.push(Waiter { session, inbox_seq, need });
        let mut todo = self.feed(push, |tail| tail.announced(need));
        self.settle_waiters(&mut todo);
        todo
    }

    /// An event came live.
    pub(crate) fn live(&mut self, event: ChatEvent, push: &mut impl Push) -> Todo {
        self.feed(push, |tail| tail.live(event))
    }

    /// The stream's newest event of this chat is `tail` (R8).
    pub(crate) fn announced(&mut self, tail: Seq, push: &mut impl Push) -> Todo {
        self.feed(push, |state| state.announced(tail))
    }

    /// Read the log whatever is known.
    pub(crate) fn begin(&mut self, push: &mut impl Push) -> Todo {
        self.feed(push, Tail::begin)
    }

    /// The chat's log read brought this.
    pub(crate) fn repaired(&mut self, events: Vec<ChatEvent>, complete: bool, push: &mut impl Push) -> Todo {
        self.feed(push, |tail| tail.repaired(events, complete))
    }

    /// The chat's log read failed some time ago.
    pub(crate) fn retry(&mut self, push: &mut impl Push) -> Todo {
        self.feed(push, Tail::retry)
    }

    /// A session is too far behind to be caught up here: it was told to sync, and its sync attaches it again.
    pub(crate) fn park(&mut self, session: SessionId) {
        if let Some(attached) = self.attached.iter_mut().find(|attached| attached.session == session) {
            attached.standing = Standing::Parked;
        }
    }

    /// A session's own read brought this run, whole up to its last event.
    pub(crate) fn caught_up(
        &mut self,
        session: SessionId,
        events: &[ChatEvent],
        complete: bool,
        push: &mut impl Push,
    ) -> Todo {
        let mut todo = Todo::default();
        let chat = self.chat;
        let known_to = self.tail.last();
        if let Some(attached) = self.attached.iter_mut().find(|attached| attached.session == session) {
            attached.standing = Standing::AtEnd;
            for event in events {
                if event.seq <= attached.from {
                    continue;
                }
                if attached.until.is_none_or(|until| event.seq <= until) && event.origin != Some(session) {
                    push.push(session, &Shown::encode(chat, attached.from, event).0);
                }
                attached.from = event.seq;
            }
            // A complete read found nothing more: what this chat has shown and the read did not bring is no more.
            if complete && self.ring.front().is_none_or(|oldest| oldest.prev > attached.from) {
                attached.from =
                    attached.from.max(known_to.min(self.ring.front().map_or(known_to, |oldest| oldest.prev)));
            }
        }
        self.advance(push, &mut todo);
        todo
    }

    fn feed(&mut self, push: &mut impl Push, step: impl FnOnce(&mut Tail<ChatEvent>) -> Fed<ChatEvent>) -> Todo {
        let fed = step(&mut self.tail);
        let mut todo = Todo { read_after: fed.read_after, ..Todo::default() };
        for event in fed.ready.into_iter().filter(|event| !event.void) {
            self.show(&event, push, &mut todo);
        }
        self.settle_waiters(&mut todo);
        todo
    }

    /// Encodes once and gives the same bytes to every session that is at its end.
    fn show(&mut self, event: &ChatEvent, push: &mut impl Push, todo: &mut Todo) {
        let (shown, decoded) = Shown::encode(self.chat, self.shown, event);
        for attached in &mut self.attached {
            if attached.standing != Standing::AtEnd || shown.seq <= attached.from {
                continue;
            }
            attached.from = shown.seq;
            if attached.until.is_none_or(|until| shown.seq <= until) && shown.origin != Some(attached.session) {
                push.push(attached.session, &shown);
            }
        }
        todo.encoded += 1;
        self.shown = shown.seq;
        self.keep(shown);
        if decoded.kind.changes_chat() {
            self.detach_removed(event.seq, &decoded, todo);
            todo.changes.push((event.seq, decoded));
        }
    }

    fn keep(&mut self, shown: Shown) {
        self.ring_bytes += shown.frame.len();
        self.ring.push_back(shown);
        while self.ring.len() > RING_EVENTS || (self.ring_bytes > RING_BYTES && !self.ring.is_empty()) {
            if let Some(oldest) = self.ring.pop_front() {
                self.ring_bytes -= oldest.frame.len();
            }
        }
    }

    /// Who was removed or left has seen the event that ended it, and sees nothing after it.
    fn detach_removed(&mut self, seq: Seq, event: &Event, todo: &mut Todo) {
        use tidings_protocol::EventKind;
        if !matches!(event.kind, EventKind::MemberRemoved | EventKind::MemberLeft) {
            return;
        }
        let Some(change) = event.member_change() else { return };
        for attached in self.attached.iter_mut().filter(|attached| attached.user == change.user) {
            if attached.standing != Standing::AtEnd {
                attached.until = Some(seq);
            } else {
                todo.detached.push(attached.session);
            }
        }
        self.attached.retain(|attached| attached.user != change.user || attached.standing != Standing::AtEnd);
    }

    /// Brings every session that is behind to the end, from the ring where it reaches, else by a read of its own.
    fn advance(&mut self, push: &mut impl Push, todo: &mut Todo) {
        let last = self.shown.max(self.tail.last());
        for attached in &mut self.attached {
            if attached.standing != Standing::AtEnd || attached.from >= last {
                continue;
            }
            let reaches = self.ring.front().is_some_and(|oldest| oldest.prev <= attached.from);
            let nothing_shown_since = self.ring.is_empty() && attached.from >= self.shown;
            if reaches {
                for shown in self.ring.iter().filter(|shown| shown.seq > attached.from) {
                    if attached.until.is_none_or(|until| shown.seq <= until) && shown.origin != Some(attached.session) {
                        push.push(attached.session, shown);
                    }
                }
                attached.from = last;
            } else if nothing_shown_since {
                attached.from = last;
            } else {
                attached.standing = Standing::Reading;
                todo.catch_ups.push(CatchUp { session: attached.session, after: attached.from });
            }
        }
        let done = |attached: &Attached| {
            attached.standing == Standing::AtEnd && attached.until.is_some_and(|until| attached.from >= until)
        };
        todo.detached.extend(self.attached.iter().filter(|attached| done(attached)).map(|attached| attached.session));
        self.settle_waiters(todo);
        self.attached.retain(|attached| !done(attached));
    }

    fn settle_waiters(&mut self, todo: &mut Todo) {
        // Every `wait` announced its need, so a tail that is not reading any more has read beyond all of them.
        let (last, settled) = (self.tail.last(), !self.tail.is_repairing());
        let attached = &self.attached;
        self.waiters.retain(|waiter| {
            let reached = match attached.iter().find(|attached| attached.session == waiter.session) {
                Some(attached) => attached.standing == Standing::AtEnd && (settled || last >= waiter.need),
                // Detached after its end: it has what it may have.
                None => true,
            };
            if reached {
                todo.settled.push((waiter.session, waiter.inbox_seq));
            }
            !reached
        });
    }
}
