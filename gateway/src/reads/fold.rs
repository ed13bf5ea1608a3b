//! One chat as one user sees it, folded forward by the chat's events: how a line of a list is brought from its last
//! pointer to the end of the log.

use tidings_protocol::inbox::Position;
use tidings_protocol::{ChatId, ChatKind, ChatSummary, Event, EventKind, Newest, Pointer, Role, Seq, UserId};

/// A line on its way to the end of the log. Starts from a pointer, or from `created`.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    user: UserId,
    pointer: Pointer,
    read: Position,
}

impl Line {
    /// A line as of a pointer.
    pub(crate) fn new(user: UserId, pointer: Pointer, read: Position) -> Self {
        let mut line = Self { user, pointer, read };
        if let Some(own) = line.pointer.own {
            line.move_read(own);
        }
        line
    }

    /// A line of a chat of which only its first event is known.
    pub(crate) fn begin(user: UserId, chat: ChatId, seq: Seq, event: &Event) -> Option<Self> {
        let created = event.created()?;
        let with = created.members.iter().copied().find(|member| *member != user);
        let is_member = created.members.contains(&user);
        let pointer = Pointer {
            chat,
            first: seq,
            seq,
            chat_kind: created.kind,
            title: created.title.clone(),
            with: with.filter(|_| created.kind == ChatKind::Direct),
            members: created.members.len() as u64,
            role: is_member.then(|| created.role_of(user, event.from)),
            joined_seq: if is_member { seq } else { 0 },
            left_seq: None,
            newest: Newest { seq, ..Newest::default() },
            own: None,
            chat_changed: true,
        };
        Some(Self { user, pointer, read: Position::default() })
    }

    pub(crate) fn chat(&self) -> ChatId {
        self.pointer.chat
    }

    /// The newest event that it knows.
    pub(crate) fn seq(&self) -> Seq {
        self.pointer.seq
    }

    /// The own read position.
    pub(crate) fn read(&self) -> Position {
        self.read
    }

    /// Whether the user left; such a line stands still.
    pub(crate) fn has_left(&self) -> bool {
        self.pointer.role.is_none() && self.pointer.left_seq.is_some()
    }

    pub(crate) fn move_read(&mut self, to: Position) {
        if to.seq > self.read.seq {
            self.read = to;
        }
    }

    /// The next event of the chat.
    pub(crate) fn apply(&mut self, seq: Seq, event: &Event) {
        if seq <= self.pointer.seq || self.has_left() {
            return;
        }
        self.pointer.seq = seq;
        self.pointer.newest.seq = seq;
        if event.kind.is_countable() {
            self.count(seq, event);
        } else if let Some(renamed) = event.renamed() {
            self.pointer.title = Some(renamed.title);
        } else {
            self.change_member(seq, event);
        }
    }

    fn count(&mut self, seq: Seq, event: &Event) {
        let newest = &mut self.pointer.newest;
        newest.n += 1;
        newest.at = Some(event.at);
        newest.preview = event.preview();
        newest.from = Some(event.from);
        let n = newest.n;
        if event.from == self.user {
            self.move_read(Position { seq, n });
        }
    }

    fn change_member(&mut self, seq: Seq, event: &Event) {
        if self.pointer.chat_kind == ChatKind::Direct {
            return;
        }
        let Some(change) = event.member_change() else { return };
        let is_own = change.user == self.user;
        match event.kind {
            EventKind::MemberAdded => {
                self.pointer.members += 1;
                if is_own && self.pointer.role.is_none() {
                    self.pointer.role = Some(change.role.unwrap_or(Role::Member));
                    self.pointer.joined_seq = seq;
                    self.pointer.left_seq = None;
                }
            }
            EventKind::MemberRemoved | EventKind::MemberLeft => {
                self.pointer.members = self.pointer.members.saturating_sub(1);
                if is_own {
                    self.pointer.role = None;
                    self.pointer.left_seq = Some(seq);
                }
            }
            EventKind::RoleChanged if is_own => self.pointer.role = change.role.or(self.pointer.role),
            _ => {}
        }
    }

    /// The line as the API says it.
    pub(crate) fn summary(&self) -> ChatSummary {
        let pointer = &self.pointer;
        ChatSummary {
            id: pointer.chat,
            kind: pointer.chat_kind,
            title: pointer.title.clone(),
            members: pointer.members,
            role: pointer.role,
            newest: pointer.newest.clone(),
            read_seq: self.read.seq,
            unread: pointer.newest.n.saturating_sub(self.read.n),
            muted_until: None,
            left_seq: pointer.left_seq,
            with: pointer.with,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;
    use tidings_protocol::{Body, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn event(kind: EventKind, from: u128, body: serde_json::Value) -> Event {
        Event::new(kind, user(from), None, Timestamp(0), Body::of(&body).unwrap())
    }

    #[test]
    fn a_line_follows_the_log_and_a_send_is_a_read() {
        let chat = ChatId(Uuid::from_u128(7));
        let created = event(EventKind::Created, 1, json!({"kind":"group","title":"T","members":[user(1), user(2)]}));
        let mut line = Line::begin(user(2), chat, 10, &created).unwrap();
        line.apply(11, &event(EventKind::Message, 1, json!({"text":"a"})));
        line.apply(12, &event(EventKind::Message, 1, json!({"text":"b"})));
        assert_eq!((line.summary().unread, line.summary().newest.n), (2, 2));
        line.apply(12, &event(EventKind::Message, 1, json!({"text":"again"})));
        assert_eq!(line.summary().newest.preview.as_deref(), Some("b"));
        line.apply(13, &event(EventKind::Message, 2, json!({"text":"c"})));
        assert_eq!((line.summary().unread, line.summary().read_seq), (0, 13));
        line.apply(14, &event(EventKind::Renamed, 1, json!({"title":"U"})));
        line.apply(15, &event(EventKind::MemberAdded, 1, json!({"user":user(3),"role":"member"})));
        line.apply(16, &event(EventKind::Message, 3, json!({"text":"d"})));
        let summary = line.summary();
        assert_eq!((summary.title.as_deref(), summary.members, summary.unread), (Some("U"), 3, 1));
        line.apply(17, &event(EventKind::MemberRemoved, 1, json!({"user":user(2)})));
        line.apply(18, &event(EventKind::Message, 1, json!({"text":"unseen"})));
        let summary = line.summary();
        assert_eq!((summary.role, summary.left_seq, summary.newest.seq), (None, Some(17), 17));
    }
}
