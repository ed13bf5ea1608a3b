//! R6's look: was a send of this sender under this `client_id` stored after a place?

use tidings_protocol::{ChatId, ClientId, Entry, ErrorCode, Refusal, Seq, UserId};

use super::Reads;

/// Rows that one look searches. Beyond that: `sync_required`.
const LOOK_ROWS: usize = 1_000;
/// Rows read at once.
const STEP_ROWS: usize = 250;

impl Reads {
    /// The stored send, when it is among the [`LOOK_ROWS`] events after `after`, or `None` when it surely is not there.
    ///
    /// # Errors
    /// `sync_required` when more happened since; `store_unavailable`, `log_unavailable`.
    pub(crate) async fn find_own(
        &self,
        chat: ChatId,
        sender: UserId,
        client_id: ClientId,
        mut after: Seq,
    ) -> Result<Option<Entry>, Refusal> {
        let mut seen = 0;
        loop {
            let run = self.run(chat, after, STEP_ROWS, None).await?;
            seen += run.items.len();
            let is_it = |entry: &Entry| entry.event.from == sender && entry.event.client_id == Some(client_id);
            after = run.items.last().map_or(after, |last| last.seq);
            if let Some(found) = run.items.into_iter().find(is_it) {
                return Ok(Some(found));
            }
            if !run.limited {
                return Ok(None);
            }
            if seen >= LOOK_ROWS {
                return Err(Refusal::new(ErrorCode::SyncRequired, "too much happened since: sync the chat first"));
            }
        }
    }
}
