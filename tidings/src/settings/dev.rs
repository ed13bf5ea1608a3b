//! `[dev]`

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// The embedded installation: all roles in one process, a nats-server as its child, everything in one folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DevSettings {
    /// The folder that holds everything: log, database, secrets. Made when it is missing; one process at a time may
    /// use it. Default `./tidings-data`.
    pub(crate) data: PathBuf,
    /// Path of the nats-server to run, 2.15.1 or newer. Default none: `TIDINGS_NATS_SERVER`, else `nats-server` beside
    /// this program, in `../tools` of it, or on `PATH`.
    pub(crate) nats_server: Option<PathBuf>,
    /// `nats_start_timeout_ms`: how long the nats-server may take until it answers, in milliseconds; a large log takes
    /// a while to be read. Default 60000.
    #[serde(rename = "nats_start_timeout_ms", deserialize_with = "super::units::millis")]
    pub(crate) nats_start_timeout: Duration,
    /// `nats_stop_timeout_ms`: how long a nats-server left over from a crash may take to stop before it is killed, in
    /// milliseconds. Default 5000.
    #[serde(rename = "nats_stop_timeout_ms", deserialize_with = "super::units::millis")]
    pub(crate) nats_stop_timeout: Duration,
    /// `nats_restart_min_ms`: pause in milliseconds before a nats-server that died is started again; doubles with
    /// each death. Default 200.
    #[serde(rename = "nats_restart_min_ms", deserialize_with = "super::units::millis")]
    pub(crate) nats_restart_min: Duration,
    /// `nats_restart_max_ms`: the longest such pause, in milliseconds; a server that has run six times as long starts
    /// over with the shortest. Default 10000.
    #[serde(rename = "nats_restart_max_ms", deserialize_with = "super::units::millis")]
    pub(crate) nats_restart_max: Duration,
    /// `disk_free_min_mib`: room in MiB that the disk of `data` must keep. With less, nothing starts, and what runs
    /// refuses sends until there is room again. Default 128.
    #[serde(rename = "disk_free_min_mib", deserialize_with = "super::units::mebibytes")]
    pub(crate) disk_free_min_bytes: u64,
    /// `disk_check_interval_ms`: time in milliseconds between two looks at the disk. Default 1000.
    #[serde(rename = "disk_check_interval_ms", deserialize_with = "super::units::millis")]
    pub(crate) disk_check_interval: Duration,
}

impl Default for DevSettings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./tidings-data"),
            nats_server: None,
            nats_start_timeout: Duration::from_secs(60),
            nats_stop_timeout: Duration::from_secs(5),
            nats_restart_min: Duration::from_millis(200),
            nats_restart_max: Duration::from_secs(10),
            disk_free_min_bytes: 128 << 20,
            disk_check_interval: Duration::from_secs(1),
        }
    }
}
