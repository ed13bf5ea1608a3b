//! A few messages as plain publishes, all at once, and what comes of each (R5, R6, R7).
//!
//! Never two of one owner to one subject in one round: a time-out between them would turn them round. A message that
//! the server knows already is read back: the same event is its answer, another one is a conflict, and a void one is
//! no answer at all, so the event goes again under an id with the void place in it.

use std::collections::{HashMap, HashSet};

use tidings_protocol::Seq;

use super::append::{AppendError, Appended, Outage};
use super::job::Job;
use super::lane::{Lane, Pause, unavailable};
use super::same::same_event;
use super::wire::{Closed, Kind, Refusal, Reply};

/// Most events read to see whether a subject holds void ones only.
const EMPTY_LOOK_EVENTS: usize = 64;

/// What an answer means for a job.
enum Verdict {
    /// It has its answer.
    Answered(Result<Appended, AppendError>),
    /// It must be asked again, perhaps under another id.
    Again,
}

impl Lane {
    /// Settles the jobs in as many rounds as order needs.
    pub(super) async fn settle_plain(&mut self, jobs: Vec<Job>) -> Result<(), Closed> {
        let mut left = jobs;
        while !left.is_empty() {
            let mut places = HashSet::new();
            let (round, later): (Vec<Job>, Vec<Job>) = left.into_iter().partition(|job| places.insert(job.place()));
            self.settle_round(round).await?;
            left = later;
        }
        Ok(())
    }

    async fn settle_round(&mut self, round: Vec<Job>) -> Result<(), Closed> {
        let mut pause = Pause::new();
        let mut open = round;
        loop {
            let fit = self.fit(open);
            open = self.stamp(fit).await;
            if open.is_empty() {
                return Ok(());
            }
            open = self.attempt_round(open).await?;
            if !open.is_empty() {
                self.pause(&mut pause).await;
            }
        }
    }

    /// Sends each once; gives back those that must be asked again.
    async fn attempt_round(&mut self, jobs: Vec<Job>) -> Result<Vec<Job>, Closed> {
        let mut until = self.attempt_ends();
        self.shared.counters.plain_messages.add(jobs.len());
        let mut open: HashMap<u64, Job> = HashMap::with_capacity(jobs.len());
        let mut again = Vec::new();
        for mut job in jobs {
            let number = self.wire.number();
            let sending = self.wire.send(&job, Some(number), None);
            let sent = tokio::time::timeout_at(until.into(), sending).await;
            // Handed over or not, once it was tried it may get there.
            job.unknown = job.unknown || sent != Ok(true);
            open.insert(number, job);
        }
        while !open.is_empty() {
            let Some((number, reply)) = self.reply(until).await? else {
                break;
            };
            // Each is synced by itself: while answers come, the server is at work on the rest.
            until = self.attempt_ends();
            if let Some(job) = open.remove(&number) {
                again.extend(self.answer(job, reply).await);
            }
        }
        for mut job in open.into_values() {
            job.unknown = true;
            again.push(job);
        }
        Ok(again)
    }

    /// Gives a job its answer, or gives it back.
    async fn answer(&mut self, mut job: Job, reply: Reply) -> Option<Job> {
        let verdict = match reply {
            Reply::Stored { seq, duplicate: false, .. } => {
                let appended = Appended { seq, duplicate: false };
                self.stored(job, appended);
                return None;
            }
            Reply::Stored { seq, .. } => self.look_at(&mut job, seq).await,
            Reply::NoResponders => Verdict::Again,
            Reply::Refused(refusal) => self.refused(&mut job, refusal).await,
            Reply::Staged | Reply::Strange => {
                job.unknown = true;
                Verdict::Again
            }
        };
        match verdict {
            Verdict::Again => Some(job),
            Verdict::Answered(Ok(appended)) => {
                job.finish(Ok(appended));
                None
            }
            Verdict::Answered(Err(error)) => {
                job.refuse(error);
                None
            }
        }
    }

    async fn refused(&self, job: &mut Job, refusal: Refusal) -> Verdict {
        let error = match refusal.kind() {
            Kind::Again => return Verdict::Again,
            Kind::NotEmpty if job.expect.is_some() => return self.look_at_first(job).await,
            Kind::Full => AppendError::LogFull,
            Kind::TooLarge => AppendError::TooLarge,
            Kind::NotEmpty | Kind::Duplicate | Kind::Other => {
                unavailable(Outage::Refused { code: refusal.code, text: refusal.text })
            }
        };
        Verdict::Answered(Err(error))
    }

    /// The server has the job's id at `seq`: is it this event, another one, or a void one?
    async fn look_at(&self, job: &mut Job, seq: Seq) -> Verdict {
        let stored = match self.log.stored(self.stream, seq).await {
            Ok(Some(stored)) => stored,
            // Gone already, so nothing can be said about it.
            Ok(None) => return Verdict::Answered(Err(AppendError::OutcomeUnknown)),
            Err(_) => return Verdict::Again,
        };
        if stored.void {
            self.append_after_void(job, seq);
            return Verdict::Again;
        }
        // Read back, so it is known now, whatever became of our own attempts.
        job.unknown = false;
        Verdict::Answered(match same_event(&stored.payload, &job.append.payload) {
            true => Ok(Appended { seq, duplicate: true }),
            false => Err(AppendError::Conflict { seq }),
        })
    }

    /// The subject has events though the job asks for an empty one: is the first one that is not void this very job's?
    ///
    /// Servers look at the expected place before they look at the id, so a repeat comes out here.
    async fn look_at_first(&self, job: &mut Job) -> Verdict {
        let mut after = 0;
        for _ in 0..EMPTY_LOOK_EVENTS {
            let stored = match self.log.stored_after(&job.append.subject, after).await {
                Ok(Some(stored)) => stored,
                Ok(None) => {
                    // Nothing but void events: the next attempt stands after the last of them.
                    job.expect = Some(after);
                    return Verdict::Again;
                }
                Err(_) => return Verdict::Again,
            };
            let ours = job.id.is_some() && stored.msg_id.as_deref() == job.id.as_ref().map(|id| id.as_str());
            if !stored.void {
                job.unknown = false;
                let same = ours && same_event(&stored.payload, &job.append.payload);
                return Verdict::Answered(match (ours, same) {
                    (true, true) => Ok(Appended { seq: stored.seq, duplicate: true }),
                    (true, false) => Err(AppendError::Conflict { seq: stored.seq }),
                    (false, _) => Err(AppendError::NotEmpty),
                });
            }
            if ours {
                self.append_after_void(job, stored.seq);
            }
            after = stored.seq;
        }
        Verdict::Answered(Err(AppendError::NotEmpty))
    }

    /// A void event holds the id: the job goes on under the next one, and with a new deadline, since what may still
    /// come of the old attempts stands under the old id.
    fn append_after_void(&self, job: &mut Job, seq: Seq) {
        self.shared.counters.voids.add(1);
        job.id = job.id.as_ref().map(|id| id.after_void(seq));
        job.stamp = None;
        job.unknown = false;
    }
}
