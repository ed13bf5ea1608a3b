//! `[doctor]`

use std::time::Duration;

use serde::Deserialize;

/// What `tidings doctor` finds worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DoctorSettings {
    /// Monitoring address of each server, `http://host:port` (`http` in the server's configuration): versions, syncing
    /// and limits are read there. Default none: the embedded installation is looked at when there is one.
    pub(crate) monitor_urls: Vec<String>,
    /// `timeout_ms`: how long one question may take, in milliseconds. Default 5000.
    #[serde(rename = "timeout_ms", deserialize_with = "super::units::millis")]
    pub(crate) timeout: Duration,
    /// Files the process may open (each connection is one); fewer is a warning. Default 65536.
    pub(crate) open_files_min: u64,
    /// `disk_free_warn_mib`: room in MiB on the disk of the data folder; less is a warning. Default 2048.
    #[serde(rename = "disk_free_warn_mib", deserialize_with = "super::units::mebibytes")]
    pub(crate) disk_free_warn_bytes: u64,
    /// `clock_warn_ms`: difference in milliseconds between this clock and a server's that is a warning. Default 1000.
    #[serde(rename = "clock_warn_ms", deserialize_with = "super::units::millis")]
    pub(crate) clock_warn: Duration,
    /// `clock_fail_ms`: difference in milliseconds that is a failure: deadlines of sends (R5) leave the clocks only so
    /// much. Default 15000.
    #[serde(rename = "clock_fail_ms", deserialize_with = "super::units::millis")]
    pub(crate) clock_fail: Duration,
}

impl Default for DoctorSettings {
    fn default() -> Self {
        Self {
            monitor_urls: Vec::new(),
            timeout: Duration::from_secs(5),
            open_files_min: 65_536,
            disk_free_warn_bytes: 2 << 30,
            clock_warn: Duration::from_secs(1),
            clock_fail: Duration::from_secs(15),
        }
    }
}
