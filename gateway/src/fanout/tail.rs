//! The gateway's side of the gap rule (R2) for one subject, a chat's or an inbox's: what comes live is put in log order,
//! holes are filled from the log, and what is not newer is dropped (a leader that started again may republish).
//!
//! Pure: no I/O, no clock. The hub feeds live events and the results of log reads, and does what comes back.

use std::collections::VecDeque;

use tidings_protocol::Seq;

/// Live events of one subject that may wait for a log read. When full, all are dropped: the read brings them again.
pub(crate) const PENDING_EVENTS: usize = 256;

/// An event with its place, void ones included (their places count, they are not shown: R5).
pub(crate) trait Placed {
    /// Its place in the stream.
    fn seq(&self) -> Seq;
    /// The place before it on the subject as the server said it; `None` for one read from the log.
    fn prev(&self) -> Option<Seq>;
}

/// Where a subject stands in this gateway.
#[derive(Debug)]
pub(crate) struct Tail<E> {
    /// The newest event passed on, or a place known to have nothing before it that is missing.
    last: Seq,
    /// A log read is under way, or must be started again after a failure.
    repairing: bool,
    /// What came live meanwhile, in order of arrival; the flag says that it arrived before the read was started, so that
    /// the read covers everything before it.
    pending: VecDeque<(E, bool)>,
    /// The read under way cannot be enough: something newer was dropped or announced meanwhile.
    again: bool,
    /// The newest place known to exist; a log read must reach it (a replica may be behind).
    wanted: Seq,
}

/// What the caller does after feeding a tail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fed<E> {
    /// Pass these on, in this order.
    pub(crate) ready: Vec<E>,
    /// Start a log read after this place.
    pub(crate) read_after: Option<Seq>,
}

impl<E: Placed> Tail<E> {
    /// A subject known up to `last`.
    pub(crate) fn new(last: Seq) -> Self {
        Self { last, repairing: false, pending: VecDeque::new(), again: false, wanted: last }
    }

    /// The newest event passed on.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// The place that a log read must reach.
    pub(crate) fn wanted(&self) -> Seq {
        self.wanted
    }

    /// Whether a log read is under way.
    pub(crate) fn is_repairing(&self) -> bool {
        self.repairing
    }

    /// An event came live.
    pub(crate) fn live(&mut self, event: E) -> Fed<E> {
        if event.seq() <= self.last {
            return Fed { ready: Vec::new(), read_after: None };
        }
        self.wanted = self.wanted.max(event.seq());
        if self.pending.len() == PENDING_EVENTS {
            self.pending.clear();
            self.again = true;
        } else {
            self.pending.push_back((event, false));
        }
        self.settle()
    }

    /// The subject's newest event in the stream is `tail` (R8): read up to it unless it is known.
    pub(crate) fn announced(&mut self, tail: Seq) -> Fed<E> {
        if tail > self.last {
            self.wanted = self.wanted.max(tail);
            self.again = true;
        }
        self.settle()
    }

    /// Read from the log, whatever is known: a subject that has just been subscribed to.
    pub(crate) fn begin(&mut self) -> Fed<E> {
        self.again = true;
        self.settle()
    }

    /// A log read brought this run; `complete` when nothing more stood on the subject.
    pub(crate) fn repaired(&mut self, events: Vec<E>, complete: bool) -> Fed<E> {
        self.repairing = false;
        let mut ready = Vec::with_capacity(events.len());
        for event in events {
            if event.seq() > self.last {
                self.last = event.seq();
                ready.push(event);
            }
        }
        if !complete {
            self.again = true;
        }
        let mut fed = self.settle();
        ready.append(&mut fed.ready);
        Fed { ready, read_after: fed.read_after }
    }

    /// A log read failed; the caller calls this when it is time to try again.
    pub(crate) fn retry(&mut self) -> Fed<E> {
        self.repairing = false;
        self.again = true;
        self.settle()
    }

    fn settle(&mut self) -> Fed<E> {
        let mut ready = Vec::new();
        while !self.repairing && !self.again {
            let Some((event, covered)) = self.pending.pop_front() else { break };
            if event.seq() <= self.last {
                continue;
            }
            if covered || event.prev().is_none_or(|prev| prev <= self.last) {
                self.last = event.seq();
                ready.push(event);
            } else {
                self.pending.push_front((event, false));
                self.again = true;
            }
        }
        Fed { ready, read_after: self.start_read() }
    }

    fn start_read(&mut self) -> Option<Seq> {
        if self.repairing || !self.again {
            return None;
        }
        self.repairing = true;
        self.again = false;
        for (_, covered) in &mut self.pending {
            *covered = true;
        }
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Clone, Copy)]
    struct At(Seq, Option<Seq>);

    impl Placed for At {
        fn seq(&self) -> Seq {
            self.0
        }
        fn prev(&self) -> Option<Seq> {
            self.1
        }
    }

    fn live(seq: Seq, prev: Seq) -> At {
        At(seq, Some(prev))
    }

    fn read(seq: Seq) -> At {
        At(seq, None)
    }

    fn seqs(fed: &Fed<At>) -> Vec<Seq> {
        fed.ready.iter().map(|event| event.0).collect()
    }

    #[test]
    fn what_continues_passes_and_what_is_known_is_dropped() {
        let mut tail = Tail::new(4);
        assert_eq!(seqs(&tail.live(live(6, 4))), [6]);
        assert_eq!(seqs(&tail.live(live(6, 4))), [0u64; 0]);
        assert_eq!(seqs(&tail.live(live(9, 0))), [9]);
        assert_eq!(tail.last(), 9);
    }

    #[test]
    fn a_hole_is_filled_from_the_log_before_anything_newer_passes() {
        let mut tail = Tail::new(4);
        assert_eq!(tail.live(live(8, 6)).read_after, Some(4));
        assert_eq!(tail.live(live(9, 8)), Fed { ready: vec![], read_after: None });
        let fed = tail.repaired(vec![read(6), read(8)], true);
        assert_eq!((seqs(&fed), fed.read_after), (vec![6, 8, 9], None));
    }

    #[test]
    fn what_a_read_covers_is_no_hole_even_if_its_prev_is_gone() {
        let mut tail = Tail::new(4);
        assert_eq!(tail.live(live(8, 6)).read_after, Some(4));
        assert_eq!(seqs(&tail.repaired(vec![], true)), [8]);
        // What came after the read began is judged anew.
        assert_eq!(tail.live(live(12, 11)).read_after, Some(8));
        assert_eq!(tail.live(live(15, 14)).ready, []);
        let fed = tail.repaired(vec![read(11), read(12)], true);
        assert_eq!((seqs(&fed), fed.read_after), (vec![11, 12], Some(12)));
        assert_eq!(seqs(&tail.repaired(vec![read(14)], true)), [14, 15]);
    }

    #[test]
    fn an_announced_tail_is_read_once_and_an_incomplete_read_goes_on() {
        let mut tail = Tail::new(4);
        assert_eq!(tail.announced(4).read_after, None);
        assert_eq!(tail.announced(7).read_after, Some(4));
        assert_eq!(tail.announced(9).read_after, None);
        let fed = tail.repaired(vec![read(5), read(7)], true);
        assert_eq!((seqs(&fed), fed.read_after), (vec![5, 7], Some(7)));
        let fed = tail.repaired(vec![read(9)], false);
        assert_eq!((seqs(&fed), fed.read_after), (vec![9], Some(9)));
        assert_eq!(tail.retry().read_after, Some(9));
        assert_eq!(tail.repaired(vec![], true), Fed { ready: vec![], read_after: None });
        assert!(!tail.is_repairing());
    }

    #[test]
    fn more_than_can_wait_is_read_again() {
        let mut tail = Tail::new(0);
        assert_eq!(tail.begin().read_after, Some(0));
        for seq in 1..=(PENDING_EVENTS as Seq + 1) {
            assert_eq!(tail.live(live(seq, seq - 1)).ready, []);
        }
        let fed = tail.repaired(vec![read(1)], true);
        assert_eq!((seqs(&fed), fed.read_after), (vec![1], Some(1)));
    }
}
