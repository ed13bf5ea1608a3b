//! A segment as one atomic batch (R7).
//!
//! Either all of it is stored, in its order, or nothing is; so a refusal of any kind is answered by halving, and an
//! unknown outcome by the same messages under the same ids in a new batch: a batch id names one attempt, because a
//! second stream of messages under an open one would be mixed into it. The first message asks for a reply too: it is
//! where the server says why it takes no batch at all.

use tidings_protocol::Seq;
use uuid::Uuid;

use super::append::{AppendError, Appended};
use super::job::Job;
use super::lane::{Lane, Pause};
use super::wire::{Closed, InBatch, Kind, Reply};

/// One attempt: its batch id, and the numbers of the two replies that it asks for.
#[derive(Debug)]
struct Attempt {
    id: String,
    first: u64,
    commit: u64,
}

/// What came of one attempt.
enum Outcome {
    /// Stored; the last message has this place.
    Committed(Seq),
    /// Not stored, for a reason that passes.
    Again,
    /// Nobody knows.
    Unknown,
    /// Not stored.
    Refused(Kind),
}

impl Lane {
    /// Settles the jobs as one batch, or gives back what must be halved.
    pub(super) async fn settle_batch(&mut self, jobs: Vec<Job>) -> Result<Vec<Job>, Closed> {
        let count = jobs.len();
        let mut tried: Vec<Attempt> = Vec::new();
        let mut pause = Pause::new();
        let mut jobs = self.stamp(jobs).await;
        loop {
            jobs = self.fit(jobs);
            // Some were answered: what is left is another batch.
            if jobs.len() < count {
                return Ok(jobs);
            }
            match self.attempt(&mut jobs, &mut tried).await? {
                Outcome::Committed(last) => {
                    self.committed(jobs, last);
                    return Ok(Vec::new());
                }
                Outcome::Again => self.pause(&mut pause).await,
                Outcome::Unknown => {
                    for job in &mut jobs {
                        job.unknown = true;
                    }
                    self.pause(&mut pause).await;
                }
                Outcome::Refused(Kind::Full) => {
                    for job in jobs {
                        job.refuse(AppendError::LogFull);
                    }
                    return Ok(Vec::new());
                }
                Outcome::Refused(kind) => {
                    if kind == Kind::Duplicate
                        && tried.len() > 1
                        && let Some(last) = self.committed_before(&jobs, &tried).await?
                    {
                        self.committed(jobs, last);
                        return Ok(Vec::new());
                    }
                    return Ok(jobs);
                }
            }
        }
    }

    /// Sends the batch once and waits for its answer, or a late one of an earlier attempt.
    async fn attempt(&mut self, jobs: &mut [Job], tried: &mut Vec<Attempt>) -> Result<Outcome, Closed> {
        let until = self.attempt_ends();
        let attempt =
            Attempt { id: Uuid::new_v4().simple().to_string(), first: self.wire.number(), commit: self.wire.number() };
        self.shared.counters.batches.add(1);
        self.shared.counters.batched_messages.add(jobs.len());
        let sending = self.send_batch(jobs, &attempt);
        let sent = tokio::time::timeout_at(until.into(), sending).await;
        tried.push(attempt);
        if sent != Ok(true) {
            return Ok(Outcome::Unknown);
        }
        while let Some((number, reply)) = self.reply(until).await? {
            if let Some(outcome) = outcome_of(number, reply, jobs.len(), tried) {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Unknown)
    }

    async fn send_batch(&self, jobs: &[Job], attempt: &Attempt) -> bool {
        for (index, job) in jobs.iter().enumerate() {
            let commit = index + 1 == jobs.len();
            let reply = match index {
                _ if commit => Some(attempt.commit),
                0 => Some(attempt.first),
                _ => None,
            };
            let batch = InBatch { id: &attempt.id, place: index + 1, commit };
            if !self.wire.send(job, reply, Some(batch)).await {
                return false;
            }
        }
        true
    }

    /// Every job gets its place: a batch stands in the log without a hole.
    fn committed(&self, jobs: Vec<Job>, last: Seq) {
        let first = last + 1 - jobs.len() as Seq;
        for (job, seq) in jobs.into_iter().zip(first..) {
            let appended = Appended { seq, duplicate: false };
            self.stored(job, appended);
        }
    }

    /// After an unknown outcome a duplicate may be the batch itself, committed without our hearing of it: taking it
    /// apart would ask for every message singly. Its ids and places stand in the stored messages.
    async fn committed_before(&mut self, jobs: &[Job], tried: &[Attempt]) -> Result<Option<Seq>, Closed> {
        let Some(first) = jobs.first().filter(|job| job.id.is_some()) else {
            return Ok(None);
        };
        let number = self.wire.number();
        // It is in the log, or it goes there now, where it belongs: before everything behind it.
        if !self.wire.send(first, Some(number), None).await {
            return Ok(None);
        }
        let until = self.attempt_ends();
        while let Some((answered, reply)) = self.reply(until).await? {
            let Reply::Stored { seq, .. } = reply else {
                continue;
            };
            if answered == number {
                let last = seq + jobs.len() as Seq - 1;
                let whole = self.is_at(seq, 1, tried).await && self.is_at(last, jobs.len(), tried).await;
                return Ok(whole.then_some(last));
            }
        }
        Ok(None)
    }

    /// Whether the message at `seq` is the one at `place` of one of our attempts, and not void.
    async fn is_at(&self, seq: Seq, place: usize, tried: &[Attempt]) -> bool {
        let stored = self.log.stored(self.stream, seq).await;
        let Ok(Some(stored)) = stored else {
            return false;
        };
        // Times only grow within a stream: when the last one is not void, none is.
        let ours = |(id, at): &(String, u64)| *at == place as u64 && tried.iter().any(|attempt| attempt.id == *id);
        !stored.void && stored.batch.as_ref().is_some_and(ours)
    }
}

/// What a reply says about the batch; `None` when it says nothing.
fn outcome_of(number: u64, reply: Reply, count: usize, tried: &[Attempt]) -> Option<Outcome> {
    let commit = tried.iter().any(|attempt| attempt.commit == number);
    let newest = tried.last().is_some_and(|attempt| attempt.commit == number || attempt.first == number);
    match reply {
        Reply::Stored { seq, count: stored, .. } if commit && stored == count => Some(Outcome::Committed(seq)),
        // Of an earlier attempt nothing else matters: the newest one will tell.
        _ if !newest => None,
        Reply::Stored { .. } | Reply::Strange => Some(Outcome::Unknown),
        Reply::Staged => None,
        Reply::NoResponders => Some(Outcome::Again),
        Reply::Refused(refusal) => Some(match refusal.kind() {
            // The server lost the batch on the way, perhaps with its leader: as good as no answer.
            Kind::Again if commit => Outcome::Unknown,
            Kind::Again => Outcome::Again,
            kind => Outcome::Refused(kind),
        }),
    }
}
