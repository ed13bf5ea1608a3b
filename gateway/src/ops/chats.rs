//! A page of the caller's list of chats.

use tidings_protocol::{Refusal, UserId};

use super::Ops;
use crate::http::ops::{ChatsPage, ChatsQuery};

impl Ops {
    pub(crate) async fn chats(&self, user: UserId, query: ChatsQuery) -> Result<ChatsPage, Refusal> {
        let page = self.reads.list(user, query.cursor, query.limit).await?;
        Ok(ChatsPage { chats: page.chats, more: page.more, stale: page.stale })
    }
}
