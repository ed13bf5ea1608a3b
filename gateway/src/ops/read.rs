//! Move the own read position: one event in the user's inbox (R4), with the number of messages up to it (R3).

use bytes::Bytes;
use tidings_nats::{Append, Subject};
use tidings_protocol::inbox::{InboxKind, ReadPosition};
use tidings_protocol::{ChatId, ErrorCode, InboxEvent, MsgId, Refusal, Seq, SessionId, UserId};

use super::{Ops, owner_of};

impl Ops {
    pub(crate) async fn read(
        &self,
        user: UserId,
        session: Option<SessionId>,
        chat: ChatId,
        seq: Seq,
    ) -> Result<(), Refusal> {
        let until = self.reads.membership(chat, user).await?.require_reader()?;
        if until.is_some_and(|until| seq > until) || !self.reads.is_event(chat, seq).await? {
            return Err(Refusal::bad_field("seq", "no event of this chat"));
        }
        if self.reads.read_position(user, chat).await?.seq >= seq {
            return Ok(());
        }
        let n = self.reads.count_at(chat, seq).await?;
        let event = InboxEvent::new(InboxKind::Read(ReadPosition { chat, seq, n }));
        let payload = event.encode().map_err(|_| Refusal::new(ErrorCode::Internal, "the event cannot be written"))?;
        let mut append = Append::new(Subject::inbox(user), owner_of(user), Some(MsgId::random()), Bytes::from(payload));
        append.session = session;
        self.append(append).await?;
        Ok(())
    }
}
