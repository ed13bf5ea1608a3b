//! Remove a member, or leave.

use tidings_protocol::event::MemberChange;
use tidings_protocol::{Body, ChatId, EventKind, Refusal, Role, UserId};

use super::members::{require, require_group};
use super::{Ops, body_of};
use crate::accounts::UserRef;

impl Ops {
    /// Who is no member is removed already.
    pub(super) async fn remove(&self, user: UserId, chat: ChatId, who: UserRef) -> Result<(), Refusal> {
        let mine = self.reads.membership(chat, user).await?;
        let my_role = require_group(&mine)?;
        let who = who.resolve(&*self.directory).await?;
        if who == user {
            if my_role == Role::Owner {
                self.require_other_owner(chat, user).await?;
            }
            let body = body_of(&serde_json::json!({}))?;
            return self.end(chat, user, EventKind::MemberLeft, body, who).await;
        }
        let Some(their_role) = self.reads.membership(chat, who).await?.role else { return Ok(()) };
        require(my_role, if their_role == Role::Member { Role::Admin } else { Role::Owner })?;
        let body = body_of(&MemberChange { user: who, role: None })?;
        self.end(chat, user, EventKind::MemberRemoved, body, who).await
    }

    async fn end(&self, chat: ChatId, user: UserId, kind: EventKind, body: Body, who: UserId) -> Result<(), Refusal> {
        let appended = self.append_change(chat, user, kind, body).await?;
        self.reads.member_changed(chat, who, appended.seq);
        Ok(())
    }
}
