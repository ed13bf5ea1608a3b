//! Single events and the state of a stream, asked of the leader.

use serde::Deserialize;
use serde_json::json;
use tidings_protocol::Seq;

use super::stored::{LeaderAnswer, Stored, number, read_time, write_time};
use super::{Log, LogError, LogEvent};
use crate::headers;
use crate::log::read_after::DIRECT_TIMEOUT;
use crate::streams::StreamState;
use crate::subjects::StreamName;

#[derive(Deserialize)]
struct Info {
    created: String,
    ts: String,
    state: InfoState,
}

#[derive(Deserialize)]
struct InfoState {
    first_seq: Seq,
    last_seq: Seq,
}

impl Log {
    /// The event at `seq`; `None` when there is none or it is void.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn get(&self, stream: StreamName, seq: Seq) -> Result<Option<LogEvent>, LogError> {
        let stored = self.stored(stream, seq).await?;
        Ok(stored.filter(|stored| !stored.void).map(|stored| stored.into_event(None)))
    }

    /// The stored message at `seq`, void or not, from the leader.
    pub(crate) async fn stored(&self, stream: StreamName, seq: Seq) -> Result<Option<Stored>, LogError> {
        if seq == 0 {
            // Places begin at 1, and the server takes 0 for a question without a place.
            return Ok(None);
        }
        self.of_leader(stream, &json!({"seq": seq})).await
    }

    /// The first message of `subject` after `after`, void or not, from the leader.
    pub(crate) async fn stored_after(
        &self,
        subject: &crate::subjects::Subject,
        after: Seq,
    ) -> Result<Option<Stored>, LogError> {
        let body = json!({"seq": after.saturating_add(1), "next_by_subj": subject.to_string()});
        self.of_leader(self.shards.stream_of(subject), &body).await
    }

    async fn of_leader(&self, stream: StreamName, body: &serde_json::Value) -> Result<Option<Stored>, LogError> {
        let answer: Option<LeaderAnswer> = self.api(stream, "STREAM.MSG.GET", body).await?;
        let stored = answer.map(Stored::of_leader).transpose();
        stored.map_err(|what| LogError::Malformed { stream, what })
    }

    /// The stream's identity, ends and time. Sets the log clock.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn state(&self, stream: StreamName) -> Result<StreamState, LogError> {
        let missing = |what| LogError::Malformed { stream, what };
        let info: Info = self.api(stream, "STREAM.INFO", &json!({})).await?.ok_or(missing("a state"))?;
        let time_ms = read_time(&info.ts).ok_or(missing("a time"))?;
        self.clock.set(time_ms);
        Ok(StreamState {
            name: stream,
            epoch: read_time(&info.created).ok_or(missing("a time of creation"))?,
            first_seq: info.state.first_seq,
            last_seq: info.state.last_seq,
            time_ms,
        })
    }

    /// The first place in `stream` stored at or after `time_ms`; one past the last event when there is none.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn seq_at(&self, stream: StreamName, time_ms: u64) -> Result<Seq, LogError> {
        // Read first: an event that comes in between may be given twice, never left out.
        let state = self.state(stream).await?;
        let missing = |what| LogError::Malformed { stream, what };
        let start = write_time(time_ms).ok_or(missing("a time within our calendar"))?;
        let body = json!({"start_time": start, "next_by_subj": ">", "batch": 1});
        let call = format!("$JS.API.DIRECT.GET.{stream}");
        let (messages, end) = self.many(stream, call, body.to_string().into(), DIRECT_TIMEOUT).await?;
        let first = messages.first().and_then(|message| message.headers.as_ref());
        match (first, end.status.map(|status| status.as_u16())) {
            (Some(first), _) => number(first, headers::SEQUENCE).ok_or(missing("a sequence")),
            (None, Some(404)) => Ok(state.last_seq + 1),
            _ => Err(super::refused(stream, &end)),
        }
    }
}
