//! The configuration of the child nats-server, written anew at each start.
//!
//! What the contract needs is in here and nowhere else in `dev`: every write on disk before it is acknowledged
//! (`sync_interval: always`), and enough places for open batches (R7).

use std::path::{Path, PathBuf};

use crate::settings::Secret;

/// The user the process logs in as.
pub(crate) const NATS_USER: &str = "tidings";

/// The largest message the server takes: 1 MiB.
pub(crate) const MAX_PAYLOAD_BYTES: u64 = 1 << 20;

/// Open batches of one stream. Running out is back-pressure, so only an abandoned batch needs more than one per lane.
pub(crate) const BATCH_INFLIGHT_PER_STREAM: u64 = 200;

/// Open batches of the server, for all streams together.
pub(crate) const BATCH_INFLIGHT_TOTAL: u64 = 2_000;

/// Messages of one batch.
pub(crate) const BATCH_MAX_MSGS: u64 = 1_000;

/// Seconds an abandoned batch holds its place.
pub(crate) const BATCH_TIMEOUT_S: u64 = 10;

/// What differs between two installations.
#[derive(Debug)]
pub(crate) struct NatsConfig {
    /// Folder of the nats-server in the data folder.
    pub(crate) folder: PathBuf,
    /// Port for clients, on loopback.
    pub(crate) client_port: u16,
    /// Port for monitoring, on loopback.
    pub(crate) monitor_port: u16,
    /// Password of [`NATS_USER`].
    pub(crate) password: Secret,
    /// The most the streams may take. The server's own choice, three quarters of what is free at each start, would
    /// shrink while the log grows. What others take of the disk is watched by `dev/disk.rs`.
    pub(crate) store_max_bytes: u64,
}

/// A path that cannot stand in the server's configuration.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be the data folder: its name is no text, or has control characters", .0.display())]
pub(crate) struct BadPath(PathBuf);

impl NatsConfig {
    /// Where the configuration is written.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("nats-server.conf")
    }

    /// Where the server writes its log lines.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.join("nats-server.log")
    }

    /// The configuration as text. It holds the password: for a private file only.
    ///
    /// # Errors
    /// [`BadPath`] when the folder's name cannot be written down.
    pub(crate) fn render(&self) -> Result<String, BadPath> {
        let path = |name: &str| quoted(&self.folder.join(name));
        Ok(format!(
            "# Written by `tidings dev` at each start; changes are lost.
server_name: tidings-dev
listen: \"127.0.0.1:{client}\"
http: \"127.0.0.1:{monitor}\"
max_payload: {MAX_PAYLOAD_BYTES}
pid_file: {pid}
log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 3
authorization {{ user: {NATS_USER}, password: \"{password}\" }}
jetstream {{
  store_dir: {store}
  sync_interval: always
  max_file_store: {store_max}
  limits {{
    batch {{
      max_inflight_per_stream: {BATCH_INFLIGHT_PER_STREAM}
      max_inflight_total: {BATCH_INFLIGHT_TOTAL}
      max_msgs: {BATCH_MAX_MSGS}
      timeout: \"{BATCH_TIMEOUT_S}s\"
    }}
  }}
}}
",
            client = self.client_port,
            monitor = self.monitor_port,
            pid = path("nats-server.pid")?,
            log = path("nats-server.log")?,
            password = self.password.reveal(),
            store = path("store")?,
            store_max = self.store_max_bytes,
        ))
    }
}

fn quoted(path: &Path) -> Result<String, BadPath> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => {
            Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        }
        _ => Err(BadPath(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::NatsConfig;
    use crate::settings::Secret;

    fn config(folder: &str) -> NatsConfig {
        NatsConfig {
            folder: PathBuf::from(folder),
            client_port: 4222,
            monitor_port: 8222,
            password: Secret::new("secret"),
            store_max_bytes: 1 << 30,
        }
    }

    #[test]
    fn every_write_is_synced_and_names_are_quoted() {
        let text = config(r#"/tmp/a "b" \c/nats"#).render().expect("the name is text");
        assert!(text.contains("\n  sync_interval: always\n"), "{text}");
        assert!(text.contains(r#"store_dir: "/tmp/a \"b\" \\c/nats/store""#), "{text}");
        assert!(text.contains("max_payload: 1048576\n"), "{text}");
        assert!(text.contains("listen: \"127.0.0.1:4222\"\n"), "{text}");
    }

    #[test]
    fn a_name_that_would_end_its_line_is_refused() {
        assert!(config("/tmp/a\nhttp: 0.0.0.0:80").render().is_err());
    }
}
