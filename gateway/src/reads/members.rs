//! Memberships of warm chats, kept true by the chats' own events, so that a send to a warm chat reads nothing.
//!
//! It protects against one race: a look-up read the log up to some place, and by the time it is to be kept here the chat
//! has moved past a membership event that the look-up did not see. So a chat remembers its newest membership event, and
//! a look-up that ends before it is not kept.

use std::collections::HashMap;

use parking_lot::Mutex;
use tidings_protocol::{ChatId, Event, Seq, UserId};

use super::Membership;

/// Memberships kept of one chat. When full, further look-ups are simply not kept.
const KEPT_PER_CHAT: usize = 10_000;
/// Locks, so that sessions of different chats do not meet.
const LOCKS: usize = 16;

#[derive(Debug, Default)]
struct Kept {
    users: HashMap<UserId, Membership>,
    /// The newest event of the chat that changed members, as far as the hub has seen.
    changed: Seq,
}

/// Memberships of warm chats. Opened, closed and changed by the hub; read and filled by look-ups.
#[derive(Debug)]
pub(crate) struct Members {
    /// By the last byte of the chat's id. Never held over an await.
    locks: [Mutex<HashMap<ChatId, Kept>>; LOCKS],
}

impl Default for Members {
    fn default() -> Self {
        Self { locks: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Members {
    fn of(&self, chat: ChatId) -> &Mutex<HashMap<ChatId, Kept>> {
        &self.locks[usize::from(chat.as_bytes()[15]) % LOCKS]
    }

    /// The chat is warm and known up to `last`: from now on its events keep what is kept here true.
    pub(crate) fn open(&self, chat: ChatId, last: Seq) {
        let mut chats = self.of(chat).lock();
        chats.entry(chat).or_insert_with(|| Kept { users: HashMap::new(), changed: last });
    }

    /// The chat goes cold.
    pub(crate) fn close(&self, chat: ChatId) {
        self.of(chat).lock().remove(&chat);
    }

    /// An event of a warm chat that changes members.
    pub(crate) fn apply(&self, chat: ChatId, seq: Seq, event: &Event) {
        if let Some(kept) = self.of(chat).lock().get_mut(&chat) {
            kept.changed = kept.changed.max(seq);
            for (user, membership) in &mut kept.users {
                membership.apply(*user, seq, event);
            }
        }
    }

    /// A change of `user` made here is on disk at `seq`: what is kept of them may be older than the ack. The next look-up
    /// reads again, and is kept once it has seen the change.
    pub(crate) fn changed(&self, chat: ChatId, user: UserId, seq: Seq) {
        if let Some(kept) = self.of(chat).lock().get_mut(&chat) {
            kept.changed = kept.changed.max(seq);
            kept.users.remove(&user);
        }
    }

    pub(crate) fn get(&self, chat: ChatId, user: UserId) -> Option<Membership> {
        self.of(chat).lock().get(&chat)?.users.get(&user).copied()
    }

    /// Keeps a look-up, when the chat is warm and the look-up saw its newest membership event.
    pub(crate) fn keep(&self, chat: ChatId, user: UserId, membership: Membership) {
        if let Some(kept) = self.of(chat).lock().get_mut(&chat)
            && membership.as_of >= kept.changed
            && kept.users.len() < KEPT_PER_CHAT
        {
            kept.users.insert(user, membership);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_protocol::{Body, ChatKind, EventKind, Role, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn member(as_of: Seq) -> Membership {
        Membership { kind: ChatKind::Group, role: Some(Role::Member), joined_seq: 1, left_seq: None, as_of }
    }

    fn removed(who: UserId) -> Event {
        #[expect(clippy::unwrap_used, reason = "tests")]
        let body = Body::of(&serde_json::json!({ "user": who })).unwrap();
        Event::new(EventKind::MemberRemoved, user(9), None, Timestamp(0), body)
    }

    #[test]
    fn a_warm_chat_follows_its_events_and_a_late_look_up_is_not_kept() {
        let (members, chat) = (Members::default(), ChatId(Uuid::from_u128(1)));
        members.keep(chat, user(1), member(5));
        assert_eq!(members.get(chat, user(1)), None, "cold chats keep nothing");
        members.open(chat, 5);
        members.keep(chat, user(1), member(5));
        members.apply(chat, 8, &removed(user(1)));
        let after = members.get(chat, user(1));
        assert_eq!(after.map(|m| (m.role, m.left_seq)), Some((None, Some(8))));
        // This look-up read the log before the removal at 8.
        members.keep(chat, user(2), member(7));
        assert_eq!(members.get(chat, user(2)), None);
        members.keep(chat, user(2), member(8));
        assert_eq!(members.get(chat, user(2)), Some(member(8)));
        members.changed(chat, user(2), 11);
        members.keep(chat, user(2), member(10));
        assert_eq!(members.get(chat, user(2)), None, "the acked change at 11 has not been seen");
        members.keep(chat, user(2), member(11));
        assert_eq!(members.get(chat, user(2)), Some(member(11)));
        members.close(chat);
        assert_eq!(members.get(chat, user(1)), None);
    }
}
