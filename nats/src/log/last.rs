//! Tails: the last event of many subjects at once (R8), and of one below a place (R2's one look).

use std::collections::HashMap;

use serde_json::json;
use tidings_protocol::Seq;

use super::read_after::{DIRECT_ATTEMPTS, DIRECT_TIMEOUT};
use super::stored::{LeaderAnswer, Stored, number};
use super::{LastEvent, Log, LogError};
use crate::headers;
use crate::subjects::{StreamName, Subject};

/// Most subjects of one request: the servers' own bound.
const SUBJECTS_PER_REQUEST: usize = 1_024;

impl Log {
    /// The last event of each subject, in their order; `None` for an empty one.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn last(&self, subjects: &[Subject]) -> Result<Vec<Option<LastEvent>>, LogError> {
        let mut by_stream: HashMap<StreamName, Vec<Subject>> = HashMap::new();
        for subject in subjects {
            let stream = self.shards.stream_of(subject);
            by_stream.entry(stream).or_default().push(*subject);
        }
        let mut found = HashMap::with_capacity(subjects.len());
        for (stream, subjects) in by_stream {
            for chunk in subjects.chunks(SUBJECTS_PER_REQUEST) {
                for stored in self.last_chunk(stream, chunk).await? {
                    let last = LastEvent { seq: stored.seq, time_ms: stored.time_ms };
                    found.insert(stored.subject, last);
                }
            }
        }
        Ok(subjects.iter().map(|subject| found.get(subject).copied()).collect())
    }

    async fn last_chunk(&self, stream: StreamName, subjects: &[Subject]) -> Result<Vec<Stored>, LogError> {
        for _ in 0..DIRECT_ATTEMPTS {
            match self.last_direct(stream, subjects, None).await {
                Err(LogError::TimedOut { .. }) => {}
                answer => return answer,
            }
        }
        let mut found = Vec::new();
        for subject in subjects {
            let body = json!({"last_by_subj": subject.to_string()});
            let answer: Option<LeaderAnswer> = self.api(stream, "STREAM.MSG.GET", &body).await?;
            if let Some(answer) = answer {
                let stored = Stored::of_leader(answer).map_err(|what| LogError::Malformed { stream, what })?;
                found.push(stored);
            }
        }
        Ok(found)
    }

    /// The last events at or below `up_to` (or now), as one picture even when it takes several requests.
    async fn last_direct(
        &self,
        stream: StreamName,
        subjects: &[Subject],
        up_to: Option<Seq>,
    ) -> Result<Vec<Stored>, LogError> {
        let names: Vec<String> = subjects.iter().map(Subject::to_string).collect();
        let call = format!("$JS.API.DIRECT.GET.{stream}");
        let mut body = json!({"multi_last": names});
        if let Some(up_to) = up_to {
            body["up_to_seq"] = up_to.into();
        }
        let mut found = Vec::new();
        loop {
            let (messages, end) = self.many(stream, call.clone(), body.to_string().into(), DIRECT_TIMEOUT).await?;
            found.extend(self.read_all(stream, messages)?);
            match end.status.map(|status| status.as_u16()) {
                Some(204) => {}
                Some(404) => return Ok(found),
                _ => return Err(super::refused(stream, &end)),
            }
            let of_end = |name| end.headers.as_ref().and_then(|end| number::<u64>(end, name));
            if of_end(headers::NUM_PENDING).unwrap_or(0) == 0 {
                return Ok(found);
            }
            // Cut by its bytes: the rest, as of the same moment.
            let missing = |what| LogError::Malformed { stream, what };
            let last = of_end(headers::LAST_SEQUENCE).ok_or(missing("a last sequence"))?;
            let up_to = of_end(headers::UP_TO_SEQUENCE).ok_or(missing("an upper end"))?;
            body["seq"] = (last + 1).into();
            body["up_to_seq"] = up_to.into();
        }
    }

    /// The last event of `subject` below `below`, void ones passed over.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn last_before(&self, subject: &Subject, below: Seq) -> Result<Option<Seq>, LogError> {
        let mut below = below;
        while below > 1 {
            let mut found = self.last_up_to(subject, Some(below - 1)).await?;
            if found.is_none() {
                // Servers find nothing up to a place that they have not reached yet.
                found = self.last_up_to(subject, None).await?;
            }
            match found.filter(|stored| stored.seq < below) {
                Some(stored) if stored.void => below = stored.seq,
                found => return Ok(found.map(|stored| stored.seq)),
            }
        }
        Ok(None)
    }

    async fn last_up_to(&self, subject: &Subject, up_to: Option<Seq>) -> Result<Option<Stored>, LogError> {
        let stream = self.shards.stream_of(subject);
        let mut attempt = 1;
        loop {
            match self.last_direct(stream, std::slice::from_ref(subject), up_to).await {
                Err(LogError::TimedOut { .. }) if attempt < DIRECT_ATTEMPTS => attempt += 1,
                found => return Ok(found?.into_iter().next()),
            }
        }
    }
}
