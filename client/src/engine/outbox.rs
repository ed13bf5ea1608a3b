//! The outbox of one chat: own messages from the call of `send` to their place in the log.
//!
//! It protects the order of a device's messages in a chat, and that each is stored once (R6, R7). A message goes out
//! unmarked once at most. After that it is either settled, or goes out again marked as a retry with the place up to
//! which the chat was known when it went out first (moved on by each complete sync). After a refusal for now nothing of
//! the chat goes out until every answer still out has been heard: a message sent behind the retry of the first, but
//! ahead of the second's refusal, would pass the second.
//!
//! It never drops a message by itself and never decides that one was not stored: only `sent`, an own event, or a final
//! refusal end an entry.

use std::collections::VecDeque;

use tidings_protocol::{Body, ClientId, Seq};

/// Where a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Not sent yet.
    Queued,
    /// Sent over this connection, no answer yet.
    Waiting,
    /// Refused for now, outcome unknown, or cut off.
    Open {
        /// May be sent again; if not, a complete sync comes first.
        ready: bool,
    },
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its place in the order of this chat's sends; never used again.
    pub(super) number: u64,
    pub(super) client_id: ClientId,
    pub(super) body: Body,
    /// `after_seq` of R6; `None` until it goes out first.
    pub(super) after: Option<Seq>,
    state: State,
}

/// The messages of one chat that are not settled, in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    next_number: u64,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a message in.
    pub(super) fn push(&mut self, client_id: ClientId, body: Body) {
        self.next_number += 1;
        let number = self.next_number;
        self.entries.push_back(Entry { number, client_id, body, after: None, state: State::Queued });
    }

    fn next(&self) -> Option<usize> {
        let at = self.entries.iter().position(|entry| entry.state != State::Waiting)?;
        let open = match self.entries[at].state {
            State::Queued => return Some(at),
            State::Waiting => false,
            State::Open { ready } => ready,
        };
        let all_heard = !self.entries.range(at..).any(|entry| entry.state == State::Waiting);
        (open && all_heard).then_some(at)
    }

    /// The next message goes out; `last` is the place up to which the chat is known. Its entry, and whether it goes out
    /// for the first time.
    pub(super) fn start(&mut self, last: Seq) -> Option<(&Entry, bool)> {
        let at = self.next()?;
        let entry = &mut self.entries[at];
        let first = entry.state == State::Queued;
        entry.after.get_or_insert(last);
        entry.state = State::Waiting;
        Some((entry, first))
    }

    /// An answer left it open.
    pub(super) fn reopen(&mut self, number: u64, ready: bool) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.number == number) {
            entry.state = State::Open { ready };
        }
    }

    /// It is settled: stored, or refused for good.
    pub(super) fn settle(&mut self, number: u64) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.number == number)?;
        self.entries.remove(at)
    }

    /// The number of the message with this name.
    pub(super) fn number_of(&self, client_id: ClientId) -> Option<u64> {
        self.entries.iter().find(|entry| entry.client_id == client_id).map(|entry| entry.number)
    }

    /// The connection is gone.
    pub(super) fn disconnected(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.state != State::Queued) {
            entry.state = State::Open { ready: false };
        }
    }

    /// Whether a complete sync must come before anything is sent again.
    pub(super) fn needs_sync(&self) -> bool {
        self.entries.iter().any(|entry| entry.state == State::Open { ready: false })
    }

    /// A complete sync: what is open was not stored up to `last`.
    pub(super) fn synced(&mut self, last: Seq) {
        for entry in self.entries.iter_mut().filter(|entry| matches!(entry.state, State::Open { .. })) {
            entry.after = Some(last);
            entry.state = State::Open { ready: true };
        }
    }

    /// Gives everything back, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.drain(..)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]
    use super::*;

    fn outbox(messages: u128) -> Outbox {
        let mut outbox = Outbox::default();
        for nth in 1..=messages {
            outbox
                .push(ClientId(uuid::Uuid::from_u128(nth)), Body::of(&serde_json::json!({"nth": nth as u64})).unwrap());
        }
        outbox
    }

    fn start(outbox: &mut Outbox, last: Seq) -> Option<(u64, Option<Seq>, bool)> {
        outbox.start(last).map(|(entry, first)| (entry.number, entry.after, first))
    }

    #[test]
    fn messages_are_pipelined_in_order_and_settle_in_any() {
        let mut outbox = outbox(3);
        assert_eq!(start(&mut outbox, 7), Some((1, Some(7), true)));
        assert_eq!(start(&mut outbox, 7), Some((2, Some(7), true)));
        assert_eq!(outbox.settle(2).unwrap().number, 2);
        assert!(outbox.settle(2).is_none());
        assert_eq!(start(&mut outbox, 9), Some((3, Some(9), true)));
        assert_eq!(start(&mut outbox, 9), None);
        assert_eq!((outbox.settle(1).unwrap().number, outbox.settle(3).unwrap().number), (1, 3));
        assert!(outbox.is_empty());
    }

    #[test]
    fn after_a_refusal_nothing_goes_out_until_every_answer_was_heard() {
        let mut outbox = outbox(3);
        start(&mut outbox, 1).unwrap();
        start(&mut outbox, 1).unwrap();
        outbox.reopen(1, true);
        // The second's refusal is on its way: neither the first again nor the third behind it.
        assert_eq!(start(&mut outbox, 1), None);
        outbox.reopen(2, false);
        assert_eq!(start(&mut outbox, 1), Some((1, Some(1), false)));
        // The second waits for a sync, and the third for the second.
        assert_eq!(start(&mut outbox, 1), None);
        assert!(outbox.needs_sync());
        outbox.synced(5);
        assert_eq!(start(&mut outbox, 5), Some((2, Some(5), false)));
        assert_eq!(start(&mut outbox, 5), Some((3, Some(5), true)));
    }

    #[test]
    fn what_was_cut_off_comes_again_marked_and_after_a_sync_and_what_was_not_sent_is_not_marked() {
        let mut outbox = outbox(2);
        start(&mut outbox, 4).unwrap();
        outbox.disconnected();
        assert_eq!(start(&mut outbox, 4), None);
        outbox.synced(6);
        assert_eq!(start(&mut outbox, 6), Some((1, Some(6), false)));
        assert_eq!(start(&mut outbox, 6), Some((2, Some(6), true)));
        // A sync while an answer is out moves nothing: the message may be stored after it.
        outbox.synced(9);
        outbox.reopen(1, true);
        outbox.reopen(2, true);
        assert_eq!(start(&mut outbox, 9), Some((1, Some(6), false)));
    }
}
