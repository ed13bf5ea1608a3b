//! Password hashes (argon2id), bounded.
//!
//! A hash costs 19 MiB and tens of milliseconds of a core by design, so whoever may ask for hashes may take the machine
//! down. So: a fixed number at a time, on the blocking pool, a fixed number waiting for their turn, and whoever comes
//! then is refused at once. The places are held by the work itself, not by the request: a client that hangs up does
//! not make room before its hash is done.
//!
//! A log-in under a handle that nobody has costs the same hash as one with a wrong password ([`Hasher::verify`] with
//! `None`), so time does not tell who has an account.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashFault, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tidings_protocol::{ErrorCode, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AuthSettings;

/// How long a client waits when there was no place.
const BUSY_RETRY_AFTER_MS: u64 = 1_000;

/// No hash was computed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// As many work and wait as may.
    #[error("no place to compute a password hash")]
    Busy,
    /// The parameters are none that argon2 takes, or there is no randomness.
    #[error("could not compute a password hash")]
    Compute(#[source] HashFault),
    /// The stored text is no password hash.
    #[error("stored password hash cannot be read")]
    Stored(#[source] HashFault),
    /// The computation panicked or was cancelled, which happens only as the process ends.
    #[error("computation of a password hash was cut")]
    Cut(#[source] tokio::task::JoinError),
}

impl From<HashError> for Refusal {
    fn from(error: HashError) -> Self {
        if matches!(error, HashError::Busy) {
            return Self::new(ErrorCode::Overloaded, "too many log-ins at once").after_ms(BUSY_RETRY_AFTER_MS);
        }
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, source, "password hash failed");
        Self::new(ErrorCode::Internal, "the password could not be checked")
    }
}

/// Computes and checks password hashes.
#[derive(Clone, Debug)]
pub struct Hasher {
    params: Params,
    /// Who works or waits: full means refused.
    places: Arc<Semaphore>,
    /// Who works: full means waiting.
    turns: Arc<Semaphore>,
    /// Of a password nobody knows, for handles nobody has.
    stand_in: Arc<str>,
}

impl Hasher {
    /// A hasher. Computes one hash right here, for handles that nobody has.
    ///
    /// # Errors
    /// [`HashError::Compute`].
    pub fn new(settings: &AuthSettings) -> Result<Self, HashError> {
        let params = Params::new(settings.hash_memory_kib, settings.hash_rounds, 1, None)
            .map_err(|error| HashError::Compute(error.into()))?;
        let nobody: [u8; 32] = rand::random();
        Ok(Self {
            stand_in: compute(&params, &nobody)?.into(),
            params,
            places: Arc::new(Semaphore::new(settings.hash_concurrency + settings.hash_waiting)),
            turns: Arc::new(Semaphore::new(settings.hash_concurrency)),
        })
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let params = self.params.clone();
        self.run(move || compute(&params, password.as_bytes())).await
    }

    /// Whether `stored` is the hash of `password`; `None` costs the same and is `false`.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashError> {
        let stand_in = Arc::clone(&self.stand_in);
        self.run(move || {
            let text = stored.as_deref().unwrap_or(&stand_in);
            let hash = PasswordHash::new(text).map_err(|error| HashError::Stored(error.into()))?;
            // The parameters are those in the hash.
            match Argon2::default().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(stored.is_some()),
                Err(HashFault::PasswordInvalid) => Ok(false),
                Err(error) => Err(HashError::Stored(error)),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Busy)?;
        // Closed is as good as busy: nobody closes it.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| HashError::Busy)?;
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(held);
            done
        });
        done.await.map_err(HashError::Cut)?
    }
}

fn compute(params: &Params, password: &[u8]) -> Result<String, HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash = argon2.hash_password(password).map_err(HashError::Compute)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn hasher(concurrency: usize, waiting: usize) -> Hasher {
        let settings = AuthSettings { hash_concurrency: concurrency, hash_waiting: waiting, ..AuthSettings::default() };
        Hasher::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_and_no_other() {
        let hasher = hasher(1, 1);
        let hash = hasher.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash("correct horse".to_owned()).await.unwrap(), "salted");
        assert!(hasher.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("battery staple".to_owned(), Some(hash)).await.unwrap());
        assert!(!hasher.verify("correct horse".to_owned(), None).await.unwrap());
        let damaged = hasher.verify("correct horse".to_owned(), Some("$argon2id$x".to_owned())).await;
        assert!(matches!(damaged, Err(HashError::Stored(_))));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_work_at_once_than_allowed_and_the_rest_is_refused() {
        let hasher = hasher(2, 3);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(AtomicBool::new(false));
        let start = || {
            let (hasher, now, most, gate) = (hasher.clone(), now.clone(), most.clone(), gate.clone());
            tokio::spawn(async move {
                let work = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    while !gate.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                hasher.run(work).await
            })
        };
        let working = [start(), start()];
        while now.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        let waiting = [start(), start(), start()];
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.hash("one too many".to_owned()).await, Err(HashError::Busy)));
        // Who waits and hangs up leaves its place at once; whose hash is being computed does not.
        let [first, others @ ..] = waiting;
        let [cut, whole] = working;
        for left in [first, cut] {
            left.abort();
            assert!(left.await.unwrap_err().is_cancelled());
        }
        assert_eq!(hasher.places.available_permits(), 1);
        gate.store(true, Ordering::SeqCst);
        for one in others.into_iter().chain([whole]) {
            one.await.unwrap().unwrap();
        }
        while now.load(Ordering::SeqCst) > 0 || hasher.places.available_permits() < 5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        let refusal = Refusal::from(HashError::Busy);
        assert_eq!((refusal.code, refusal.retry_after_ms), (ErrorCode::Overloaded, Some(1_000)));
    }
}
