//! A page of history. With the log away it ends at the watermark, and so does what is known of who may read it.

use tidings_protocol::{ChatId, ErrorCode, Refusal, UserId};

use super::Ops;
use crate::http::ops::{EntriesPage, HistoryQuery};

impl Ops {
    pub(crate) async fn history_page(
        &self,
        user: UserId,
        chat: ChatId,
        query: HistoryQuery,
    ) -> Result<EntriesPage, Refusal> {
        let membership = match self.reads.membership(chat, user).await {
            Err(refusal) if refusal.code == ErrorCode::LogUnavailable => {
                self.reads.membership_at_watermark(chat, user).await?
            }
            known => known?,
        };
        let until = membership.require_reader()?;
        let page = self.reads.page(chat, query.place, query.limit, until).await?;
        Ok(EntriesPage { items: page.items, older: page.older, newer: page.newer, stale: page.stale })
    }
}
