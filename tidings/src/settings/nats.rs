//! `[nats]`

use std::time::Duration;

use serde::Deserialize;

use super::Secret;

/// The NATS servers of an installation. `tidings dev` brings its own and takes nothing from here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NatsSettings {
    /// Client addresses, `nats://host:port`, any of the cluster; without user and password, which have keys of their
    /// own. Default none.
    pub(crate) urls: Vec<String>,
    /// Monitoring address of each server, `http://host:port` (`http` in the server's configuration). `doctor` reads
    /// versions, `sync_interval` and batch limits there. Default none.
    pub(crate) monitor_urls: Vec<String>,
    /// The user to log in as. Default none: no log-in.
    pub(crate) user: Option<String>,
    /// The password of `user`. Default none.
    pub(crate) password: Option<Secret>,
    /// `request_timeout_ms`: how long a connection attempt and one request may take, in milliseconds. Default 5000.
    #[serde(rename = "request_timeout_ms", with = "super::units::millis")]
    pub(crate) request_timeout: Duration,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            monitor_urls: Vec::new(),
            user: None,
            password: None,
            request_timeout: Duration::from_secs(5),
        }
    }
}
