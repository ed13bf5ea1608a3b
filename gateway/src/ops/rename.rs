//! Rename a group.

use tidings_protocol::event::Renamed;
use tidings_protocol::{ChatId, ChatSummary, EventKind, Refusal, Role, UserId};

use super::members::{require, require_group};
use super::{Ops, body_of};

impl Ops {
    pub(super) async fn rename(&self, user: UserId, chat: ChatId, title: String) -> Result<ChatSummary, Refusal> {
        let mine = self.reads.membership(chat, user).await?;
        require(require_group(&mine)?, Role::Admin)?;
        let before = self.reads.summary(user, chat).await?;
        if before.title.as_deref() == Some(title.as_str()) {
            return Ok(before);
        }
        self.append_change(chat, user, EventKind::Renamed, body_of(&Renamed { title })?).await?;
        self.reads.summary(user, chat).await
    }
}
