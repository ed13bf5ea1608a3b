//! One active worker per stream and consumer, others stand by (R9).
//!
//! A lease is a record that its holder renews. A standby that has seen the same revision for the holder's whole time
//! to live, on its own monotonic clock, takes it by compare-and-set; the holder counts from before it sent its last
//! renewal and gives up a fifth of the time earlier. So nobody's wall clock matters, and two hold it at once only when
//! a process was stopped and does not know yet: what a lease guards must bear that for a moment, as R9 says.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::bucket::{Bucket, BucketError, Entry};
use crate::log::Log;
use crate::streams::LEASES_BUCKET;

/// Pause before a renewal that failed is tried again, as a part of the time between renewals.
const RETRY_PARTS: u32 = 4;
/// The holder gives up this part of the time to live before it ends.
const MARGIN_PARTS: u32 = 5;

/// How long a lease holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseSettings {
    /// Milliseconds until a lease that is not renewed ends. Default 10,000.
    pub ttl_ms: u64,
    /// Milliseconds between renewals, and between a standby's looks. Default 3,000.
    pub renew_ms: u64,
    /// Nobody else can be running: what a crashed run left is taken at once. Set by the embedded installation, which holds
    /// the lock of its folder; not a setting.
    #[serde(skip)]
    pub alone: bool,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { ttl_ms: 10_000, renew_ms: 3_000, alone: false }
    }
}

impl LeaseSettings {
    fn renew(&self) -> Duration {
        Duration::from_millis(self.renew_ms.max(1))
    }

    fn held_for(&self) -> Duration {
        let ttl = Duration::from_millis(self.ttl_ms);
        ttl - ttl / MARGIN_PARTS
    }
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Cancelled while waiting.
    #[error("cancelled while waiting for a lease")]
    Cancelled,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Record {
    /// For people: who holds it. Empty: given back.
    holder: String,
    /// Tells two leases of one holder apart.
    lease: Uuid,
    ttl_ms: u64,
}

impl Record {
    fn is_free(&self) -> bool {
        self.holder.is_empty()
    }
}

/// Held until it is lost, released or dropped.
#[derive(Debug)]
pub struct Lease {
    token: u64,
    lost: CancellationToken,
    /// Ends the renewing task; what it holds then is given back when asked so.
    renewing: Option<(DropGuard, tokio::task::JoinHandle<Holding>)>,
}

/// What the renewing task knows.
#[derive(Debug)]
struct Holding {
    bucket: Bucket,
    key: String,
    record: Record,
    revision: u64,
    /// Before the last renewal that succeeded was sent.
    renewed_at: Instant,
}

impl Lease {
    /// Waits until `key` (letters, digits, `.`, `_`, `-`) is free and takes it as `holder`. A task of `tracker` renews it
    /// until it is lost, released or dropped.
    ///
    /// # Errors
    /// [`LeaseError::Cancelled`] when `cancel` comes first; outages are waited out.
    pub async fn acquire(
        log: &Log,
        key: &str,
        holder: &str,
        settings: &LeaseSettings,
        tracker: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Result<Self, LeaseError> {
        let holding =
            cancel.run_until_cancelled(wait_for(log, key, holder, settings)).await.ok_or(LeaseError::Cancelled)?;
        let (token, lost) = (holding.revision, CancellationToken::new());
        let stop = CancellationToken::new();
        let renewing = tracker.spawn(renew(holding, settings.clone(), lost.clone(), stop.clone()));
        tracing::info!(key, holder, token, "lease taken");
        Ok(Self { token, lost, renewing: Some((stop.drop_guard(), renewing)) })
    }

    /// Cancelled when the lease is lost: stop at once, somebody else may work.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Grows with every holder of a key: the fencing token.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Gives it back, so that a standby takes it at its next look.
    pub async fn release(mut self) {
        let Some((stop, renewing)) = self.renewing.take() else {
            return;
        };
        drop(stop);
        if let Ok(mut holding) = renewing.await
            && !self.lost.is_cancelled()
        {
            holding.record.holder.clear();
            // When it cannot be written, the lease ends by its time.
            let _ = holding.bucket.write(&holding.key, &holding.record, holding.revision).await;
        }
    }
}

/// Looks until the key is free, or its holder was silent for its whole time.
async fn wait_for(log: &Log, key: &str, holder: &str, settings: &LeaseSettings) -> Holding {
    let bucket = Bucket::new(log.client().clone(), LEASES_BUCKET);
    let record = Record { holder: holder.to_owned(), lease: Uuid::new_v4(), ttl_ms: settings.ttl_ms };
    let mut seen: Option<(Entry<Record>, Instant)> = None;
    let mut failing = false;
    loop {
        let looked_at = Instant::now();
        match take(&bucket, key, &record, settings.alone, &mut seen).await {
            Ok(Some(revision)) => {
                let key = key.to_owned();
                return Holding { bucket, key, record, revision, renewed_at: looked_at };
            }
            Ok(None) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(key, %error, "lease cannot be looked at");
            }
            Err(_) => {}
        }
        tokio::time::sleep(settings.renew()).await;
    }
}

/// One look; takes it when it may.
async fn take(
    bucket: &Bucket,
    key: &str,
    record: &Record,
    alone: bool,
    seen: &mut Option<(Entry<Record>, Instant)>,
) -> Result<Option<u64>, BucketError> {
    let now = Instant::now();
    let found = bucket.read::<Record>(key).await?;
    let replaces = match found {
        None => 0,
        // An earlier attempt of ours got there unheard.
        Some(entry) if entry.value == *record => return Ok(Some(entry.revision)),
        Some(entry) if alone || entry.value.is_free() => entry.revision,
        Some(entry) => {
            let ttl = Duration::from_millis(entry.value.ttl_ms);
            match seen {
                Some((known, since)) if known.revision == entry.revision => {
                    if now.duration_since(*since) < ttl {
                        return Ok(None);
                    }
                    entry.revision
                }
                _ => {
                    // Counted from now, after the answer: never earlier than the holder counts.
                    *seen = Some((entry, Instant::now()));
                    return Ok(None);
                }
            }
        }
    };
    match bucket.write(key, record, replaces).await {
        Ok(revision) => Ok(Some(revision)),
        Err(BucketError::Raced) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn renew(
    mut holding: Holding,
    settings: LeaseSettings,
    lost: CancellationToken,
    stop: CancellationToken,
) -> Holding {
    let mut pause = settings.renew();
    loop {
        let ends = holding.renewed_at + settings.held_for();
        let wait = pause.min(ends.saturating_duration_since(Instant::now()));
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return holding;
        }
        let left = ends.saturating_duration_since(Instant::now());
        // Bounded by what is left: a renewal that comes later is none.
        let renewed = tokio::time::timeout(left, holding.renew()).await;
        match renewed {
            Ok(Ok(())) => pause = settings.renew(),
            Ok(Err(BucketError::Raced)) => break,
            Ok(Err(_)) => pause = settings.renew() / RETRY_PARTS,
            Err(_) => break,
        }
    }
    tracing::warn!(key = holding.key, holder = holding.record.holder, "lease lost");
    lost.cancel();
    holding
}

impl Holding {
    async fn renew(&mut self) -> Result<(), BucketError> {
        let at = Instant::now();
        let revision = match self.bucket.write(&self.key, &self.record, self.revision).await {
            Err(BucketError::Raced) => {
                // Perhaps by ourselves: a renewal whose answer was lost.
                let found = self.bucket.read::<Record>(&self.key).await?;
                let ours = found.filter(|entry| entry.value == self.record);
                ours.ok_or(BucketError::Raced)?.revision
            }
            written => written?,
        };
        self.revision = revision;
        self.renewed_at = at;
        Ok(())
    }
}
