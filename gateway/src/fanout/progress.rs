//! How far a session's resume token may go (R14): the newest inbox place up to which every pointer was delivered to this
//! session in full.

use std::collections::VecDeque;

use tidings_protocol::Seq;

/// A place in an inbox with its log time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct InboxPlace {
    pub(crate) seq: Seq,
    /// Milliseconds since 1970.
    pub(crate) time_ms: u64,
}

/// One session's way through its user's inbox.
#[derive(Debug)]
pub(crate) struct InboxProgress {
    /// Everything up to here is delivered.
    safe: InboxPlace,
    /// Inbox events after `safe`, in order; `true` once delivered in full. As long as one stays open, `safe` stays.
    open: VecDeque<(InboxPlace, bool)>,
}

impl InboxProgress {
    pub(crate) fn new(safe: InboxPlace) -> Self {
        Self { safe, open: VecDeque::new() }
    }

    /// An inbox event came; it is not delivered yet.
    pub(crate) fn open(&mut self, place: InboxPlace) {
        self.open.push_back((place, false));
    }

    /// The event at `seq` is delivered in full. Returns the new safe place when it moved.
    pub(crate) fn settle(&mut self, seq: Seq) -> Option<InboxPlace> {
        for (place, done) in &mut self.open {
            *done |= place.seq == seq;
        }
        let before = self.safe;
        while let Some((place, true)) = self.open.front().copied() {
            self.safe = place;
            self.open.pop_front();
        }
        (self.safe != before).then_some(self.safe)
    }

    /// Whether the event at `seq` waits to be delivered in full.
    pub(crate) fn is_open(&self, seq: Seq) -> bool {
        self.open.iter().any(|(place, done)| place.seq == seq && !done)
    }

    /// How many events wait to be delivered in full.
    pub(crate) fn waiting(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: Seq) -> InboxPlace {
        InboxPlace { seq, time_ms: 0 }
    }

    #[test]
    fn the_token_never_passes_an_open_pointer() {
        let mut progress = InboxProgress::new(at(3));
        for seq in [5, 6, 9] {
            progress.open(at(seq));
        }
        assert_eq!(progress.settle(6), None);
        assert_eq!(progress.settle(5), Some(at(6)));
        assert_eq!(progress.settle(5), None);
        assert_eq!(progress.waiting(), 1);
        assert_eq!(progress.settle(9), Some(at(9)));
    }
}
