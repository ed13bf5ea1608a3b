//! `[auth]`

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tokens::AppTokenSettings;
use crate::units::{BadSetting, millis};

/// Least memory of a password hash in KiB, and least rounds: what the OWASP cheat sheet asks of argon2id.
const HASH_FLOOR: (u32, u32) = (19 * 1024, 2);
/// Longest life of an access token: it cannot be taken back before.
const ACCESS_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Accounts, and the tokens of the app's own backend.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// `access_ttl_ms`: how long an access token is valid, in milliseconds; also how long a session may outlive a
    /// log-out. Whole seconds, at most a day. Default 900000.
    #[serde(rename = "access_ttl_ms", with = "millis")]
    pub access_ttl: Duration,
    /// `refresh_ttl_ms`: how long a refresh token that is not used is valid, in milliseconds. Default 2592000000
    /// (30 days).
    #[serde(rename = "refresh_ttl_ms", with = "millis")]
    pub refresh_ttl: Duration,
    /// Memory of one password hash in KiB, at least 19456. Default 19456.
    pub hash_memory_kib: u32,
    /// Rounds of a password hash, at least 2. Default 2.
    pub hash_rounds: u32,
    /// Password hashes computed at the same time: each takes a core and its memory. Default 2.
    pub hash_concurrency: usize,
    /// Requests that may wait for their turn to hash; one more is refused with `overloaded`. Default 64.
    pub hash_waiting: usize,
    /// Log-ins with a wrong password that one handle may see at once, before they come at `handle_attempt_every_ms`.
    /// Default 10.
    pub handle_attempts: u32,
    /// `handle_attempt_every_ms`: after that, one more in this time, in milliseconds. Default 30000.
    #[serde(rename = "handle_attempt_every_ms", with = "millis")]
    pub handle_attempt_every: Duration,
    /// Registrations, log-ins and password changes that may come from one address at once (of IPv6 from one /64),
    /// before they come at `address_attempt_every_ms`. Default 100.
    pub address_attempts: u32,
    /// `address_attempt_every_ms`: after that, one more in this time, in milliseconds. Default 500.
    #[serde(rename = "address_attempt_every_ms", with = "millis")]
    pub address_attempt_every: Duration,
    /// The tokens of the app's own backend.
    pub app: AppTokenSettings,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            hash_memory_kib: HASH_FLOOR.0,
            hash_rounds: HASH_FLOOR.1,
            hash_concurrency: 2,
            hash_waiting: 64,
            handle_attempts: 10,
            handle_attempt_every: Duration::from_secs(30),
            address_attempts: 100,
            address_attempt_every: Duration::from_millis(500),
            app: AppTokenSettings::default(),
        }
    }
}

impl AuthSettings {
    /// Whether the values can be meant and fit each other.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), BadSetting> {
        if self.access_ttl > ACCESS_TTL_MAX || self.access_ttl < Duration::from_secs(1) {
            return BadSetting::of("auth.access_ttl_ms", "must be 1000 to 86400000");
        }
        if self.refresh_ttl <= self.access_ttl {
            return BadSetting::of("auth.refresh_ttl_ms", "must be more than auth.access_ttl_ms");
        }
        if self.hash_memory_kib < HASH_FLOOR.0 {
            return BadSetting::of("auth.hash_memory_kib", "must be at least 19456");
        }
        if self.hash_rounds < HASH_FLOOR.1 {
            return BadSetting::of("auth.hash_rounds", "must be at least 2");
        }
        if self.hash_concurrency == 0 {
            return BadSetting::of("auth.hash_concurrency", "must be at least 1");
        }
        if self.handle_attempts == 0 {
            return BadSetting::of("auth.handle_attempts", "must be at least 1");
        }
        if self.address_attempts == 0 {
            return BadSetting::of("auth.address_attempts", "must be at least 1");
        }
        self.app.check()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_weaker_hashing_is_refused() {
        assert_eq!(AuthSettings::default().check(), Ok(()));
        for (bad, key) in [
            (r#"{"hash_memory_kib":19455}"#, "auth.hash_memory_kib"),
            (r#"{"hash_rounds":1}"#, "auth.hash_rounds"),
            (r#"{"hash_concurrency":0}"#, "auth.hash_concurrency"),
            (r#"{"handle_attempts":0}"#, "auth.handle_attempts"),
            (r#"{"address_attempts":0}"#, "auth.address_attempts"),
            (r#"{"access_ttl_ms":86400001}"#, "auth.access_ttl_ms"),
            (r#"{"refresh_ttl_ms":900000}"#, "auth.refresh_ttl_ms"),
            (r#"{"app":{"algorithms":["HS256"]}}"#, "auth.app.shared_key"),
        ] {
            let settings: AuthSettings = serde_json::from_str(bad).unwrap();
            assert_eq!(settings.check().unwrap_err().key, key, "{bad}");
        }
        for bad in [r#"{"access_ttl":1}"#, r#"{"access_ttl_ms":0}"#, r#"{"hash_rounds":-1}"#] {
            assert!(serde_json::from_str::<AuthSettings>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_write_as_they_read() {
        let text = serde_json::to_string(&AuthSettings::default()).unwrap();
        assert_eq!(serde_json::from_str::<AuthSettings>(&text).unwrap(), AuthSettings::default());
    }
}
