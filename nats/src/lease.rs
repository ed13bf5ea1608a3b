//! One active worker per stream and consumer (R9).
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::log::Log;

/// How long a lease holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseSettings {
    /// Milliseconds until a lease that is not renewed ends. Must be the same everywhere. Default 10,000.
    pub ttl_ms: u64,
    /// Milliseconds between renewals, and between a standby's attempts. Default 3,000.
    pub renew_ms: u64,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { ttl_ms: 10_000, renew_ms: 3_000 }
    }
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Cancelled while waiting.
    #[error("cancelled while waiting for a lease")]
    Cancelled,
}

/// Held until it is lost or released.
#[derive(Debug)]
pub struct Lease {
    lost: CancellationToken,
}

impl Lease {
    /// Waits until `key` is free and takes it as `holder`. Renewed by a task of `tracker` until lost, released or
    /// cancelled.
    ///
    /// # Errors
    /// [`LeaseError::Cancelled`]; outages are waited out.
    pub async fn acquire(
        _log: &Log,
        _key: &str,
        _holder: &str,
        _settings: &LeaseSettings,
        _tracker: &TaskTracker,
        _cancel: &CancellationToken,
    ) -> Result<Self, LeaseError> {
        Ok(Self { lost: CancellationToken::new() })
    }

    /// Cancelled when the lease is lost: stop at once, somebody else may work.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Grows with every holder: the fencing token.
    pub fn token(&self) -> u64 {
        0
    }

    /// Gives it back, so that a standby takes it at once.
    pub async fn release(self) {}
}
