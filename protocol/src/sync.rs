//! How a client stays whole: the gap rule of one chat, as a pure state machine (R2; the delivery model in `tests/model`
//! explores it).
//!
//! It protects one promise: what it delivers is the chat's log, each event once, in order, without a hole. Whatever
//! does not fit waits (bounded) or is dropped, and a `sync` is asked for. It never guesses: an event that it cannot
//! place is not shown.
//!
//! `last` moves with delivered events and syncs only, never with `sent`: when our own send was stored, an older event
//! of somebody else may still be on its way to us.

use std::collections::{BTreeSet, VecDeque};

use crate::Seq;

/// Events of one chat that may wait for a sync or for the answer to an own send. When full, all of them are dropped:
/// the sync brings them again.
pub const HELD_EVENTS: usize = 100;
/// Places of own sends remembered until `last` has passed them. When full, the lowest is forgotten: at worst one sync
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

/// An event that waits.
#[derive(Clone, Debug)]
struct Held<T> {
    seq: Seq,
    prev: Seq,
    /// Arrived before the sync under way was asked for: that sync covers everything before it.
    covered: bool,
    event: T,
}

/// The state of one chat in one connection of a client.
#[derive(Clone, Debug)]
pub struct ChatSync<T> {
    /// The newest event delivered; `None` until the first one or the first summary.
    last: Option<Seq>,
    /// Nothing at or before `last` is missing, and what is live continues it. False between a reconnect that showed a
    /// move, a `resync` or a gap, and the complete sync that mends it.
    whole: bool,
    /// Own sends stored beyond `last`.
    own: BTreeSet<Seq>,
    /// Own sends whose answer is still out: their places are unknown, so a `prev` that does not fit may be one.
    in_flight: usize,
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
    /// A chat that was known up to `last` (as kept from before), or not at all.
    pub fn new(last: Option<Seq>) -> Self {
        Self {
            last,
            whole: true,
            own: BTreeSet::new(),
            in_flight: 0,
            syncing: false,
            held: VecDeque::new(),
            overflowed: false,
        }
    }

    /// The newest event up to which the chat is known.
    pub fn last(&self) -> Option<Seq> {
        self.last
    }

    /// Whether the chat is known whole up to `last`.
    pub fn is_whole(&self) -> bool {
        self.whole && !self.syncing && self.held.is_empty()
    }

    /// The connection is gone: answers will not come, what waited is dropped. `welcome` says what follows.
    pub fn disconnected(&mut self) {
        self.in_flight = 0;
        self.syncing = false;
        self.overflowed = false;
        self.held.clear();
    }

    /// A summary of the chat came (in `welcome`, `chat` or a list): `newest` is its newest event.
    pub fn summary(&mut self, newest: Seq) -> Vec<Step<T>> {
        match self.last {
            None => self.last = Some(newest),
            Some(last) if last >= newest => self.whole = self.whole || last == newest,
            Some(_) => self.whole = false,
        }
        self.sync_if_needed()
    }

    /// `welcome` said `resumed: false`, or the server said `resync`: what is kept may be short, whatever `prev` says.
    pub fn distrust(&mut self) -> Vec<Step<T>> {
        if self.last.is_some() {
            self.whole = false;
            // The sync under way may have been answered before what was lost.
            self.overflowed = self.syncing;
        }
        self.sync_if_needed()
    }

    /// An own send to this chat went out.
    pub fn send_started(&mut self) {
        self.in_flight += 1;
    }

    /// The answer to an own send came: `Some` with its place for `sent`, `None` for a refusal.
    pub fn send_settled(&mut self, seq: Option<Seq>) -> Vec<Step<T>> {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(seq) = seq.filter(|seq| self.last.is_none_or(|last| *seq > last)) {
            if self.own.len() == OWN_SEQS {
                self.own.pop_first();
            }
            self.own.insert(seq);
        }
        let mut steps = Vec::new();
        self.settle_held(&mut steps);
        steps
    }

    /// An event came live.
    pub fn event(&mut self, seq: Seq, prev: Seq, event: T) -> Vec<Step<T>> {
        let mut steps = Vec::new();
        if self.last.is_some_and(|last| seq <= last) {
            return steps;
        }
        if self.held.len() == HELD_EVENTS {
            self.held.clear();
            self.whole = false;
            self.overflowed = self.syncing;
        } else {
            self.held.push_back(Held {
                seq,
                prev,
                covered: false,
                event,
            });
        }
        self.settle_held(&mut steps);
        steps
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
        if limited || self.overflowed {
            self.whole = false;
        } else {
            self.whole = true;
        }
        self.overflowed = false;
        self.settle_held(&mut steps);
        steps
    }

    /// The sync was refused or its answer did not come; the caller calls this when it may be asked again.
    pub fn sync_failed(&mut self) -> Vec<Step<T>> {
        self.syncing = false;
        self.whole = false;
        self.sync_if_needed()
    }

    /// Delivers what waits and now fits, drops what is known, and asks for a sync when the rest shows a gap.
    fn settle_held(&mut self, steps: &mut Vec<Step<T>>) {
        while self.whole && !self.syncing {
            let Some(first) = self.held.front() else {
                break;
            };
            let fits = match self.last {
                None => true,
                Some(last) => {
                    first.seq <= last
                        || first.prev <= last
                        || first.covered
                        || self.own.contains(&first.prev)
                }
            };
            if !fits {
                if self.in_flight == 0 {
                    self.whole = false;
                }
                break;
            }
            if let Some(held) = self.held.pop_front() {
                if self.last.is_none_or(|last| held.seq > last) {
                    self.deliver(held.seq, held.event, steps);
                }
            }
        }
        steps.extend(self.sync_if_needed());
    }

    fn deliver(&mut self, seq: Seq, event: T, steps: &mut Vec<Step<T>>) {
        self.last = Some(seq);
        self.own = self.own.split_off(&(seq + 1));
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
        vec![Step::Sync {
            after: self.last.unwrap_or(0),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered<T: Clone>(steps: &[Step<T>]) -> Vec<Seq> {
        steps
            .iter()
            .filter_map(|step| {
                if let Step::Deliver(seq, _) = step {
                    Some(*seq)
                } else {
                    None
                }
            })
            .collect()
    }

    fn asked<T>(steps: &[Step<T>]) -> Option<Seq> {
        steps.iter().find_map(|step| {
            if let Step::Sync { after } = step {
                Some(*after)
            } else {
                None
            }
        })
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
        chat.send_started();
        // 7 is our own, but its answer is not here yet: no sync, just wait.
        assert_eq!(chat.event(8, 7, ()), []);
        assert_eq!(delivered(&chat.send_settled(Some(7))), [8]);
        // An own send whose answer was a refusal: then it is a gap.
        chat.send_started();
        assert_eq!(chat.event(12, 11, ()), []);
        assert_eq!(asked(&chat.send_settled(None)), Some(8));
    }

    #[test]
    fn an_own_event_after_a_wake_is_delivered_once() {
        let mut chat = ChatSync::new(Some(5));
        chat.send_started();
        assert_eq!(chat.send_settled(Some(7)), []);
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
                    take(
                        chat.synced((after + 1..=end).map(|seq| (seq, ())).collect(), end < seq),
                        &mut pending,
                    );
                }
            }
            take(chat.event(62, 60, ()), &mut pending);
            while let Some(after) = pending.take() {
                take(
                    chat.synced((after + 1..=60).map(|seq| (seq, ())).collect(), false),
                    &mut pending,
                );
            }
            let expected: Vec<Seq> = (1..=60).chain([62]).collect();
            assert_eq!(seen, expected, "seed {seed}");
        }
    }
}
