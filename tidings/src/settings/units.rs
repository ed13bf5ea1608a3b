//! Units in the names of keys (`deadline_ms`, `disk_free_min_mib`) and types in the code.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// 1 MiB, in bytes.
const MIB: u64 = 1 << 20;

/// A `Duration` written as whole milliseconds, at least one.
pub(super) fn millis<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    match u64::deserialize(from)? {
        0 => Err(D::Error::custom("must be at least 1 ms")),
        ms => Ok(Duration::from_millis(ms)),
    }
}

/// A number of bytes written as whole MiB.
pub(super) fn mebibytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    u64::deserialize(from)?.checked_mul(MIB).ok_or_else(|| D::Error::custom("is more MiB than there can be"))
}
