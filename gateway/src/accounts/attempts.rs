//! How often passwords may be tried: per handle and per address, in a table that never grows.
//!
//! Each key has a bucket of attempts that fills again with time. The buckets stand in a table of fixed size, at a place
//! given by a hash with a random seed: two keys may share a bucket, which only makes the limit a little stricter for
//! both, and nobody can aim at somebody else's bucket but by the key itself. An attempt is taken before the password is
//! looked at, so many at once get no more than one after the other.
//!
//! A handle's attempts are given back unless the password was wrong: someone with the right password is not slowed.
//! Somebody who keeps guessing a handle's password slows its owner too; the address limit bounds what one guesser costs.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_protocol::{ErrorCode, Refusal};
use tokio::time::Instant;

use super::AuthSettings;
use crate::units::whole_ms;

/// Buckets in one table, of 8 bytes each.
const BUCKETS: usize = 1 << 16;

/// The limits on trying passwords.
#[derive(Debug)]
pub(crate) struct Attempts {
    by_handle: Limit,
    by_address: Limit,
}

/// An attempt on a handle under way: dropped, it is given back; [`HandleAttempt::failed`] keeps it taken.
#[derive(Debug)]
#[must_use]
pub(crate) struct HandleAttempt<'a> {
    limit: &'a Limit,
    place: usize,
    keep: bool,
}

impl Attempts {
    pub(crate) fn new(settings: &AuthSettings) -> Self {
        Self {
            by_handle: Limit::new(settings.handle_attempts, settings.handle_attempt_every),
            by_address: Limit::new(settings.address_attempts, settings.address_attempt_every),
        }
    }

    /// One attempt from an address. Not given back: it costs us the same, right or wrong.
    ///
    /// # Errors
    /// `rate_limited`, with the wait.
    pub(crate) fn from(&self, address: IpAddr) -> Result<(), Refusal> {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            // Whoever has one address of a /64 has them all.
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        self.by_address.take(&network).map(drop).map_err(refusal)
    }

    /// One attempt on `key` (a handle, or a user).
    ///
    /// # Errors
    /// `rate_limited`, with the wait.
    pub(crate) fn on(&self, key: &str) -> Result<HandleAttempt<'_>, Refusal> {
        let place = self.by_handle.take(&key).map_err(refusal)?;
        Ok(HandleAttempt { limit: &self.by_handle, place, keep: false })
    }
}

impl HandleAttempt<'_> {
    /// The password was wrong.
    pub(crate) fn failed(mut self) {
        self.keep = true;
    }
}

impl Drop for HandleAttempt<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.limit.give_back(self.place);
        }
    }
}

fn refusal(wait: Duration) -> Refusal {
    Refusal::new(ErrorCode::RateLimited, "too many attempts").after_ms(whole_ms(wait).max(1))
}

/// `burst` at once, then one per `every`, for each key.
#[derive(Debug)]
struct Limit {
    /// For each bucket when it is full again, in milliseconds after `start`. Held for one look and change.
    full_at: Mutex<Box<[u64]>>,
    start: Instant,
    seed: RandomState,
    every_ms: u64,
    /// How far `full_at` may lie ahead before an attempt is refused.
    ahead_ms: u64,
}

impl Limit {
    fn new(burst: u32, every: Duration) -> Self {
        let every_ms = whole_ms(every).max(1);
        Self {
            full_at: Mutex::new(vec![0; BUCKETS].into_boxed_slice()),
            start: Instant::now(),
            seed: RandomState::new(),
            every_ms,
            ahead_ms: every_ms.saturating_mul(u64::from(burst.saturating_sub(1))),
        }
    }

    /// The bucket that an attempt was taken from, or how long to wait for one.
    fn take<K: Hash>(&self, key: &K) -> Result<usize, Duration> {
        #[expect(clippy::cast_possible_truncation, reason = "cut to the table's size anyway")]
        let place = self.seed.hash_one(key) as usize % BUCKETS;
        let now = whole_ms(self.start.elapsed());
        let mut table = self.full_at.lock();
        let full_at = table[place].max(now);
        let ahead = full_at - now;
        if ahead > self.ahead_ms {
            return Err(Duration::from_millis(ahead - self.ahead_ms));
        }
        table[place] = full_at.saturating_add(self.every_ms);
        Ok(place)
    }

    fn give_back(&self, place: usize) {
        let mut table = self.full_at.lock();
        table[place] = table[place].saturating_sub(self.every_ms);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn attempts() -> Attempts {
        Attempts::new(&AuthSettings {
            handle_attempts: 3,
            handle_attempt_every: Duration::from_secs(30),
            address_attempts: 2,
            address_attempt_every: Duration::from_secs(1),
            ..AuthSettings::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_use_a_handle_up_and_time_fills_it_again() {
        let attempts = attempts();
        for _ in 0..3 {
            attempts.on("alice").unwrap().failed();
        }
        let refusal = attempts.on("alice").unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (ErrorCode::RateLimited, Some(30_000)));
        drop(attempts.on("bob").unwrap());
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert_eq!(attempts.on("alice").unwrap_err().retry_after_ms, Some(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        attempts.on("alice").unwrap().failed();
        assert_eq!(attempts.on("alice").unwrap_err().retry_after_ms, Some(30_000));
    }

    #[tokio::test(start_paused = true)]
    async fn right_passwords_cost_nothing_but_many_at_once_are_no_way_around() {
        let attempts = attempts();
        for _ in 0..100 {
            drop(attempts.on("alice").unwrap());
        }
        let under_way: Vec<_> = (0..3).map(|_| attempts.on("alice").unwrap()).collect();
        assert_eq!(attempts.on("alice").unwrap_err().code, ErrorCode::RateLimited);
        drop(under_way);
        drop(attempts.on("alice").unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_an_ipv4_address_or_an_ipv6_network() {
        let attempts = attempts();
        let from = |address: &str| attempts.from(address.parse().unwrap());
        assert_eq!((from("10.0.0.1"), from("::ffff:10.0.0.1")), (Ok(()), Ok(())));
        assert_eq!(from("10.0.0.1").unwrap_err().retry_after_ms, Some(1_000));
        assert_eq!(from("10.0.0.2"), Ok(()));
        assert_eq!((from("2001:db8::1"), from("2001:db8::2")), (Ok(()), Ok(())));
        assert_eq!(from("2001:db8::ffff:3").unwrap_err().code, ErrorCode::RateLimited);
        assert_eq!(from("2001:db8:0:1::1"), Ok(()));
    }
}
