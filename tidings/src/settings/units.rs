//! Units in the names of keys (`deadline_ms`, `disk_free_min_mib`) and types in the code.

/// A `Duration` written as whole milliseconds, at least one.
pub(super) mod millis {
    use std::time::Duration;

    use serde::de::{Deserialize, Deserializer, Error};

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        match u64::deserialize(from)? {
            0 => Err(D::Error::custom("must be at least 1 ms")),
            ms => Ok(Duration::from_millis(ms)),
        }
    }

    #[cfg(test)]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    pub(in crate::settings) fn serialize<S: serde::Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).map_err(serde::ser::Error::custom)?)
    }
}

/// A number of bytes written as whole MiB.
pub(super) mod mebibytes {
    use serde::de::{Deserialize, Deserializer, Error};

    /// 1 MiB, in bytes.
    const MIB: u64 = 1 << 20;

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        u64::deserialize(from)?.checked_mul(MIB).ok_or_else(|| D::Error::custom("is more MiB than there can be"))
    }

    #[cfg(test)]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    pub(in crate::settings) fn serialize<S: serde::Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value / MIB)
    }
}
