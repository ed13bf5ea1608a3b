//! Keeps the public keys of the app's backend at hand.
//!
//! The backend changes its keys while tokens signed with the new one are already on their way here, and its key
//! endpoint may be down when it matters. So: the last good set is kept until another good one is read; a token that
//! names an unknown key causes one more reading, at most one per `jwks_refetch_min` for all tokens together, because
//! anybody can invent key ids; and the set is read again from time to time, so that a withdrawn key ends here too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fetch::Document;
use super::key_set::KeySet;
use super::{AppTokenSettings, FetchError, KeySetError, TokenAlgorithm};

/// The keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("could not read the key file")]
    File(#[source] std::io::Error),
    /// The address cannot be used or read.
    #[error("could not fetch the keys")]
    Fetch(#[source] FetchError),
    /// It took too long.
    #[error("the keys did not arrive in time")]
    TimedOut,
    /// What was read is no key set.
    #[error("could not use the key set")]
    Set(#[source] KeySetError),
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url(Box<Document>),
}

/// The key set and where it comes from.
#[derive(Debug)]
pub(super) struct Jwks {
    source: Source,
    allowed: Vec<TokenAlgorithm>,
    /// The last good set; empty until there was one. Held for a look or a swap, never over an await.
    set: RwLock<Arc<KeySet>>,
    /// When the last reading that a token caused began. Held over that reading, so that whoever comes meanwhile waits
    /// for it and does not cause another.
    turn: tokio::sync::Mutex<Option<Instant>>,
    refresh: Duration,
    refetch_min: Duration,
    timeout: Duration,
}

impl Jwks {
    /// The set that the settings name, not read yet; `None` when they name none.
    pub(super) fn of(settings: &AppTokenSettings) -> Result<Option<Self>, KeysError> {
        let source = match (&settings.jwks_file, &settings.jwks_url) {
            (Some(path), _) => Source::File(path.clone()),
            (None, Some(url)) => Source::Url(Box::new(Document::at(url).map_err(KeysError::Fetch)?)),
            (None, None) => return Ok(None),
        };
        Ok(Some(Self {
            source,
            allowed: settings.algorithms.clone(),
            set: RwLock::default(),
            turn: tokio::sync::Mutex::new(None),
            refresh: settings.jwks_refresh,
            refetch_min: settings.jwks_refetch_min,
            timeout: settings.jwks_timeout,
        }))
    }

    /// The set at hand.
    pub(super) fn set(&self) -> Arc<KeySet> {
        Arc::clone(&self.set.read())
    }

    /// Whether the keys come from a file, which has to be there at the start.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// Reads the set now and keeps it when it is good.
    pub(super) async fn read(&self) -> Result<(), KeysError> {
        let bytes = tokio::time::timeout(self.timeout, self.bytes()).await.map_err(|_| KeysError::TimedOut)??;
        let set = KeySet::parse(&bytes, &self.allowed).map_err(KeysError::Set)?;
        *self.set.write() = Arc::new(set);
        Ok(())
    }

    /// A token named a key that is not in the set: comes back when the set has been read once more, or at once when
    /// it was too short a time ago.
    pub(super) async fn read_again(&self) {
        let Ok(mut last) = tokio::time::timeout(self.timeout, self.turn.lock()).await else {
            return;
        };
        if last.is_some_and(|at| at.elapsed() < self.refetch_min) {
            return;
        }
        *last = Some(Instant::now());
        self.read_or_warn().await;
    }

    /// Reads the set from time to time until `stop`.
    pub(super) async fn keep_fresh(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(self.refresh)).await.is_some() {
            if stop.run_until_cancelled(self.read_or_warn()).await.is_none() {
                return;
            }
        }
    }

    pub(super) async fn read_or_warn(&self) {
        if let Err(error) = self.read().await {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, source, "token keys not read, last good set kept");
        }
    }

    async fn bytes(&self) -> Result<Bytes, KeysError> {
        match &self.source {
            Source::File(path) => tokio::fs::read(path).await.map(Bytes::from).map_err(KeysError::File),
            Source::Url(document) => document.read().await.map_err(KeysError::Fetch),
        }
    }
}
