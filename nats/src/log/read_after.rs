//! The run of one subject's events after a place (R8).
//!
//! Protects "never a partial answer that looks whole": a run has no hole, says how far it reaches, and whether more
//! follow. Direct reads are answered by any replica: one that is behind gives a shorter run, one that is frozen gives
//! nothing, so a caller that knows how far the log goes asks with `at_least`, and after two failures the leader is
//! asked, event by event.

use std::time::Duration;

use serde_json::json;
use tidings_protocol::Seq;

use super::stored::{LeaderAnswer, Stored, number};
use super::{Log, LogError, LogRun, ReadMax};
use crate::headers;
use crate::subjects::Subject;

/// How long a replica may take for each message of its answer.
pub(super) const DIRECT_TIMEOUT: Duration = Duration::from_millis(300);
/// How often replicas are asked before the leader is.
pub(super) const DIRECT_ATTEMPTS: usize = 2;
/// Pause before a replica that was behind is asked again.
const BEHIND_PAUSE: Duration = Duration::from_millis(20);
/// Most events of one request.
const CHUNK_EVENTS: usize = 1_000;
/// Most bytes of one request.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// A run in the making.
struct Run {
    run: LogRun,
    max: ReadMax,
    bytes: usize,
    prev: Option<Seq>,
}

/// What one request gave.
struct Chunk {
    stored: Vec<Stored>,
    more: bool,
}

impl Run {
    fn new(after: Seq, max: ReadMax) -> Self {
        Self { run: LogRun { reached: after, ..LogRun::default() }, max, bytes: 0, prev: None }
    }

    fn is_full(&self) -> bool {
        let events = self.run.events.len();
        events >= self.max.events.max(1) || (events > 0 && self.bytes >= self.max.bytes)
    }

    /// Takes one event; false when it has no room.
    fn take(&mut self, stored: Stored) -> bool {
        let seq = stored.seq;
        if !stored.void {
            let bytes = self.bytes + stored.payload.len();
            let first = self.run.events.is_empty();
            if self.is_full() || (bytes > self.max.bytes && !first) {
                return false;
            }
            self.bytes = bytes;
            self.run.events.push(stored.into_event(self.prev));
            self.prev = Some(seq);
        }
        self.run.reached = seq;
        true
    }
}

impl Log {
    /// The events of `subject` after `after`, at most `max`. What a replica has not got yet is not there; see
    /// [`Log::read_after_at_least`].
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn read_after(&self, subject: &Subject, after: Seq, max: ReadMax) -> Result<LogRun, LogError> {
        self.read_after_at_least(subject, after, max, 0).await
    }

    /// Like [`Log::read_after`], but the answer reaches `at_least`, or is cut at `max` (R8).
    ///
    /// # Errors
    /// [`LogError::Behind`] when not even the leader reaches it.
    pub async fn read_after_at_least(
        &self,
        subject: &Subject,
        after: Seq,
        max: ReadMax,
        at_least: Seq,
    ) -> Result<LogRun, LogError> {
        for attempt in 0..DIRECT_ATTEMPTS {
            match self.run_direct(subject, after, max).await {
                Ok(run) if !run.complete || run.reached >= at_least => return Ok(run),
                Ok(_) if attempt + 1 < DIRECT_ATTEMPTS => tokio::time::sleep(BEHIND_PAUSE).await,
                Ok(_) | Err(LogError::TimedOut { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let run = self.run_of_leader(subject, after, max, at_least).await?;
        if run.complete && run.reached < at_least {
            return Err(LogError::Behind {
                stream: self.shards.stream_of(subject),
                reached: run.reached,
                wanted: at_least,
            });
        }
        Ok(run)
    }

    async fn run_direct(&self, subject: &Subject, after: Seq, max: ReadMax) -> Result<LogRun, LogError> {
        let mut run = Run::new(after, max);
        loop {
            let chunk = self.chunk(subject, &run).await?;
            for stored in chunk.stored {
                if !run.take(stored) {
                    return Ok(run.run);
                }
            }
            if !chunk.more {
                run.run.complete = true;
                return Ok(run.run);
            }
            if run.is_full() {
                return Ok(run.run);
            }
        }
    }

    /// One request for what comes after what `run` has.
    async fn chunk(&self, subject: &Subject, run: &Run) -> Result<Chunk, LogError> {
        let stream = self.shards.stream_of(subject);
        let events = run.max.events.max(1) - run.run.events.len();
        // One more than asked for, so that a read of exactly what is there ends as complete.
        let body = json!({
            "seq": run.run.reached.saturating_add(1),
            "next_by_subj": subject.to_string(),
            "batch": (events + 1).clamp(2, CHUNK_EVENTS),
            "max_bytes": run.max.bytes.saturating_sub(run.bytes).clamp(1, CHUNK_BYTES),
        });
        let call = format!("$JS.API.DIRECT.GET.{stream}");
        let (messages, end) = self.many(stream, call, body.to_string().into(), DIRECT_TIMEOUT).await?;
        let stored = self.read_all(stream, messages)?;
        let more = match end.status.map(|status| status.as_u16()) {
            Some(204) => end
                .headers
                .as_ref()
                .and_then(|end| number::<u64>(end, headers::NUM_PENDING))
                .is_none_or(|pending| pending > 0),
            Some(404) => false,
            _ => return Err(super::refused(stream, &end)),
        };
        Ok(Chunk { stored, more })
    }

    /// The leader, event by event: slow and certain.
    async fn run_of_leader(
        &self,
        subject: &Subject,
        after: Seq,
        max: ReadMax,
        at_least: Seq,
    ) -> Result<LogRun, LogError> {
        let stream = self.shards.stream_of(subject);
        let mut run = Run::new(after, max);
        loop {
            let body = json!({"seq": run.run.reached.saturating_add(1), "next_by_subj": subject.to_string()});
            let answer: Option<LeaderAnswer> = self.api(stream, "STREAM.MSG.GET", &body).await?;
            let Some(answer) = answer else {
                run.run.complete = true;
                return Ok(run.run);
            };
            let stored = Stored::of_leader(answer).map_err(|what| LogError::Malformed { stream, what })?;
            self.clock.observe(stored.time_ms);
            if !run.take(stored) || (run.is_full() && run.run.reached >= at_least) {
                return Ok(run.run);
            }
        }
    }
}
