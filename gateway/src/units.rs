//! What all settings of this crate share: durations written as `..._ms`, and what is said of a value that cannot be.

/// A `Duration` written as whole milliseconds, at least one.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Error as _, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        match u64::deserialize(from)? {
            0 => Err(D::Error::custom("must be at least 1 ms")),
            ms => Ok(Duration::from_millis(ms)),
        }
    }

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).map_err(S::Error::custom)?)
    }
}

/// A setting that cannot be meant, or that does not fit another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("setting {key}: {detail}")]
pub struct BadSetting {
    /// Its key, dotted.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub detail: &'static str,
}

impl BadSetting {
    pub(crate) fn of(key: &'static str, detail: &'static str) -> Result<(), Self> {
        Err(Self { key, detail })
    }
}

/// A whole number of milliseconds for a client; what does not fit is as good as for ever.
pub(crate) fn whole_ms(wait: std::time::Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
