//! The head of a chat, folded event by event: its newest place, its numbers (R3) and its newest message.

use tidings_protocol::{ChatId, ChatKind, Event, Newest, Seq, Timestamp, UserId};
use uuid::Uuid;

use super::{Change, Effect};
use crate::history::HeadRow;

/// The newest state of a chat up to [`HeadFold::seq`]. Light: no members, no rows. Used by the history worker for its
/// rows, and by whoever reads rows and completes them from the log (R13).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadFold {
    /// The newest event taken in; 0 before the first.
    pub seq: Seq,
    /// How many events of any kind: the next one's `ord`.
    pub events: u64,
    /// How many messages (R3).
    pub n: u64,
    /// How many members.
    pub members: u64,
    /// Direct or group; a group where the log does not begin with `created`.
    pub kind: ChatKind,
    /// A group's title.
    pub title: Option<String>,
    /// Who created it; nil where the log does not begin with `created`.
    pub creator: UserId,
    /// When the newest message was sent.
    pub at: Option<Timestamp>,
    /// The newest message's text, cut.
    pub preview: Option<String>,
    /// The newest message's sender.
    pub from: Option<UserId>,
}

impl Default for HeadFold {
    fn default() -> Self {
        Self {
            seq: 0,
            events: 0,
            n: 0,
            members: 0,
            kind: ChatKind::Group,
            title: None,
            creator: UserId(Uuid::nil()),
            at: None,
            preview: None,
            from: None,
        }
    }
}

impl HeadFold {
    /// Goes on from a stored row.
    pub fn of(row: &HeadRow) -> Self {
        Self {
            seq: row.seq,
            events: row.ord + 1,
            n: row.n,
            members: row.members,
            kind: row.kind,
            title: row.title.clone(),
            creator: row.creator,
            at: row.at,
            preview: row.preview.clone(),
            from: row.from,
        }
    }

    /// Whether no event was taken in yet.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Takes in one event. `effect` is what it comes to for members ([`super::MemberSet::apply`], or
    /// [`HeadFold::effect_at_word`] for who keeps no members). `false`: it was taken in before, nothing changed.
    pub fn apply(&mut self, seq: Seq, event: &Event, effect: Effect) -> bool {
        self.apply_change(seq, event, &Change::of(event), effect)
    }

    /// As [`HeadFold::apply`], the change having been read already.
    pub(super) fn apply_change(&mut self, seq: Seq, event: &Event, change: &Change, effect: Effect) -> bool {
        if seq <= self.seq {
            return false;
        }
        match change {
            Change::Created(created) if self.is_empty() => {
                self.kind = created.kind;
                self.title = created.title.clone();
                self.creator = event.from;
                self.members = created.members.len() as u64;
            }
            Change::Rename(title) if self.kind == ChatKind::Group => {
                self.title = Some(title.clone());
            }
            Change::Message => {
                self.n += 1;
                self.at = Some(event.at);
                self.preview = event.preview();
                self.from = Some(event.from);
            }
            _ => {}
        }
        match effect {
            Effect::Joined => self.members += 1,
            Effect::Ended => self.members = self.members.saturating_sub(1),
            Effect::RoleSet | Effect::Nothing => {}
        }
        self.seq = seq;
        self.events += 1;
        true
    }

    /// What an event comes to if it is taken at its word: gateways append no change that changes nothing, so this is
    /// wrong only where two of them raced.
    pub fn effect_at_word(&self, event: &Event) -> Effect {
        let change = Change::of(event);
        change.effect(self.kind, change.implies_member())
    }

    /// The row; `None` before the first event.
    pub fn row(&self, chat: ChatId) -> Option<HeadRow> {
        Some(HeadRow {
            chat,
            seq: self.seq,
            ord: self.events.checked_sub(1)?,
            n: self.n,
            members: self.members,
            kind: self.kind,
            title: self.title.clone(),
            creator: self.creator,
            at: self.at,
            preview: self.preview.clone(),
            from: self.from,
        })
    }

    /// Newest event and message, as lists show them.
    pub fn newest(&self) -> Newest {
        Newest { seq: self.seq, n: self.n, at: self.at, preview: self.preview.clone(), from: self.from }
    }
}
