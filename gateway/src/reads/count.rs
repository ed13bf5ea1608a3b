//! How many messages stand at or before a place (R3), wherever the watermark is.

use tidings_nats::Subject;
use tidings_protocol::inbox::Position;
use tidings_protocol::{ChatId, Refusal, Seq, Timestamp, UserId};

use super::{Reads, event_of, log_refusal, store_refusal};

impl Reads {
    /// The number of countable events of `chat` at or before `seq`.
    ///
    /// # Errors
    /// `store_unavailable`, `log_unavailable`.
    pub(crate) async fn count_at(&self, chat: ChatId, seq: Seq) -> Result<u64, Refusal> {
        let watermark = self.watermark(chat).await?;
        let row = self.history().entry_at(chat, seq.min(watermark)).await.map_err(store_refusal)?;
        let mut n = row.map_or(0, |row| row.n);
        if seq > watermark {
            let count = self.each_after(Subject::chat(chat), watermark, |event| {
                if event.seq <= seq && event_of(event.time_ms, &event.payload).kind.is_countable() {
                    n += 1;
                }
                event.seq < seq
            });
            count.await?;
        }
        Ok(n)
    }

    /// The own read position of `user` in `chat`; at 0 when nothing was read.
    ///
    /// # Errors
    /// `store_unavailable`, `log_unavailable`.
    pub(crate) async fn read_position(&self, user: UserId, chat: ChatId) -> Result<Position, Refusal> {
        Ok(self.line(user, chat).await?.read())
    }

    /// When the event at `seq` was sent, as it says itself.
    ///
    /// # Errors
    /// `log_unavailable`.
    pub(crate) async fn at_of(&self, subject: Subject, seq: Seq) -> Result<Option<Timestamp>, Refusal> {
        let stream = self.log.shards().stream_of(&subject);
        let event = self.log.get(stream, seq).await.map_err(log_refusal)?;
        Ok(event.map(|event| event_of(event.time_ms, &event.payload).at))
    }

    /// Whether `seq` is an event of `chat` that readers see.
    ///
    /// # Errors
    /// `store_unavailable`, `log_unavailable`.
    pub(crate) async fn is_event(&self, chat: ChatId, seq: Seq) -> Result<bool, Refusal> {
        let subject = Subject::chat(chat);
        let stream = self.log.shards().stream_of(&subject);
        if let Some(event) = self.log.get(stream, seq).await.map_err(log_refusal)? {
            return Ok(event.subject == subject);
        }
        let row = self.history().entry_at(chat, seq).await.map_err(store_refusal)?;
        Ok(row.is_some_and(|row| row.seq == seq))
    }
}
