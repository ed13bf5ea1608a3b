//! A page of history.

use tidings_protocol::{ChatId, Refusal, UserId};

use super::Ops;
use crate::http::ops::{EntriesPage, HistoryQuery};

impl Ops {
    pub(crate) async fn history_page(
        &self,
        user: UserId,
        chat: ChatId,
        query: HistoryQuery,
    ) -> Result<EntriesPage, Refusal> {
        let until = self.reads.membership(chat, user).await?.require_reader()?;
        let page = self.reads.page(chat, query.place, query.limit, until).await?;
        Ok(EntriesPage { items: page.items, older: page.older, newer: page.newer, stale: page.stale })
    }
}
