//! Who is a member: from a warm chat's memory, else from the row at the watermark and the log after it.

use tidings_nats::Subject;
use tidings_protocol::{ChatId, ChatKind, ErrorCode, Event, EventKind, Refusal, Role, Seq, UserId};
use tidings_schema::history::MemberRow;

use super::{Reads, event_of, store_refusal};

/// A user's standing in a chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Membership {
    /// Direct or group, which decides what may be done.
    pub(crate) kind: ChatKind,
    /// The role; `None`: no member (any more).
    pub(crate) role: Option<Role>,
    /// The event that made them a member (the latest time); 0 when they never were.
    pub(crate) joined_seq: Seq,
    /// The last event that the user may read, when they were a member once.
    pub(crate) left_seq: Option<Seq>,
    /// The newest event of the chat that this takes into account.
    pub(crate) as_of: Seq,
}

impl Membership {
    /// As a row says it; `None` for nobody known.
    pub(super) fn of_row(kind: Option<ChatKind>, row: Option<&MemberRow>) -> Self {
        Self {
            kind: kind.unwrap_or(ChatKind::Group),
            role: row.and_then(|row| row.role),
            joined_seq: row.map_or(0, |row| row.joined_seq),
            left_seq: row.and_then(|row| row.left_seq),
            as_of: row.map_or(0, |row| row.clock),
        }
    }

    /// What an event makes of it. Events that are not newer change nothing.
    pub(crate) fn apply(&mut self, user: UserId, seq: Seq, event: &Event) {
        if seq <= self.as_of {
            return;
        }
        self.as_of = seq;
        if let Some(created) = event.created() {
            self.kind = created.kind;
            if created.members.contains(&user) {
                self.role = Some(created.role_of(user, event.from));
                self.joined_seq = seq;
            }
            return;
        }
        if self.kind == ChatKind::Direct {
            return;
        }
        let Some(change) = event.member_change().filter(|change| change.user == user) else { return };
        match event.kind {
            EventKind::MemberAdded if self.role.is_none() => {
                self.role = Some(change.role.unwrap_or(Role::Member));
                self.joined_seq = seq;
                self.left_seq = None;
            }
            EventKind::RoleChanged if self.role.is_some() => self.role = change.role.or(self.role),
            EventKind::MemberRemoved | EventKind::MemberLeft if self.role.is_some() => {
                self.role = None;
                self.left_seq = Some(seq);
            }
            _ => {}
        }
    }

    /// May send and change things.
    pub(crate) fn require_member(&self) -> Result<Role, Refusal> {
        self.role.ok_or_else(|| Refusal::new(ErrorCode::NotMember, "not a member of this chat"))
    }

    /// May read, up to the place returned (`None`: everything).
    pub(crate) fn require_reader(&self) -> Result<Option<Seq>, Refusal> {
        match (self.role, self.left_seq) {
            (Some(_), _) => Ok(None),
            (None, Some(left_seq)) => Ok(Some(left_seq)),
            (None, None) => Err(Refusal::new(ErrorCode::NotMember, "not a member of this chat")),
        }
    }
}

impl Reads {
    /// The standing of `user` in `chat`.
    ///
    /// # Errors
    /// `no_such_chat`; `store_unavailable` and `log_unavailable` when it cannot be known: never a guess.
    pub(crate) async fn membership(&self, chat: ChatId, user: UserId) -> Result<Membership, Refusal> {
        if let Some(known) = self.members.get(chat, user) {
            return Ok(known);
        }
        let membership = self.look_up(chat, user).await?;
        self.members.keep(chat, user, membership);
        Ok(membership)
    }

    /// A change of `user` in `chat` is on disk at `seq`: from now on answers know it.
    pub(crate) fn member_changed(&self, chat: ChatId, user: UserId, seq: Seq) {
        self.members.changed(chat, user, seq);
    }

    /// The standing as the rows say it: for an answer that ends at the watermark too, because the log cannot be read.
    ///
    /// # Errors
    /// `no_such_chat`, `store_unavailable`.
    pub(crate) async fn membership_at_watermark(&self, chat: ChatId, user: UserId) -> Result<Membership, Refusal> {
        let (membership, newest) = self.rows_of(chat, user).await?;
        if newest == 0 {
            return Err(Refusal::new(ErrorCode::LogUnavailable, "the log cannot be read").after_ms(1_000));
        }
        Ok(membership)
    }

    /// The standing and the newest event of the chat that rows know of; 0 when they know none.
    async fn rows_of(&self, chat: ChatId, user: UserId) -> Result<(Membership, Seq), Refusal> {
        let heads = self.history().heads(&[chat]).await.map_err(store_refusal)?;
        let head = heads.into_iter().next().flatten();
        let row = self.history().member(chat, user).await.map_err(store_refusal)?;
        let membership = Membership::of_row(head.as_ref().map(|head| head.kind), row.as_ref());
        Ok((membership, head.map_or(0, |head| head.seq)))
    }

    async fn look_up(&self, chat: ChatId, user: UserId) -> Result<Membership, Refusal> {
        let watermark = self.watermark(chat).await?;
        let (mut membership, mut newest) = self.rows_of(chat, user).await?;
        let scan = self.each_after(Subject::chat(chat), watermark, |event| {
            newest = newest.max(event.seq);
            let decoded = event_of(event.time_ms, &event.payload);
            if decoded.kind.changes_chat() {
                membership.apply(user, event.seq, &decoded);
            }
            true
        });
        scan.await?;
        if newest == 0 {
            return Err(Refusal::new(ErrorCode::NoSuchChat, "no such chat"));
        }
        membership.as_of = membership.as_of.max(newest);
        Ok(membership)
    }
}
