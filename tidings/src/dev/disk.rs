//! The room on the disk, watched so that sends stop before the log's server meets a full disk: it switches JetStream
//! off then, and with it reading.
//!
//! Never frees anything, and never decides about a send: it tells, by a watch channel, those who do.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::health::PartHealth;
use crate::machine;
use crate::parts::{Drained, Part};

/// A full disk counts as having room again only with this much more than the minimum, so that it does not flap.
const ROOM_AGAIN_EXTRA_BYTES: u64 = 16 << 20;

/// Whether the disk can take more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskState {
    /// There is room.
    Room,
    /// Less than the minimum is free: sends are to be refused.
    Full,
}

/// The watch over one disk.
#[derive(Debug)]
pub(crate) struct DiskWatch {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What is watched.
#[derive(Debug)]
pub(crate) struct DiskSettings {
    /// A folder on the disk.
    pub(crate) folder: PathBuf,
    /// Room that must stay free.
    pub(crate) free_min_bytes: u64,
    /// Time between two looks.
    pub(crate) interval: Duration,
}

impl DiskWatch {
    /// Starts to look at the disk. The receiver holds the newest state; the disk has room to begin with.
    pub(crate) fn start(settings: DiskSettings, health: PartHealth) -> (Self, watch::Receiver<DiskState>) {
        let (tell, told) = watch::channel(DiskState::Room);
        let stop = CancellationToken::new();
        health.ready();
        let look = stop.clone().run_until_cancelled_owned(watch_disk(settings, health, tell));
        let task = tokio::spawn(async move {
            // Cancelled is the one way it ends.
            let _ = look.await;
        });
        (Self { stop, task }, told)
    }
}

async fn watch_disk(settings: DiskSettings, health: PartHealth, tell: watch::Sender<DiskState>) {
    let mut looks = tokio::time::interval(settings.interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let free_bytes = match machine::disk_free_bytes(&settings.folder) {
            Ok(bytes) => bytes,
            Err(error) => {
                warn!(%error, "could not look at the disk");
                continue;
            }
        };
        let before = *tell.borrow();
        let now = next_state(before, free_bytes, settings.free_min_bytes);
        let (free_mib, min_mib) = (free_bytes >> 20, settings.free_min_bytes >> 20);
        match (before, now) {
            (DiskState::Room, DiskState::Full) => {
                error!(free_mib, min_mib, "disk full, sends are refused until there is room");
                health.not_ready("the disk is full");
            }
            (DiskState::Full, DiskState::Room) => {
                info!(free_mib, min_mib, "disk has room again, sends are taken");
                health.ready();
            }
            _ => continue,
        }
        tell.send_replace(now);
    }
}

fn next_state(before: DiskState, free_bytes: u64, min_bytes: u64) -> DiskState {
    let needed = match before {
        DiskState::Room => min_bytes,
        DiskState::Full => min_bytes.saturating_add(ROOM_AGAIN_EXTRA_BYTES),
    };
    if free_bytes < needed { DiskState::Full } else { DiskState::Room }
}

#[async_trait]
impl Part for DiskWatch {
    fn name(&self) -> &'static str {
        "disk watch"
    }

    async fn failed(&mut self) -> String {
        match (&mut self.task).await {
            Ok(()) => "ended".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn drain(self: Box<Self>, _: Instant) -> Drained {
        self.stop.cancel();
        // It holds nothing that could be lost.
        let _ = self.task.await;
        Drained::Whole
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DiskSettings, DiskState, DiskWatch, next_state};
    use crate::health::Health;

    const MIB: u64 = 1 << 20;

    #[test]
    fn full_is_below_the_minimum_and_room_again_is_well_above() {
        assert_eq!(next_state(DiskState::Room, 128 * MIB, 128 * MIB), DiskState::Room);
        assert_eq!(next_state(DiskState::Room, 128 * MIB - 1, 128 * MIB), DiskState::Full);
        assert_eq!(next_state(DiskState::Full, 128 * MIB, 128 * MIB), DiskState::Full);
        assert_eq!(next_state(DiskState::Full, 144 * MIB, 128 * MIB), DiskState::Room);
    }

    #[tokio::test]
    async fn a_disk_with_too_little_room_is_told() {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let settings = DiskSettings {
            folder: home.path().to_owned(),
            free_min_bytes: u64::MAX,
            interval: Duration::from_millis(1),
        };
        let (_watch, mut told) = DiskWatch::start(settings, Health::default().part("disk"));
        let told = tokio::time::timeout(Duration::from_secs(10), told.wait_for(|state| *state == DiskState::Full));
        assert!(told.await.is_ok());
    }
}
