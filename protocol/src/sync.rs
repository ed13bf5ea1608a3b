//! How a client stays whole: the gap rule of one chat, as a pure state machine (R2). The delivery model in `tests/model`
//! explores it; its `client.rs` is the reference, a change begins there.
//!
//! It protects one promise: what it delivers is the chat's log, each event once, in order, without a hole. Whatever
//! does not fit waits (bounded) or is dropped, and a `sync` is asked for. It never guesses: an event that it cannot
//! place is not shown.
//!
//! `last` moves with delivered events and syncs only, never with `sent`: when our own send was stored, an older event
//! of somebody else may still be on its way to us. Four readings of the rule that the model showed to be needed:
//! - a `prev` that `sent` gave is no gap only when every own send before that one is acknowledged;
//! - in a chat that is not whole an event moves nothing, it waits for the complete sync;
//! - "not whole" outlives the connection: it is kept with the resume token ([`Kept`]);
//! - nothing is sent to a chat behind an unanswered `sync` of it ([`ChatSync::may_send`]).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::Seq;

/// Events of one chat that may wait for a sync or for the answer to an own send. When full, all of them are dropped:
/// the sync brings them again.
pub const HELD_EVENTS: usize = 100;
/// Places of own sends remembered until `last` has passed them. When full, the oldest is forgotten: at worst one sync
/// more than needed.
pub const OWN_SEQS: usize = 1_000;

/// What the caller does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<T> {
    /// Show it: it is the next event.
    Deliver(Seq, T),
    /// Ask `sync` after this place. One is asked at a time.
    Sync {
        /// The place.
        after: Seq,
    },
}

/// What is kept of a chat beside the resume token, and taken from the same moment as the token: a token that covers an
/// event which was dropped would otherwise hide it for good.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Kept {
    /// The newest event delivered.
    pub last: Seq,
    /// Nothing that the token covers is missing.
    pub whole: bool,
}

/// An event that waits.
#[derive(Clone, Debug)]
struct Held<T> {
    seq: Seq,
    prev: Seq,
    /// Arrived before the sync under way was asked for: that sync covers everything before it.
    covered: bool,
    /// [`ChatSync::sends`] when it arrived: only answers to sends that went out before can explain its `prev`.
    sends: u64,
    event: T,
}

/// An own send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Own {
    /// Its answer is still out: its place is unknown, so a `prev` that does not fit may be it.
    Waiting {
        /// [`ChatSync::sends`] when it went out.
        sends: u64,
    },
    /// Refused for now, or its connection was cut: it may be stored or not.
    Open,
    /// `sent` gave this session its place.
    Acked(Seq),
}

/// The state of one chat in a client.
#[derive(Clone, Debug)]
pub struct ChatSync<T> {
    /// The newest event delivered; `None` until the first one or the first summary.
    last: Option<Seq>,
    /// Nothing at or before `last` is missing, and what is live continues it. False between a reconnect that showed a
    /// move, a `resync` or a gap, and the complete sync that mends it; also across reconnects.
    whole: bool,
    /// Own sends by their number (the order of the first tries): those without a place, and those stored beyond `last`.
    own: BTreeMap<u64, Own>,
    /// How many sends went out.
    sends: u64,
    /// A sync was asked for and its answer is still out.
    syncing: bool,
    /// What waits, in the order of arrival, at most [`HELD_EVENTS`].
    held: VecDeque<Held<T>>,
    /// Something that waited was dropped: the sync under way may not cover it.
    overflowed: bool,
}

impl<T> Default for ChatSync<T> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<T> ChatSync<T> {
    /// A chat that was known whole up to `last`, or not at all.
    pub fn new(last: Option<Seq>) -> Self {
        Self {
            last,
            whole: true,
            own: BTreeMap::new(),
            sends: 0,
            syncing: false,
            held: VecDeque::new(),
            overflowed: false,
        }
    }

    /// A chat as [`ChatSync::kept`] had it.
    pub fn restored(kept: Kept) -> Self {
        Self { whole: kept.whole, ..Self::new(Some(kept.last)) }
    }

    /// What to keep beside the resume token of this moment; `None` for a chat not seen yet.
    pub fn kept(&self) -> Option<Kept> {
        self.last.map(|last| Kept { last, whole: self.is_whole() })
    }

    /// The newest event up to which the chat is known.
    pub fn last(&self) -> Option<Seq> {
        self.last
    }

    /// Whether the chat is known whole up to `last`.
    pub fn is_whole(&self) -> bool {
        self.whole && !self.syncing && self.held.is_empty()
    }

    /// Whether something may be sent to the chat: not behind an unanswered `sync`, which takes `out_of_turn` off before
    /// we have heard of the refusal.
    pub fn may_send(&self) -> bool {
        !self.syncing
    }

    /// The connection is gone: answers will not come, what waited is dropped (and the chat is not whole for it).
    /// [`ChatSync::summary`] and [`ChatSync::distrust`] say what the next `welcome` says.
    pub fn disconnected(&mut self) {
        self.whole = self.is_whole();
        self.syncing = false;
        self.overflowed = false;
        self.held.clear();
        self.own.retain(|_, own| !matches!(own, Own::Acked(_)));
        self.own.values_mut().for_each(|own| *own = Own::Open);
    }

    /// `welcome` lists the chat: `newest` is its newest event. Live events of this connection follow it.
    pub fn summary(&mut self, newest: Seq) -> Vec<Step<T>> {
        match self.last {
            None => self.last = Some(newest),
            Some(last) if last >= newest => self.whole = self.whole || last == newest,
            Some(_) => self.whole = false,
        }
        self.sync_if_needed()
    }

    /// Another list or a `chat` frame names the chat. It says where a new chat begins and nothing else: its events may
    /// be ahead of it or behind it.
    pub fn listed(&mut self, newest: Seq) {
        let _ = self.last.get_or_insert(newest);
    }

    /// `welcome` said `resumed: false` and does not list the chat, or the server said `resync`: what is kept may be
    /// short, whatever `prev` says.
    pub fn distrust(&mut self) -> Vec<Step<T>> {
        if self.last.is_some() {
            self.whole = false;
            // The sync under way may have been answered before what was lost.
            self.overflowed = self.syncing;
        }
        self.sync_if_needed()
    }

    /// After `welcome`: asks for what a chat that is not whole still misses.
    pub fn resume(&mut self) -> Vec<Step<T>> {
        self.sync_if_needed()
    }

    /// Asks for a sync though nothing may be missing: it settles own sends (R6).
    pub fn ask(&mut self) -> Vec<Step<T>> {
        self.whole = false;
        self.sync_if_needed()
    }

    /// An own send went out, for the first time or again. `number` grows in the order of the first tries.
    pub fn send_started(&mut self, number: u64) {
        // A chat not seen yet is known up to nothing: an event that comes first may follow this very send.
        let _ = self.last.get_or_insert(0);
        self.sends += 1;
        self.own.insert(number, Own::Waiting { sends: self.sends });
    }

    /// The answer to an own send left it open: refused for now, or outcome unknown.
    pub fn send_reopened(&mut self, number: u64) -> Vec<Step<T>> {
        self.own.insert(number, Own::Open);
        self.settled()
    }

    /// An own send is settled: `Some` with its place, `None` when it was refused for good.
    pub fn send_settled(&mut self, number: u64, seq: Option<Seq>) -> Vec<Step<T>> {
        self.own.remove(&number);
        if let Some(seq) = seq.filter(|seq| self.last.is_none_or(|last| *seq > last)) {
            if self.own.len() >= OWN_SEQS {
                let oldest = self.own.iter().find(|(_, own)| matches!(own, Own::Acked(_))).map(|(number, _)| *number);
                oldest.and_then(|number| self.own.remove(&number));
            }
            self.own.insert(number, Own::Acked(seq));
        }
        self.settled()
    }

    fn settled(&mut self) -> Vec<Step<T>> {
        let mut steps = Vec::new();
        self.settle_held(&mut steps);
        steps
    }

    /// An event came live.
    pub fn event(&mut self, seq: Seq, prev: Seq, event: T) -> Vec<Step<T>> {
        if self.last.is_some_and(|last| seq <= last) {
            return Vec::new();
        }
        if self.held.len() == HELD_EVENTS {
            self.held.clear();
            self.whole = false;
            self.overflowed = self.syncing;
        } else {
            self.held.push_back(Held { seq, prev, covered: false, sends: self.sends, event });
        }
        self.settled()
    }

    /// `synced` came: `items` is the run right after the place asked for.
    pub fn synced(&mut self, items: Vec<(Seq, T)>, limited: bool) -> Vec<Step<T>> {
        let mut steps = Vec::new();
        self.syncing = false;
        for (seq, event) in items {
            if self.last.is_none_or(|last| seq > last) {
                self.deliver(seq, event, &mut steps);
            }
        }
        // An empty answer for a chat that was never seen: it is whole and empty.
        let _ = self.last.get_or_insert(0);
        self.whole = !limited && !self.overflowed;
        self.overflowed = false;
        self.settle_held(&mut steps);
        steps
    }

    /// The sync was refused; it is asked again by [`ChatSync::resume`].
    pub fn sync_refused(&mut self) {
        self.syncing = false;
        self.whole = false;
    }

    /// Delivers what waits and now fits, drops what is known, and asks for a sync when the rest shows a gap.
    fn settle_held(&mut self, steps: &mut Vec<Step<T>>) {
        while self.whole && !self.syncing {
            let Some(first) = self.held.front() else { break };
            if !self.fits(first) {
                self.whole = self.may_be_explained(first);
                break;
            }
            if let Some(held) = self.held.pop_front()
                && self.last.is_none_or(|last| held.seq > last)
            {
                self.deliver(held.seq, held.event, steps);
            }
        }
        steps.extend(self.sync_if_needed());
    }

    fn fits(&self, held: &Held<T>) -> bool {
        self.last.is_none_or(|last| held.seq <= last || held.prev <= last) || held.covered || self.is_own(held.prev)
    }

    /// Whether `sent` gave this place, and gave one for every own send before that one.
    fn is_own(&self, prev: Seq) -> bool {
        let mut acked = self.own.values().map_while(|own| match own {
            Own::Acked(seq) => Some(*seq),
            Own::Waiting { .. } | Own::Open => None,
        });
        acked.any(|seq| seq == prev)
    }

    /// Whether the answer to a send that went out before the event came is still out.
    fn may_be_explained(&self, held: &Held<T>) -> bool {
        self.own.values().any(|own| matches!(own, Own::Waiting { sends } if *sends <= held.sends))
    }

    fn deliver(&mut self, seq: Seq, event: T, steps: &mut Vec<Step<T>>) {
        self.last = Some(seq);
        self.own.retain(|_, own| !matches!(own, Own::Acked(acked) if *acked <= seq));
        steps.push(Step::Deliver(seq, event));
    }

    fn sync_if_needed(&mut self) -> Vec<Step<T>> {
        if self.whole || self.syncing {
            return Vec::new();
        }
        self.syncing = true;
        for held in &mut self.held {
            held.covered = true;
        }
        vec![Step::Sync { after: self.last.unwrap_or(0) }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered<T: Clone>(steps: &[Step<T>]) -> Vec<Seq> {
        steps.iter().filter_map(|step| if let Step::Deliver(seq, _) = step { Some(*seq) } else { None }).collect()
    }

    fn asked<T>(steps: &[Step<T>]) -> Option<Seq> {
        steps.iter().find_map(|step| if let Step::Sync { after } = step { Some(*after) } else { None })
    }

    #[test]
    fn what_continues_is_delivered_and_what_is_known_is_dropped() {
        let mut chat = ChatSync::new(Some(5));
        assert_eq!(delivered(&chat.event(7, 5, ())), [7]);
        assert_eq!(chat.event(7, 5, ()), []);
        assert_eq!(chat.event(6, 5, ()), []);
        assert_eq!(delivered(&chat.event(9, 7, ())), [9]);
        // A leader that started again may name an older event, or none.
        assert_eq!(delivered(&chat.event(12, 0, ())), [12]);
    }

    #[test]
    fn an_own_prev_is_no_gap_only_when_every_own_send_before_it_is_acked() {
        let mut chat = ChatSync::new(Some(5));
        chat.send_started(1);
        chat.send_started(2);
        // Answers may come in another order: 8 is acked, what is stored at 7 is not known to be ours yet.
        assert_eq!(chat.send_settled(2, Some(8)), []);
        assert_eq!(chat.event(9, 8, ()), []);
        assert_eq!(delivered(&chat.send_settled(1, Some(7))), [9]);
        // The first of two is open, not acked: only a sync can tell what stands before the second.
        chat.send_started(3);
        chat.send_started(4);
        assert_eq!(chat.send_settled(4, Some(12)), []);
        assert_eq!(chat.event(13, 12, ()), []);
        assert_eq!(asked(&chat.send_reopened(3)), Some(9));
        // The place of an own send of an earlier connection explains nothing either.
        let mut chat = ChatSync::new(Some(5));
        chat.send_started(1);
        assert_eq!(chat.send_settled(1, Some(7)), []);
        chat.disconnected();
        assert_eq!(asked(&chat.event(8, 7, ())), Some(5));
    }

    #[test]
    fn only_sends_that_went_out_before_an_event_are_waited_for() {
        let mut chat = ChatSync::new(Some(5));
        chat.send_started(1);
        assert_eq!(chat.event(8, 7, ()), []);
        chat.send_started(2);
        // Whatever 2 becomes, it does not stand before 8.
        assert_eq!(asked(&chat.send_settled(1, Some(9))), Some(5));
    }

    #[test]
    fn in_a_chat_that_is_not_whole_an_event_moves_nothing() {
        let mut chat = ChatSync::restored(Kept { last: 5, whole: false });
        // It would fit, were the chat whole.
        let steps = chat.event(6, 5, ());
        assert_eq!((delivered(&steps), asked(&steps), chat.last()), (vec![], Some(5), Some(5)));
        chat.sync_refused();
        let steps = chat.event(7, 6, ());
        assert_eq!((delivered(&steps), asked(&steps), chat.last()), (vec![], Some(5), Some(5)));
        assert_eq!(delivered(&chat.synced(vec![(6, ())], false)), [6, 7]);
    }

    #[test]
    fn not_whole_is_kept_until_a_complete_sync_or_a_summary_that_ends_at_last() {
        let mut chat = ChatSync::new(Some(5));
        assert_eq!(asked(&chat.event(9, 7, ())), Some(5));
        for _ in 0..2 {
            chat.disconnected();
            assert_eq!(chat.kept(), Some(Kept { last: 5, whole: false }));
            // The token covers the event: the next welcome does not name the chat.
            chat = ChatSync::restored(chat.kept().unwrap_or(Kept { last: 0, whole: true }));
            assert_eq!(asked(&chat.resume()), Some(5));
        }
        let steps = chat.synced(vec![(7, ())], true);
        assert_eq!((delivered(&steps), asked(&steps), chat.is_whole()), (vec![7], Some(7), false));
        chat.disconnected();
        assert_eq!(chat.summary(7), []);
        assert!(chat.is_whole());
        // An event that waited for the answer to an own send was not delivered: cut now, the chat is not whole.
        chat.send_started(1);
        assert_eq!(chat.event(12, 11, ()), []);
        chat.disconnected();
        assert_eq!(chat.kept(), Some(Kept { last: 7, whole: false }));
    }

    #[test]
    fn nothing_is_sent_behind_an_unanswered_sync() {
        let mut chat = ChatSync::new(Some(5));
        assert!(chat.may_send());
        assert_eq!(asked(&chat.event(9, 7, ())), Some(5));
        assert!(!chat.may_send());
        assert_eq!(asked(&chat.synced(vec![(7, ())], true)), Some(7));
        assert!(!chat.may_send());
        assert_eq!(delivered(&chat.synced(vec![(9, ())], false)), [9]);
        assert!(chat.may_send());
        assert_eq!(asked(&chat.ask()), Some(9));
        assert!(!chat.may_send());
        chat.sync_refused();
        assert!(chat.may_send());
    }

    #[test]
    fn a_list_says_where_a_new_chat_begins_and_mends_nothing() {
        let mut chat: ChatSync<()> = ChatSync::default();
        chat.listed(9);
        chat.listed(12);
        assert_eq!((chat.last(), chat.is_whole()), (Some(9), true));
        assert_eq!(asked(&chat.distrust()), Some(9));
        chat.listed(9);
        assert!(!chat.is_whole());
        // The first send begins a chat that no list named.
        let mut new = ChatSync::default();
        new.send_started(1);
        assert_eq!(new.event(4, 3, ()), []);
        assert_eq!(delivered(&new.send_settled(1, Some(3))), [4]);
    }

    #[test]
    fn a_gap_is_synced_once_and_what_waited_follows_it() {
        let mut chat = ChatSync::new(Some(5));
        assert_eq!(asked(&chat.event(9, 7, ())), Some(5));
        assert_eq!(chat.event(11, 9, ()), []);
        let steps = chat.synced(vec![(7, ())], false);
        assert_eq!(delivered(&steps), [7, 9, 11]);
        assert!(chat.is_whole());
    }

    #[test]
    fn after_a_complete_sync_there_is_no_gap_whatever_prev_says() {
        let mut chat = ChatSync::new(Some(5));
        // 7 was deleted or expired meanwhile: the sync does not bring it.
        assert_eq!(asked(&chat.event(9, 7, ())), Some(5));
        assert_eq!(delivered(&chat.synced(vec![], false)), [9]);
    }

    #[test]
    fn a_limited_sync_is_asked_on() {
        let mut chat = ChatSync::new(Some(1));
        assert_eq!(asked(&chat.event(9, 8, ())), Some(1));
        let steps = chat.synced(vec![(2, ()), (3, ())], true);
        assert_eq!((delivered(&steps), asked(&steps)), (vec![2, 3], Some(3)));
        let steps = chat.synced(vec![(8, ())], false);
        assert_eq!(delivered(&steps), [8, 9]);
    }

    #[test]
    fn an_own_send_is_no_gap_and_is_waited_for() {
        let mut chat = ChatSync::new(Some(5));
        chat.send_started(1);
        // 7 is our own, but its answer is not here yet: no sync, just wait.
        assert_eq!(chat.event(8, 7, ()), []);
        assert_eq!(delivered(&chat.send_settled(1, Some(7))), [8]);
        // An own send whose answer was a refusal: then it is a gap.
        chat.send_started(2);
        assert_eq!(chat.event(12, 11, ()), []);
        assert_eq!(asked(&chat.send_settled(2, None)), Some(8));
    }

    #[test]
    fn an_own_event_after_a_wake_is_delivered_once() {
        let mut chat = ChatSync::new(Some(5));
        chat.send_started(1);
        assert_eq!(chat.send_settled(1, Some(7)), []);
        assert_eq!(delivered(&chat.event(6, 5, ())), [6]);
        assert_eq!(delivered(&chat.event(7, 6, ())), [7]);
        assert_eq!(chat.event(7, 6, ()), []);
    }

    #[test]
    fn a_summary_beyond_last_means_not_whole_until_synced() {
        let mut chat = ChatSync::new(Some(5));
        assert_eq!(asked(&chat.summary(9)), Some(5));
        assert_eq!(chat.event(10, 9, ()), []);
        assert_eq!(delivered(&chat.synced(vec![(9, ())], false)), [9, 10]);
        let mut new: ChatSync<()> = ChatSync::default();
        assert_eq!(new.summary(9), []);
        assert_eq!(new.last(), Some(9));
    }

    #[test]
    fn resumed_false_distrusts_what_was_kept_until_the_summary_says_it_is_whole() {
        let mut chat: ChatSync<()> = ChatSync::new(Some(5));
        assert_eq!(asked(&chat.distrust()), Some(5));
        let mut unknown: ChatSync<()> = ChatSync::default();
        assert_eq!(unknown.distrust(), []);
    }

    #[test]
    fn more_than_can_wait_is_synced_again() {
        let mut chat = ChatSync::new(Some(1));
        assert_eq!(asked(&chat.event(3, 2, ())), Some(1));
        for seq in 4..=(HELD_EVENTS as Seq + 10) {
            assert_eq!(chat.event(seq, seq - 1, ()), []);
        }
        let steps = chat.synced(vec![(2, ()), (3, ())], false);
        assert_eq!((delivered(&steps), asked(&steps)), (vec![2, 3], Some(3)));
    }

    #[test]
    fn any_loss_and_repetition_ends_whole() {
        // The log is 1..=N; the wire loses, repeats and reorders nothing but may cut; a sync answers from the log.
        for seed in 0u64..500 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = move |bound: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % bound
            };
            let mut chat = ChatSync::new(Some(0));
            let mut seen = Vec::new();
            let mut pending = None;
            let mut take = |steps: Vec<Step<()>>, pending: &mut Option<Seq>| {
                for step in steps {
                    match step {
                        Step::Deliver(seq, ()) => seen.push(seq),
                        Step::Sync { after } => *pending = Some(after),
                    }
                }
            };
            for seq in 1..=60u64 {
                if next(4) > 0 {
                    take(chat.event(seq, seq - 1, ()), &mut pending);
                }
                if next(5) == 0 {
                    let again = 1 + next(seq);
                    take(chat.event(again, again - 1, ()), &mut pending);
                }
                if let Some(after) = pending.filter(|_| next(3) == 0) {
                    pending = None;
                    let end = seq.min(after + 7);
                    take(chat.synced((after + 1..=end).map(|seq| (seq, ())).collect(), end < seq), &mut pending);
                }
            }
            take(chat.event(62, 60, ()), &mut pending);
            while let Some(after) = pending.take() {
                take(chat.synced((after + 1..=60).map(|seq| (seq, ())).collect(), false), &mut pending);
            }
            let expected: Vec<Seq> = (1..=60).chain([62]).collect();
            assert_eq!(seen, expected, "seed {seed}");
        }
    }
}
