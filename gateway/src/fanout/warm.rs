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

impl Attached {
    /// Whether an event is for this session: not after its user's removal, and not its own, for which it gets `sent`.
    fn sees(&self, seq: Seq, origin: Option<SessionId>) -> bool {
        self.until.is_none_or(|until| seq <= until) && origin != Some(self.session)
    }
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
                if attached.sees(event.seq, event.origin) {
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
            if attached.sees(shown.seq, shown.origin) {
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
                    if attached.sees(shown.seq, shown.origin) {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashMap;

    use bytes::Bytes;
    use serde_json::json;
    use tidings_protocol::{Body, ChatId, EventKind, Timestamp};
    use uuid::Uuid;

    use super::*;

    #[derive(Default)]
    struct Pushed(HashMap<SessionId, Vec<(Seq, Seq)>>);

    impl Push for Pushed {
        fn push(&mut self, session: SessionId, shown: &Shown) {
            self.0.entry(session).or_default().push((shown.seq, shown.prev));
        }
    }

    impl Pushed {
        fn seqs(&self, session: SessionId) -> Vec<Seq> {
            self.0.get(&session).map(|pushed| pushed.iter().map(|(seq, _)| *seq).collect()).unwrap_or_default()
        }
    }

    fn session(n: u128) -> SessionId {
        SessionId(Uuid::from_u128(n))
    }

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn event(seq: Seq, prev: Option<Seq>, kind: EventKind, body: &serde_json::Value) -> ChatEvent {
        let event = Event::new(kind, user(99), None, Timestamp(0), Body::of(body).unwrap());
        let payload = Bytes::from(event.encode().unwrap());
        ChatEvent { seq, prev, void: false, origin: None, time_ms: 0, payload }
    }

    fn live(seq: Seq, prev: Seq) -> ChatEvent {
        event(seq, Some(prev), EventKind::Message, &json!({"text": "x"}))
    }

    fn read(seq: Seq) -> ChatEvent {
        event(seq, None, EventKind::Message, &json!({"text": "x"}))
    }

    fn chat_at(from: Seq) -> (WarmChat, Pushed) {
        (WarmChat::new(ChatId(Uuid::from_u128(7)), from), Pushed::default())
    }

    #[test]
    fn a_session_gets_everything_after_its_place_and_its_own_sends_not_at_all() {
        let (mut chat, mut pushed) = chat_at(5);
        chat.attach(session(1), user(1), 5, None, &mut pushed);
        chat.attach(session(2), user(2), 5, None, &mut pushed);
        chat.live(ChatEvent { origin: Some(session(1)), ..live(6, 5) }, &mut pushed);
        chat.live(live(9, 6), &mut pushed);
        assert_eq!((pushed.seqs(session(1)), pushed.seqs(session(2))), (vec![9], vec![6, 9]));
    }

    #[test]
    fn void_events_are_passed_over_and_prev_names_what_was_shown() {
        let (mut chat, mut pushed) = chat_at(5);
        chat.attach(session(1), user(1), 5, None, &mut pushed);
        chat.live(ChatEvent { void: true, ..live(6, 5) }, &mut pushed);
        chat.live(live(7, 6), &mut pushed);
        assert_eq!(pushed.0[&session(1)], [(7, 5)]);
    }

    #[test]
    fn who_attaches_a_moment_later_is_served_from_memory() {
        let (mut chat, mut pushed) = chat_at(5);
        chat.attach(session(1), user(1), 5, None, &mut pushed);
        chat.live(live(6, 5), &mut pushed);
        chat.live(live(8, 6), &mut pushed);
        let todo = chat.attach(session(2), user(2), 6, None, &mut pushed);
        assert_eq!((pushed.seqs(session(2)), todo.catch_ups), (vec![8], vec![]));
        chat.attach(session(3), user(3), 12, None, &mut pushed);
        chat.live(live(12, 8), &mut pushed);
        chat.live(live(13, 12), &mut pushed);
        assert_eq!(pushed.seqs(session(3)), [13], "ahead of this gateway: nothing twice");
    }

    #[test]
    fn who_is_further_behind_reads_first_and_sees_no_hole() {
        let (mut chat, mut pushed) = chat_at(100);
        chat.attach(session(1), user(1), 100, None, &mut pushed);
        chat.live(live(101, 100), &mut pushed);
        let todo = chat.attach(session(2), user(2), 90, None, &mut pushed);
        assert_eq!(todo.catch_ups, [CatchUp { session: session(2), after: 90 }]);
        chat.live(live(102, 101), &mut pushed);
        assert_eq!(pushed.seqs(session(2)), [] as [Seq; 0], "nothing newer passes");
        let todo = chat.caught_up(session(2), &[read(95), read(100), read(101)], true, &mut pushed);
        assert_eq!((pushed.seqs(session(2)), todo.catch_ups.len()), (vec![95, 100, 101, 102], 0));
        chat.live(live(103, 102), &mut pushed);
        assert_eq!(pushed.0[&session(2)].last(), Some(&(103, 102)));
    }

    #[test]
    fn a_token_waits_until_the_pointed_range_is_there() {
        let (mut chat, mut pushed) = chat_at(5);
        chat.attach(session(1), user(1), 5, None, &mut pushed);
        let todo = chat.wait(session(1), 70, 8, &mut pushed);
        assert_eq!((todo.read_after, todo.settled), (Some(5), vec![]));
        let todo = chat.repaired(vec![read(7), read(8)], true, &mut pushed);
        assert_eq!((pushed.seqs(session(1)), todo.settled), (vec![7, 8], vec![(session(1), 70)]));
        assert_eq!(chat.wait(session(1), 71, 8, &mut pushed).settled, [(session(1), 71)]);
        // What the pointer names may have expired meanwhile: a whole read settles it all the same.
        chat.wait(session(1), 72, 9, &mut pushed);
        assert_eq!(chat.repaired(vec![], true, &mut pushed).settled, [(session(1), 72)]);
    }

    #[test]
    fn who_is_told_to_sync_gets_nothing_and_no_token_until_they_have() {
        let (mut chat, mut pushed) = chat_at(100);
        chat.attach(session(1), user(1), 100, None, &mut pushed);
        chat.attach(session(2), user(2), 10, None, &mut pushed);
        chat.park(session(2));
        assert_eq!(chat.wait(session(2), 70, 100, &mut pushed).settled, []);
        chat.live(live(101, 100), &mut pushed);
        assert_eq!(pushed.seqs(session(2)), [] as [Seq; 0]);
        let todo = chat.attach(session(2), user(2), 101, None, &mut pushed);
        assert_eq!(todo.settled, [(session(2), 70)]);
        chat.live(live(102, 101), &mut pushed);
        assert_eq!(pushed.seqs(session(2)), [102]);
    }

    #[test]
    fn who_was_removed_sees_the_removal_and_nothing_after() {
        let (mut chat, mut pushed) = chat_at(5);
        chat.attach(session(1), user(1), 5, None, &mut pushed);
        chat.attach(session(2), user(2), 5, None, &mut pushed);
        let removal = event(6, Some(5), EventKind::MemberRemoved, &json!({"user": user(2)}));
        let todo = chat.live(removal, &mut pushed);
        assert_eq!((todo.detached, todo.changes.len()), (vec![session(2)], 1));
        chat.live(live(7, 6), &mut pushed);
        assert_eq!((pushed.seqs(session(1)), pushed.seqs(session(2))), (vec![6, 7], vec![6]));
        // Attached by the last pointer, up to the removal only.
        let todo = chat.attach(session(3), user(2), 5, Some(6), &mut pushed);
        assert_eq!((pushed.seqs(session(3)), todo.detached), (vec![6], vec![session(3)]));
    }

    #[test]
    fn a_large_event_is_not_kept() {
        let (mut chat, mut pushed) = chat_at(5);
        chat.attach(session(1), user(1), 5, None, &mut pushed);
        chat.live(event(6, Some(5), EventKind::Message, &json!({"text": "x".repeat(RING_BYTES)})), &mut pushed);
        let todo = chat.attach(session(2), user(2), 5, None, &mut pushed);
        assert_eq!(todo.catch_ups.len(), 1);
    }
}
