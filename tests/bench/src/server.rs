//! A server under test: the real program on a temporary folder, with its nats-server as a child.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::Http;

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// A running `tidings dev`.
pub(crate) struct Server {
    folder: TempDir,
    child: Child,
    /// `127.0.0.1:port` of the public port.
    pub(crate) address: String,
    key: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    name: &'a str,
    iss: &'a str,
    exp: u64,
}

impl Server {
    /// Starts one; `env` are settings (`TIDINGS__SECTION__KEY`).
    pub(crate) async fn start(env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(program()?);
        command.arg("--data").arg(&data).args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]);
        command.args(["--log", "warn", "dev"]).envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child = command.spawn().context("could not start tidings")?;
        let mut server = Self { folder, child, address: String::new(), key: String::new() };
        tokio::time::timeout(START, server.until_ready()).await.context("tidings did not start in time")??;
        Ok(server)
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("tidings ended with {status}: {}", std::fs::read_to_string(self.folder.path().join("log"))?);
            }
            let endpoints = std::fs::read_to_string(self.folder.path().join("data/endpoints.json"));
            if let Ok(endpoints) = endpoints {
                let value: serde_json::Value = serde_json::from_str(&endpoints)?;
                let url = value["url"].as_str().context("endpoints without url")?;
                self.address = url.trim_start_matches("http://").to_owned();
                let secrets = std::fs::read_to_string(self.folder.path().join("data/secrets.json"))?;
                let secrets: serde_json::Value = serde_json::from_str(&secrets)?;
                self.key = secrets["token_key"].as_str().context("secrets without token_key")?.to_owned();
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// An access token for a user of that name.
    pub(crate) fn token(&self, user: &str) -> anyhow::Result<String> {
        let exp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() + 6 * 3600;
        let claims = Claims { sub: user, name: user, iss: "tidings-dev", exp };
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &EncodingKey::from_secret(self.key.as_bytes()),
        )?)
    }

    /// The gateway's and workers' process.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("tidings has ended")
    }

    /// The nats-server's process.
    pub(crate) fn nats_pid(&self) -> anyhow::Result<u32> {
        let text = std::fs::read_to_string(self.data().join("nats/nats-server.pid"))?;
        text.trim().parse().context("no pid of the nats-server")
    }

    /// The nats-server's monitoring address.
    pub(crate) fn nats_monitor(&self) -> anyhow::Result<String> {
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(self.data().join("endpoints.json"))?)?;
        Ok(value["nats_monitor_url"].as_str().context("no monitor")?.trim_start_matches("http://").to_owned())
    }

    /// `host:port` of the internal port.
    pub(crate) fn internal(&self) -> anyhow::Result<String> {
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(self.data().join("endpoints.json"))?)?;
        Ok(value["internal_url"].as_str().context("no internal port")?.trim_start_matches("http://").to_owned())
    }

    /// One counter of `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = Http::new(&self.internal()?).text("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("no metric {name}"))?.parse().context("a metric that is no number")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Stops it and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.context("tidings did not stop")??;
        Ok(())
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("TIDINGS_BIN").map_or_else(|| PathBuf::from("target/release/tidings"), PathBuf::from);
    if !Path::new(&path).exists() {
        bail!("{} is not there: cargo build --release --package tidings", path.display());
    }
    Ok(path)
}
