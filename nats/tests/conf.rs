//! The shipped server configurations are ones that a server takes, and say what the contract needs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tidings_nats::PublishSettings;
use tidings_nats::testing::binary;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}

#[test]
fn a_server_takes_them() {
    for name in ["single.conf", "cluster.conf"] {
        let checked = Command::new(binary())
            .args(["-t", "-c"])
            .arg(shipped(name))
            .env("NATS_NAME", "a")
            .env("NATS_HOST", "127.0.0.1")
            .env("NATS_ROUTES", "[ \"nats://127.0.0.1:6222\", \"nats://127.0.0.2:6222\" ]")
            .env("NATS_PASSWORD", "one")
            .env("NATS_ROUTE_PASSWORD", "two")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{name}: {said}");
    }
}

#[test]
fn they_sync_every_write_and_take_our_batches() {
    let batch = PublishSettings::default().batch_messages;
    for name in ["single.conf", "cluster.conf"] {
        let text = std::fs::read_to_string(shipped(name)).unwrap();
        for line in ["sync_interval: always", "max_payload: 1MB", &format!("max_msgs: {batch}")] {
            assert!(text.lines().any(|found| found.trim() == line), "{name} lacks {line}");
        }
    }
}
