//! One chat as the pointers worker knows it: head, members, and what happened in it since its last acked pointer.
//!
//! It protects who is pointed to: everybody who was a member at any event not yet covered. Those who are members now
//! get the chat as it is now; those who are not any more, but were at such an event, get it as it was at the event that
//! ended it, and nothing of what came after. What happened is kept with its `seq` until [`ChatState::settle`], so a flush
//! that fails, or is done again, says the same.
//!
//! Pure: it never looks at a clock and does no I/O.

use std::collections::HashMap;

use tidings_protocol::inbox::Position;
use tidings_protocol::{ChatId, ChatKind, Event, EventKind, Newest, Pointer, Seq, UserId};
use tidings_schema::history::{HeadRow, MemberRow};
use tidings_schema::rules::{Change, ChatView, Effect, HeadFold, MemberSet};

/// A chat, kept true by its events.
#[derive(Clone, Debug)]
pub(super) struct ChatState {
    chat: ChatId,
    view: ChatView,
    /// Each sender's newest message not yet settled: a send is a read.
    own: HashMap<UserId, Position>,
    /// The newest event that changed membership, a role or the title; 0 for none.
    changed: Seq,
    /// Memberships that ended, not yet settled, with the chat as of the event that ended them.
    parted: Vec<Parted>,
    /// Acked pointers cover the chat up to here.
    settled: Seq,
}

#[derive(Clone, Debug)]
struct Parted {
    user: UserId,
    head: HeadFold,
}

impl ChatState {
    /// A chat as its rows have it, newer members than the head included.
    pub(super) fn of(chat: ChatId, head: Option<&HeadRow>, members: impl IntoIterator<Item = MemberRow>) -> Self {
        Self {
            chat,
            view: ChatView { head: head.map(HeadFold::of).unwrap_or_default(), members: MemberSet::of(chat, members) },
            own: HashMap::new(),
            changed: 0,
            parted: Vec::new(),
            settled: 0,
        }
    }

    /// The chat's newest event taken in.
    pub(super) fn seq(&self) -> Seq {
        self.view.head.seq
    }

    /// The head as of [`Self::seq`].
    pub(super) fn head(&self) -> &HeadFold {
        &self.view.head
    }

    /// How many members.
    pub(super) fn members(&self) -> usize {
        self.view.members.members().count()
    }

    /// How much memory it takes, in members.
    pub(super) fn weight(&self) -> usize {
        1 + self.view.members.rows().count()
    }

    /// Takes in one event that is newer than [`Self::seq`]; an older one changes nothing.
    pub(super) fn apply(&mut self, seq: Seq, event: &Event) {
        let is_first = self.view.head.is_empty();
        let Some(effect) = self.view.apply(seq, event) else {
            return;
        };
        if event.kind == EventKind::Message {
            let n = self.view.head.n;
            self.own.insert(event.from, Position { seq, n });
        }
        self.note(seq, event, effect, is_first, None);
    }

    /// Takes in one event that the head has already, with the head as it was then: what it did to members (where their
    /// rows do not know it yet) and to the range.
    pub(super) fn apply_past(&mut self, event: &Event, then: HeadFold) {
        let (seq, is_first) = (then.seq, then.events == 1);
        let effect = if is_first {
            self.view.members.apply(&HeadFold::default(), seq, event)
        } else {
            self.view.members.apply(&self.view.head, seq, event)
        };
        if event.kind == EventKind::Message {
            self.own.insert(event.from, Position { seq, n: then.n });
        }
        self.note(seq, event, effect, is_first, Some(then));
    }

    /// Members and head are as of the same event now: the head's count is what the members come to.
    pub(super) fn count_members(&mut self) {
        self.view.head.members = self.members() as u64;
    }

    fn note(&mut self, seq: Seq, event: &Event, effect: Effect, is_first: bool, then: Option<HeadFold>) {
        if !event.kind.changes_chat() {
            return;
        }
        let change = Change::of(event);
        let changes = match &change {
            Change::Created(_) => is_first,
            Change::Rename(_) => self.view.head.kind == ChatKind::Group,
            _ => effect != Effect::Nothing,
        };
        if changes {
            self.changed = self.changed.max(seq);
        }
        if let (Change::End { user }, Effect::Ended) = (change, effect) {
            let head = then.unwrap_or_else(|| self.view.head.clone());
            self.parted.push(Parted { user, head });
        }
    }

    /// The pointers that cover the chat from `first` to [`Self::seq`].
    pub(super) fn pointers(&self, first: Seq) -> Vec<(UserId, Pointer)> {
        let current = self.view.members.members().map(|row| {
            let pointer = self.pointer(first, &self.view.head, row);
            (row.user, pointer)
        });
        let parted = self.parted.iter().filter_map(|parted| {
            let row = self.view.members.get(parted.user)?;
            let is_last = row.role.is_none() && row.left_seq == Some(parted.head.seq);
            let uncovered = parted.head.seq >= first;
            (is_last && uncovered).then(|| (parted.user, self.pointer(first, &parted.head, row)))
        });
        current.chain(parted).collect()
    }

    fn pointer(&self, first: Seq, head: &HeadFold, row: &MemberRow) -> Pointer {
        let own = self.own.get(&row.user).copied();
        Pointer {
            chat: self.chat,
            first,
            seq: head.seq,
            chat_kind: head.kind,
            title: head.title.clone(),
            with: self.other(row.user, head.kind),
            members: head.members,
            role: row.role,
            joined_seq: row.joined_seq,
            left_seq: row.left_seq,
            newest: Newest { seq: head.seq, n: head.n, at: head.at, preview: head.preview.clone(), from: head.from },
            own: own.filter(|own| own.seq >= first && own.seq <= head.seq),
            chat_changed: self.changed >= first,
        }
    }

    /// The other user of a direct chat.
    fn other(&self, user: UserId, kind: ChatKind) -> Option<UserId> {
        if kind != ChatKind::Direct {
            return None;
        }
        let mut others = self.view.members.rows().map(|row| row.user);
        others.find(|other| *other != user)
    }

    /// Acked pointers cover the chat up to here: what the feed still brings of it needs no more.
    pub(super) fn settled(&self) -> Seq {
        self.settled
    }

    /// Everything up to `seq` is covered by acked pointers.
    pub(super) fn settle(&mut self, seq: Seq) {
        self.settled = self.settled.max(seq);
        self.own.retain(|_, own| own.seq > seq);
        self.parted.retain(|parted| parted.head.seq > seq);
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
