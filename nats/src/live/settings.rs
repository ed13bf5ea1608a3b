//! Bounds of the live reader. What reaches the servers is in [`crate::settings::NatsSettings`].

use std::time::Duration;

use serde::Deserialize;

use super::error::LiveError;

/// How much the live reader holds and how long it waits. Each bound says who loses when it is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// Most items that wait for the reader. Full stops the reading of the socket, see `stall_ms`. Default 8,192.
    pub channel_items: usize,
    /// Most bytes of messages that wait for the reader, the newest not counted. Full like `channel_items`. Default 16 MiB.
    pub channel_bytes: usize,
    /// Milliseconds that the socket is left unread while the reader is behind; the server keeps what comes. After that
    /// events are dropped, counted, and reported as [`super::Interruption::Overflow`]. Default 2,000.
    pub stall_ms: u64,
    /// Bytes of one read buffer, 4 KiB at least. Messages lie in it, so a kept one keeps this much. Default 64 KiB.
    pub read_buffer_bytes: usize,
    /// Most subjects at a time, those on their way out counted; one more is refused with
    /// [`LiveError::TooManySubscriptions`]. Default 2,000,000.
    pub max_subscriptions: usize,
    /// Milliseconds that [`super::LiveReader::confirmed`] waits, reconnecting included. Default 5,000.
    pub confirm_timeout_ms: u64,
    /// Milliseconds before the second round over all servers; doubles with each round, jittered. Default 100.
    pub reconnect_min_ms: u64,
    /// Longest wait between two rounds. Default 5,000.
    pub reconnect_max_ms: u64,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            channel_items: 8_192,
            channel_bytes: 16 * 1024 * 1024,
            stall_ms: 2_000,
            read_buffer_bytes: 64 * 1024,
            max_subscriptions: 2_000_000,
            confirm_timeout_ms: 5_000,
            reconnect_min_ms: 100,
            reconnect_max_ms: 5_000,
        }
    }
}

impl LiveSettings {
    /// Smallest read buffer that works well: a control line always fits.
    const MIN_READ_BUFFER_BYTES: usize = 4 * 1024;

    /// Refuses what cannot work, by the name of the field.
    pub(super) fn check(&self) -> Result<(), LiveError> {
        let refuse = |field, wanted| Err(LiveError::Setting { field, wanted });
        match self {
            Self { channel_items: 0, .. } => refuse("channel_items", "at least 1"),
            Self { channel_items, .. } if *channel_items > tokio::sync::Semaphore::MAX_PERMITS => {
                refuse("channel_items", "fewer")
            }
            Self { channel_bytes: 0, .. } => refuse("channel_bytes", "at least 1"),
            Self { read_buffer_bytes, .. } if *read_buffer_bytes < Self::MIN_READ_BUFFER_BYTES => {
                refuse("read_buffer_bytes", "at least 4096")
            }
            Self { max_subscriptions, .. } if !(1..=u32::MAX as usize - 2).contains(max_subscriptions) => {
                refuse("max_subscriptions", "at least 1, below 2^32 - 2")
            }
            Self { reconnect_min_ms, reconnect_max_ms, .. }
                if *reconnect_min_ms == 0 || reconnect_max_ms < reconnect_min_ms =>
            {
                refuse("reconnect_min_ms", "above 0, at most reconnect_max_ms")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms)
    }

    pub(super) fn confirm_timeout(&self) -> Duration {
        Duration::from_millis(self.confirm_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn defaults_pass_and_nonsense_is_refused_by_name() {
        LiveSettings::default().check().unwrap();
        for (json, field) in [
            (r#"{"channel_items":0}"#, "channel_items"),
            (r#"{"channel_bytes":0}"#, "channel_bytes"),
            (r#"{"read_buffer_bytes":100}"#, "read_buffer_bytes"),
            (r#"{"max_subscriptions":0}"#, "max_subscriptions"),
            (r#"{"reconnect_min_ms":9,"reconnect_max_ms":8}"#, "reconnect_min_ms"),
        ] {
            let settings: LiveSettings = serde_json::from_str(json).unwrap();
            let refused = settings.check().unwrap_err().to_string();
            assert!(refused.contains(field), "{refused}");
        }
        assert!(serde_json::from_str::<LiveSettings>(r#"{"items":1}"#).is_err());
    }
}
