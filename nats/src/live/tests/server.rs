//! A real nats-server on a port of its own, that can die and come back.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::PATIENCE;

pub(super) struct NatsServer {
    pub(super) port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts one; `extra` are further lines of its configuration.
    pub(super) async fn start(extra: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let store = folder.path().join("js");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always, max_mem: 64MB, max_file: 1GB\n\
             limits {{ batch {{ max_inflight_per_stream: 50, max_inflight_total: 1000, max_msgs: 1000, timeout: \"10s\" }} }} }}\n\
             {extra}\n",
            store.display()
        );
        std::fs::write(folder.path().join("nats.conf"), config).unwrap();
        let mut server = Self { port, folder, child: None };
        server.run().await;
        server
    }

    /// Starts it (again) on the same port and store, and waits until it greets.
    pub(super) async fn run(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(binary())
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let greeted = async {
            while !greets(self.port).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let log = || std::fs::read_to_string(self.folder.path().join("log"));
        assert!(tokio::time::timeout(PATIENCE, greeted).await.is_ok(), "{:?}", log());
    }

    /// Kills it as a crash would.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) async fn client(&self) -> async_nats::Client {
        async_nats::connect(format!("127.0.0.1:{}", self.port)).await.unwrap()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn greets(port: u16) -> bool {
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else {
        return false;
    };
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.is_ok() && &word == b"INFO"
}

fn binary() -> PathBuf {
    std::env::var_os("TIDINGS_NATS_SERVER")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/nats-server"), PathBuf::from)
}
