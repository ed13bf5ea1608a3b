//! Settings of the log: where the servers are, how the streams are made, how appends are grouped.
//!
//! Each field says its unit, its default and who loses when it is reached. Unknown keys are refused. Credentials never
//! print: `Debug` shows whether they are set, nothing more.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// How to reach NATS and what the streams look like.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsSettings {
    /// Addresses `nats://host:port`, any order. Default: `nats://127.0.0.1:4222`.
    pub servers: Vec<String>,
    /// User name, with `password`. Default: none.
    pub user: Option<String>,
    /// Password of `user`. Default: none.
    pub password: Option<String>,
    /// Token instead of user and password. Default: none.
    pub token: Option<String>,
    /// Streams that share the 256 shards of chats, in equal ranges. More streams for more disks or nodes. Default 1.
    pub chat_streams: u16,
    /// Streams that share the 256 shards of inboxes. Default 1.
    pub inbox_streams: u16,
    /// Copies of each stream. 1 on one server, 3 on a cluster. Default 1.
    pub replicas: usize,
    /// Days that events of chats stay in the log. Default 30.
    pub chat_max_age_days: u64,
    /// Days that events of inboxes stay in the log: a device away for longer starts anew. Default 7.
    pub inbox_max_age_days: u64,
    /// Days that dead events stay listed. Default 90.
    pub dead_max_age_days: u64,
    /// Most bytes of one chat stream; full means sends are refused (`discard: new`). Default -1: no bound but the disk.
    pub chat_max_bytes: i64,
    /// Most bytes of one inbox stream. Default -1: no bound but the disk.
    pub inbox_max_bytes: i64,
    /// Milliseconds until an attempt to connect has failed. Default 2,000.
    pub connect_timeout_ms: u64,
    /// Milliseconds between pings on the connection; two unanswered ones end it. Default 2,000.
    pub ping_interval_ms: u64,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            user: None,
            password: None,
            token: None,
            chat_streams: 1,
            inbox_streams: 1,
            replicas: 1,
            chat_max_age_days: 30,
            inbox_max_age_days: 7,
            dead_max_age_days: 90,
            chat_max_bytes: -1,
            inbox_max_bytes: -1,
            connect_timeout_ms: 2_000,
            ping_interval_ms: 2_000,
        }
    }
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSettings")
            .field("servers", &self.servers.len())
            .field("user", &self.user.is_some())
            .field("password", &self.password.is_some())
            .field("token", &self.token.is_some())
            .field("chat_streams", &self.chat_streams)
            .field("inbox_streams", &self.inbox_streams)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// How appends are written (R5, R6, R7).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublishSettings {
    /// Whether what waits is written as one atomic batch. `false` publishes one by one, for comparison. Default true.
    pub group_commit: bool,
    /// Lanes per stream; a subject always takes the same one. Default 2.
    pub lanes: usize,
    /// Most messages of one batch; the servers' `max_msgs` must allow it. Default 1,000.
    pub batch_messages: usize,
    /// Most payload bytes of one batch. Default 4 MiB.
    pub batch_bytes: usize,
    /// Groups of fewer messages than this go as plain publishes, all at once. On one replica a batch pays from about 12
    /// on; with replicas set 2. Default 12.
    pub pipeline_below: usize,
    /// Most messages that wait in one lane; the next one is refused with `QueueFull`. Default 10,000.
    pub queue_messages: usize,
    /// Most payload bytes that wait in one lane; the next one is refused with `QueueFull`. Default 64 MiB.
    pub queue_bytes: usize,
    /// Most messages of one owner that wait in one lane; its next one is refused, its neighbours are served. Default 256.
    pub owner_messages: usize,
    /// Milliseconds that a message may wait in a lane before it is refused, never sent. Default 10,000.
    pub queue_wait_ms: u64,
    /// Milliseconds that a group waits for its answer before it is asked again with the same ids. Default 1,500.
    pub publish_timeout_ms: u64,
    /// Milliseconds of log time until an event that was not yet stored is void (R5). Half of it is the longest wait for
    /// an ack. Must be shorter than the dedupe window (120,000). Default 60,000.
    pub deadline_ms: u64,
    /// Message ids kept with their answer, so that repeats are answered here (R7). The oldest is forgotten. Default 200,000.
    pub recent_messages: usize,
    /// Most payload bytes kept with those ids. The oldest is forgotten. Default 64 MiB.
    pub recent_bytes: usize,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            group_commit: true,
            lanes: 2,
            batch_messages: 1_000,
            batch_bytes: 4 * 1024 * 1024,
            pipeline_below: 12,
            queue_messages: 10_000,
            queue_bytes: 64 * 1024 * 1024,
            owner_messages: 256,
            queue_wait_ms: 10_000,
            publish_timeout_ms: 1_500,
            deadline_ms: 60_000,
            recent_messages: 200_000,
            recent_bytes: 64 * 1024 * 1024,
        }
    }
}

impl PublishSettings {
    /// How long one attempt waits for its answer.
    pub(crate) fn publish_timeout(&self) -> Duration {
        Duration::from_millis(self.publish_timeout_ms)
    }

    /// How long after the stamping of a deadline an answer still counts: half of it, the rest is what clocks may differ.
    pub(crate) fn ack_window(&self) -> Duration {
        Duration::from_millis(self.deadline_ms / 2)
    }

    /// How long a message may wait unsent.
    pub(crate) fn queue_wait(&self) -> Duration {
        Duration::from_millis(self.queue_wait_ms)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn unknown_keys_are_refused() {
        let refused = serde_json::from_str::<NatsSettings>(r#"{"server":["nats://a"]}"#).unwrap_err();
        assert!(refused.to_string().contains("unknown field `server`"));
        let refused = serde_json::from_str::<PublishSettings>(r#"{"lane":1}"#).unwrap_err();
        assert!(refused.to_string().contains("unknown field `lane`"));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings: PublishSettings = serde_json::from_str(r#"{"lanes":3}"#).unwrap();
        assert_eq!((settings.lanes, settings.batch_messages), (3, 1_000));
        assert_eq!(settings.ack_window(), Duration::from_secs(30));
    }

    #[test]
    fn credentials_never_print() {
        let settings = NatsSettings {
            user: Some("someone".to_owned()),
            password: Some("hunter2".to_owned()),
            token: Some("t0ken".to_owned()),
            servers: vec!["nats://u:p@host:4222".to_owned()],
            ..NatsSettings::default()
        };
        let shown = format!("{settings:?}");
        for secret in ["someone", "hunter2", "t0ken", "u:p"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
