//! All members of one chat in memory, kept true by its events: for who fans out or checks rights.

use std::collections::HashMap;

use tidings_protocol::event::Created;
use tidings_protocol::{ChatId, Event, Seq, UserId};

use super::change::{Standing, standing_before};
use super::{Change, Effect, HeadFold};
use crate::history::MemberRow;

/// The memberships of a chat, those who left included. Starts from rows (or empty, from the chat's first event) and
/// takes the log after them. Rows newer than the log position are harmless: each has its clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberSet {
    chat: ChatId,
    rows: HashMap<UserId, MemberRow>,
}

impl MemberSet {
    /// The set of a chat before its first event.
    pub fn new(chat: ChatId) -> Self {
        Self { chat, rows: HashMap::new() }
    }

    /// The set that stored rows make. Rows of another chat are passed over.
    pub fn of(chat: ChatId, rows: impl IntoIterator<Item = MemberRow>) -> Self {
        let rows = rows.into_iter().filter(|row| row.chat == chat);
        Self { chat, rows: rows.map(|row| (row.user, row)).collect() }
    }

    /// The membership of a user, also of one who left.
    pub fn get(&self, user: UserId) -> Option<&MemberRow> {
        self.rows.get(&user)
    }

    /// Whether a user is a member now.
    pub fn is_member(&self, user: UserId) -> bool {
        self.get(user).is_some_and(|row| row.role.is_some())
    }

    /// Who is a member now, in no order.
    pub fn members(&self) -> impl Iterator<Item = &MemberRow> {
        self.rows.values().filter(|row| row.role.is_some())
    }

    /// Everybody who is or was a member, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &MemberRow> {
        self.rows.values()
    }

    /// Takes in one event, before the chat's head takes it in (`head` is as of the event before). Returns what it comes
    /// to for the head; an event that is in the rows already changes no row.
    pub fn apply(&mut self, head: &HeadFold, seq: Seq, event: &Event) -> Effect {
        let change = Change::of(event);
        if let Change::Created(created) = &change {
            if head.is_empty() {
                for row in created_rows(self.chat, seq, event.from, created) {
                    self.put(row);
                }
            }
            return Effect::Nothing;
        }
        let Some(user) = change.user() else {
            return Effect::Nothing;
        };
        let standing = standing_before(self.get(user), seq);
        let was_member = match standing {
            Standing::Member { .. } => true,
            Standing::Out => false,
            Standing::Unknown => change.implies_member(),
        };
        let effect = change.effect(head.kind, was_member);
        if let Some(row) = row_after(self.chat, user, seq, &change, effect, standing) {
            self.put(row);
        }
        effect
    }

    fn put(&mut self, row: MemberRow) {
        let kept = self.rows.entry(row.user).or_insert(row);
        if row.clock > kept.clock {
            *kept = row;
        }
    }
}

/// The rows that `created` makes.
pub(super) fn created_rows(
    chat: ChatId,
    seq: Seq,
    creator: UserId,
    created: &Created,
) -> impl Iterator<Item = MemberRow> {
    created.members.iter().map(move |&user| MemberRow {
        chat,
        user,
        clock: seq,
        role: Some(created.role_of(user, creator)),
        joined_seq: seq,
        left_seq: None,
    })
}

/// The row that a change makes. `None` when it comes to nothing, or when the user is known to have joined again later:
/// then a newer row is there, over which this one would lose anyway.
pub(super) fn row_after(
    chat: ChatId,
    user: UserId,
    seq: Seq,
    change: &Change,
    effect: Effect,
    before: Standing,
) -> Option<MemberRow> {
    let joined_before = match before {
        Standing::Member { joined_seq } => joined_seq,
        Standing::Out | Standing::Unknown => None,
    };
    let role = match change {
        Change::Add { role, .. } | Change::SetRole { role, .. } => Some(*role),
        _ => None,
    };
    let (joined_seq, left_seq) = match effect {
        Effect::Joined => (seq, None),
        Effect::RoleSet => (joined_before?, None),
        Effect::Ended => (joined_before?, Some(seq)),
        Effect::Nothing => return None,
    };
    Some(MemberRow { chat, user, clock: seq, role, joined_seq, left_seq })
}
