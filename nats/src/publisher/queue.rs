//! What waits in one lane: bounded, served owner by owner.
//!
//! Protects neighbours from a flooder (R7): each owner has a bounded share and gives one message per round, so a sender
//! with one message waits for at most one message of everybody else, however much somebody sends. Within an owner the
//! order of submission holds. Who loses when a bound is reached: the one who submits, at once, with `QueueFull`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::append::{AppendError, Outage, Owner};
use super::job::Job;
use crate::settings::PublishSettings;

/// The queue of one lane.
#[derive(Debug)]
pub(super) struct Queue {
    // Guards the waiting jobs; held for one push or one group, never over an await.
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    owners: HashMap<Owner, VecDeque<Job>>,
    /// Each owner with something waiting, once, in the order of service.
    ring: VecDeque<Owner>,
    messages: usize,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::new(Inner::default()), arrived: Notify::new() }
    }

    /// Adds a job, or gives it back with the reason.
    pub(super) fn push(&self, job: Job, settings: &PublishSettings) -> Result<(), Box<(Job, AppendError)>> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(Box::new((job, AppendError::Stopped)));
        }
        let owner = job.append.owner;
        let share = inner.owners.get(&owner).map_or(0, VecDeque::len);
        if share >= settings.owner_messages
            || inner.messages >= settings.queue_messages
            || inner.bytes + job.bytes() > settings.queue_bytes
        {
            return Err(Box::new((job, AppendError::QueueFull)));
        }
        inner.messages += 1;
        inner.bytes += job.bytes();
        inner.owners.entry(owner).or_default().push_back(job);
        if share == 0 {
            inner.ring.push_back(owner);
        }
        drop(inner);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next group, as soon as there is one; `None` when closed and empty.
    pub(super) async fn next(&self, settings: &PublishSettings) -> Option<Vec<Job>> {
        loop {
            {
                let mut inner = self.inner.lock();
                let group = inner.take(settings);
                if !group.is_empty() {
                    return Some(group);
                }
                if inner.closed {
                    return None;
                }
            }
            // One waiter, and a permit is kept when a push comes first: nothing is missed.
            self.arrived.notified().await;
        }
    }

    /// Takes nothing new; what waits is still served.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.inner.lock().messages
    }

    /// Refuses what has waited too long.
    pub(super) fn refuse_older_than(&self, wait: Duration) {
        let now = Instant::now();
        let old = self.remove_if(|job| now.duration_since(job.queued_at) >= wait);
        for job in old {
            let waited = job.queued_at.elapsed().as_millis();
            let waited_ms = u64::try_from(waited).unwrap_or(u64::MAX);
            job.refuse(AppendError::Unavailable { source: Outage::Waited { waited_ms } });
        }
    }

    /// Refuses everything that waits.
    pub(super) fn refuse_all(&self, outage: &Outage) {
        for job in self.remove_if(|_| true) {
            let source = outage.clone();
            job.refuse(AppendError::Unavailable { source });
        }
    }

    /// Answers go out after the lock is given back.
    fn remove_if(&self, mut unwanted: impl FnMut(&Job) -> bool) -> Vec<Job> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut removed = Vec::new();
        // An owner's first is its oldest: mostly there is nothing to do.
        let mut firsts = inner.owners.values().filter_map(VecDeque::front);
        if !firsts.any(&mut unwanted) {
            return removed;
        }
        for jobs in inner.owners.values_mut() {
            let (out, kept): (VecDeque<Job>, _) = jobs.drain(..).partition(|job| unwanted(job));
            *jobs = kept;
            removed.extend(out);
        }
        inner.owners.retain(|_, jobs| !jobs.is_empty());
        inner.ring.retain(|owner| inner.owners.contains_key(owner));
        inner.messages -= removed.len();
        inner.bytes -= removed.iter().map(Job::bytes).sum::<usize>();
        removed
    }
}

/// What a group may hold.
struct Bounds {
    messages: usize,
    bytes: usize,
    /// It goes as plain publishes: never two of one owner to one subject, and jobs that go alone may come along.
    plain: bool,
}

impl Inner {
    fn bounds(&self, settings: &PublishSettings) -> Bounds {
        let first = self.ring.front().and_then(|owner| self.owners.get(owner)?.front());
        let alone = first.is_some_and(|job| job.alone);
        let few = self.messages < settings.pipeline_below;
        let plain = !settings.group_commit || few || alone;
        Bounds {
            messages: match plain && settings.group_commit {
                true => settings.pipeline_below.max(1),
                false => settings.batch_messages.max(1),
            },
            bytes: settings.batch_bytes,
            plain,
        }
    }

    /// One job per owner and round, until a bound is reached or nobody has one that may come along.
    fn take(&mut self, settings: &PublishSettings) -> Vec<Job> {
        let bounds = self.bounds(settings);
        let mut group: Vec<Job> = Vec::new();
        let mut bytes = 0;
        let mut places = HashSet::new();
        let mut passed_over = VecDeque::new();
        while let Some(owner) = self.ring.pop_front() {
            let Some(jobs) = self.owners.get_mut(&owner) else {
                continue;
            };
            let Some(job) = jobs.front() else {
                continue;
            };
            let too_much = bytes + job.bytes() > bounds.bytes && !group.is_empty();
            if group.len() >= bounds.messages || too_much {
                self.ring.push_front(owner);
                break;
            }
            let comes_along = match bounds.plain {
                true => places.insert(job.place()),
                false => !job.alone,
            };
            if !comes_along {
                passed_over.push_back(owner);
                continue;
            }
            bytes += job.bytes();
            group.extend(jobs.pop_front());
            match jobs.is_empty() {
                true => drop(self.owners.remove(&owner)),
                false => self.ring.push_back(owner),
            }
        }
        // Whoever was passed over is first in the next group.
        passed_over.append(&mut self.ring);
        self.ring = passed_over;
        self.messages -= group.len();
        self.bytes -= bytes;
        group
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::Arc;

    use bytes::Bytes;
    use tidings_protocol::ChatId;
    use uuid::Uuid;

    use super::super::append::Append;
    use super::super::job::Shared;
    use super::super::recent::Recent;
    use super::super::stats::Counters;
    use super::*;
    use crate::subjects::Subject;

    fn job(owner: u64, chat: u128, text: &'static str, alone: bool) -> Job {
        let shared = Arc::new(Shared { counters: Counters::default(), recent: Mutex::new(Recent::new(1, 1)) });
        let subject = Subject::chat(ChatId(Uuid::from_u128(chat)));
        let append = Append::new(subject, Owner(owner), None, Bytes::from(text));
        Job::new(append, 0, None, alone, &shared).0
    }

    fn pushed(jobs: impl IntoIterator<Item = Job>, settings: &PublishSettings) -> Queue {
        let queue = Queue::new();
        for job in jobs {
            queue.push(job, settings).map_err(|_| ()).unwrap();
        }
        queue
    }

    fn owners(group: &[Job]) -> Vec<u64> {
        group.iter().map(|job| job.append.owner.0).collect()
    }

    #[tokio::test]
    async fn a_flooder_takes_one_turn_per_round() {
        let settings = PublishSettings::default();
        let flood = (0..200).map(|_| job(1, 1, "x", false));
        let others = [job(2, 2, "a", false), job(3, 3, "b", false), job(2, 2, "c", false)];
        let queue = pushed(flood.chain(others), &settings);
        let group = queue.next(&settings).await.unwrap();
        assert_eq!(group.len(), 203);
        assert_eq!(owners(&group)[..6], [1, 2, 3, 1, 2, 1]);
    }

    #[test]
    fn the_flooder_is_refused_and_its_neighbour_is_not() {
        let settings = PublishSettings { owner_messages: 3, queue_messages: 5, ..PublishSettings::default() };
        let queue = pushed((0..3).map(|_| job(1, 1, "x", false)), &settings);
        let refused = queue.push(job(1, 1, "x", false), &settings).unwrap_err();
        assert_eq!(refused.1, AppendError::QueueFull);
        queue.push(job(2, 1, "x", false), &settings).map_err(|_| ()).unwrap();
        queue.push(job(3, 1, "x", false), &settings).map_err(|_| ()).unwrap();
        let refused = queue.push(job(4, 1, "x", false), &settings).unwrap_err();
        assert_eq!(refused.1, AppendError::QueueFull);
        assert_eq!(queue.len(), 5);
    }

    #[tokio::test]
    async fn a_small_group_never_holds_two_of_one_owner_to_one_subject() {
        let settings = PublishSettings::default();
        let jobs = [job(1, 1, "1", false), job(1, 1, "2", false), job(1, 9, "3", false), job(2, 1, "4", false)];
        let queue = pushed(jobs, &settings);
        let texts = |group: Vec<Job>| -> Vec<Bytes> { group.into_iter().map(|job| job.append.payload).collect() };
        assert_eq!(texts(queue.next(&settings).await.unwrap()), ["1", "4"]);
        // "3" waited behind "2": an owner's messages are taken in the order of submission.
        assert_eq!(texts(queue.next(&settings).await.unwrap()), ["2", "3"]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn what_goes_alone_is_left_out_of_a_batch_and_served_next() {
        let settings = PublishSettings::default();
        let many = (10..40).map(|owner| job(owner, 1, "x", false));
        let queue = pushed(many.chain([job(1, 1, "alone", true), job(1, 1, "after", false)]), &settings);
        let batch = queue.next(&settings).await.unwrap();
        assert_eq!(batch.len(), 30);
        assert!(batch.iter().all(|job| !job.alone));
        let next = queue.next(&settings).await.unwrap();
        assert!(next[0].alone && next.len() == 1);
        assert_eq!(owners(&queue.next(&settings).await.unwrap()), [1]);
    }

    #[tokio::test]
    async fn a_group_is_bounded_by_bytes_but_never_empty() {
        let settings = PublishSettings { batch_bytes: 10, pipeline_below: 1, ..PublishSettings::default() };
        let queue = pushed((0..3).map(|owner| job(owner, 1, "123456", false)), &settings);
        for owner in 0..3 {
            assert_eq!(owners(&queue.next(&settings).await.unwrap()), [owner]);
        }
        let large = "a text of more than ten bytes";
        let queue = pushed([job(7, 1, large, false)], &settings);
        assert_eq!(owners(&queue.next(&settings).await.unwrap()), [7]);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_has_and_then_nothing() {
        let settings = PublishSettings::default();
        let queue = pushed([job(1, 1, "x", false)], &settings);
        queue.close();
        let refused = queue.push(job(2, 1, "y", false), &settings).unwrap_err();
        assert_eq!(refused.1, AppendError::Stopped);
        assert_eq!(queue.next(&settings).await.unwrap().len(), 1);
        assert!(queue.next(&settings).await.is_none());
    }

    #[test]
    fn what_waited_too_long_is_refused_and_counted_out() {
        let settings = PublishSettings::default();
        let queue = pushed((0..4).map(|owner| job(owner, 1, "x", false)), &settings);
        queue.refuse_older_than(Duration::from_secs(60));
        assert_eq!(queue.len(), 4);
        queue.refuse_older_than(Duration::ZERO);
        assert_eq!(queue.len(), 0);
        assert!(queue.inner.lock().ring.is_empty());
    }
}
