//! Settings of sessions and fan-out. Every duration is in milliseconds.

use serde::{Deserialize, Serialize};

use crate::units::BadSetting;

/// Sessions and fan-out of one gateway.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Most connected sessions; more are refused before they begin. Default 20,000.
    pub max_sessions: usize,
    /// How long a new connection may take to say hello. Default 10,000 ms.
    pub hello_timeout_ms: u64,
    /// How often the server pings; a session that is silent for two of them is closed. Default 25,000 ms.
    pub ping_interval_ms: u64,
    /// Frames that may wait for one socket; more close the session as too slow. Default 1,024.
    pub queue_frames: usize,
    /// Bytes that may wait for one socket. Default 4 MiB.
    pub queue_bytes: usize,
    /// Small frames are joined into one message up to this. Default 16 KiB.
    pub join_bytes: usize,
    /// How long one socket message may take to be written. Default 10,000 ms.
    pub write_timeout_ms: u64,
    /// Sends per second that one session may keep up; above it, it is slowed down. 0 for no bound. Default 200.
    pub sends_per_second: u32,
    /// Sends above that rate that one session may make at once. Default 400.
    pub sends_burst: u32,
    /// Most chats warm at once; the least recently used goes cold. Default 100,000.
    pub warm_chats: usize,
    /// How often all tails are compared with the log (R8). Default 60,000 ms.
    pub sweep_interval_ms: u64,
    /// The longest window between two pointers of a moving chat (R15); the workers' setting of the same name. Default
    /// 60,000 ms.
    pub max_window_ms: u64,
    /// Over how long a stopping gateway spreads its clients' return. Default 5,000 ms.
    pub drain_window_ms: u64,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            max_sessions: 20_000,
            hello_timeout_ms: 10_000,
            ping_interval_ms: 25_000,
            queue_frames: 1_024,
            queue_bytes: 4 * 1024 * 1024,
            join_bytes: 16 * 1024,
            write_timeout_ms: 10_000,
            sends_per_second: 200,
            sends_burst: 400,
            warm_chats: 100_000,
            sweep_interval_ms: 60_000,
            max_window_ms: 60_000,
            drain_window_ms: 5_000,
        }
    }
}

impl SessionSettings {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// [`BadSetting`] names the key.
    pub fn check(&self) -> Result<(), BadSetting> {
        let positive: [(&'static str, u64); 7] = [
            ("sessions.max_sessions", self.max_sessions as u64),
            ("sessions.hello_timeout_ms", self.hello_timeout_ms),
            ("sessions.ping_interval_ms", self.ping_interval_ms),
            ("sessions.queue_frames", self.queue_frames as u64),
            ("sessions.write_timeout_ms", self.write_timeout_ms),
            ("sessions.warm_chats", self.warm_chats as u64),
            ("sessions.sweep_interval_ms", self.sweep_interval_ms),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => BadSetting::of(key, "must be at least 1"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_nothing_is_zero() {
        assert_eq!(SessionSettings::default().check(), Ok(()));
        let none = SessionSettings { ping_interval_ms: 0, ..SessionSettings::default() };
        assert_eq!(none.check().map_err(|bad| bad.key), Err("sessions.ping_interval_ms"));
    }
}
