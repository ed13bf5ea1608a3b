//! A feed that remembers in NATS how far its worker is done (R11): for the worker that needs no store to go on.
//!
//! The progress is a record `{epoch, seq}`, written by compare-and-set and never backwards, beside an ordinary feed. A
//! durable consumer with acks would remember the same number, but the server would also keep every event between the
//! floor and the newest in memory (a minute of windows at 20,000 events a second is over a million), and would give
//! them again only after its own time-out when the worker starts anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_protocol::Seq;

use super::{Feed, FeedError, FeedEvent};
use crate::bucket::{Bucket, BucketError};
use crate::log::Log;
use crate::streams::PROGRESS_BUCKET;
use crate::subjects::StreamName;

/// How often a write that lost against another writer is tried.
const WRITE_ATTEMPTS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Progress {
    epoch: u64,
    seq: Seq,
}

/// A feed that remembers in NATS how far its worker is done.
#[derive(Debug)]
pub struct DurableFeed {
    feed: Feed,
    bucket: Bucket,
    worker: String,
    key: String,
    progress: Progress,
    revision: u64,
}

impl DurableFeed {
    /// The feed of `worker` (letters, digits, `_`, `-`) on `stream`, from behind what it was done with.
    ///
    /// # Errors
    /// When stream or progress cannot be read, or the progress is of another stream of that name.
    pub async fn open(log: &Log, stream: StreamName, worker: &str) -> Result<Self, FeedError> {
        let epoch = log.state(stream).await?.epoch;
        let bucket = Bucket::new(log.client().clone(), PROGRESS_BUCKET);
        let key = format!("{worker}.{stream}");
        let failed = |source| FeedError::Progress { what: "read", worker: worker.to_owned(), source };
        let found = bucket.read::<Progress>(&key).await.map_err(failed)?;
        let (progress, revision) = match found {
            Some(found) => (found.value, found.revision),
            None => (Progress { epoch, seq: 0 }, 0),
        };
        if progress.epoch != epoch {
            return Err(FeedError::OtherStream { worker: worker.to_owned(), found: progress.epoch, wanted: epoch });
        }
        Ok(Self {
            feed: Feed::from(log, stream, progress.seq + 1),
            bucket,
            worker: worker.to_owned(),
            key,
            progress,
            revision,
        })
    }

    /// See [`Feed::next`].
    ///
    /// # Errors
    /// See [`Feed::next`].
    pub async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<FeedEvent>, FeedError> {
        self.feed.next(max, wait).await
    }

    /// See [`Feed::position`].
    pub fn position(&self) -> Seq {
        self.feed.position()
    }

    /// The worker is done with everything up to `seq`. Never goes back. On disk when this returns.
    ///
    /// # Errors
    /// When it could not be written down; ask again.
    pub async fn ack_to(&mut self, seq: Seq) -> Result<(), FeedError> {
        for _ in 0..WRITE_ATTEMPTS {
            if seq <= self.progress.seq {
                return Ok(());
            }
            let wanted = Progress { seq, ..self.progress };
            match self.bucket.write(&self.key, &wanted, self.revision).await {
                Ok(revision) => {
                    self.progress = wanted;
                    self.revision = revision;
                    return Ok(());
                }
                // Another worker for a moment, or our own write whose answer was lost: the larger one holds.
                Err(BucketError::Raced) => self.read_again().await?,
                Err(source) => return Err(self.failed("write", source)),
            }
        }
        Err(self.failed("write", BucketError::Raced))
    }

    async fn read_again(&mut self) -> Result<(), FeedError> {
        let found = self.bucket.read::<Progress>(&self.key).await;
        if let Some(found) = found.map_err(|source| self.failed("read", source))? {
            self.progress = found.value;
            self.revision = found.revision;
        }
        Ok(())
    }

    fn failed(&self, what: &'static str, source: BucketError) -> FeedError {
        FeedError::Progress { what, worker: self.worker.clone(), source }
    }

    /// Up to where the worker was done when last written down; 0 for nothing.
    pub fn acked(&self) -> Seq {
        self.progress.seq
    }
}
