//! `cpu_per_send`: CPU of gateway, workers and nats-server per acked message, against a bare batch publisher plus a bare
//! WebSocket echo at the same rate.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidings_nats::testing::TestServer;
use tidings_protocol::ChatId;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::senders::{Senders, TEXT_BYTES};
use crate::bare::create_stream;
use crate::client::Socket;
use crate::proc::cpu_seconds;
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::setup;
use crate::windows::{list, median, median_ratio};

const PAIRS: usize = 3;
/// Part of the highest rate at which both sides are measured: below it queues do not grow.
const PART: f64 = 0.6;
/// Chats that a sparse sender goes round in.
const SPARSE_CHATS: usize = 50;

pub(super) async fn measure(window: Duration) -> anyhow::Result<Vec<Row>> {
    Ok(vec![
        row("cpu_per_send", 2_000, 1, window, Bar::AtMost(3.0)).await?,
        row("cpu_per_send_100", 100, 1, window, Bar::AtMost(3.0)).await?,
        row("cpu_per_send_sparse", 100, SPARSE_CHATS, window, Bar::None).await?,
    ])
}

async fn row(name: &'static str, senders: usize, chats_each: usize, window: Duration, bar: Bar) -> anyhow::Result<Row> {
    let server = Server::start(&[("TIDINGS__SESSIONS__SENDS_PER_SECOND", "0")]).await?;
    let mut ours = if chats_each == 1 {
        Senders::direct(&server, "sender", senders).await?
    } else {
        sparse(&server, senders, chats_each).await?
    };
    let rate = ours.run(window, None).await?.rate() * PART;
    let bare = Bare::start(rate, senders).await?;
    let mut echo = bare.senders(senders).await?;
    let (mut own, mut other, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let before = (cpu_seconds(server.pid()?)?, cpu_seconds(server.nats_pid()?)?);
        let acked = ours.run(window, Some(rate)).await?.acked as f64;
        let (process, nats) = (cpu_seconds(server.pid()?)? - before.0, cpu_seconds(server.nats_pid()?)? - before.1);
        own.push((process + nats) / acked * 1e6);
        parts.push(nats / acked * 1e6);
        let before = bare.cpu_seconds()?;
        let echoed = echo.run(window, Some(rate)).await?.acked as f64;
        other.push((bare.cpu_seconds()? - before) / echoed * 1e6);
    }
    server.stop().await?;
    Ok(Row {
        name,
        value: median_ratio(&own, &other),
        unit: "times",
        bar,
        shape: format!(
            "{senders} senders, {chats_each} direct chats each, {TEXT_BYTES} B, all connected, at {rate:.0}/s ({PART} of the highest), SQLite, fsync always, {PAIRS} pairs of {} s",
            window.as_secs()
        ),
        detail: format!(
            "us CPU per message, ours: {} (nats-server {:.0}); bare publisher + its nats-server + echo: {}",
            list(&own),
            median(&parts),
            list(&other)
        ),
    })
}

/// Senders that go round in many chats, so that each message finds its chat quiet.
async fn sparse(server: &Server, senders: usize, chats_each: usize) -> anyhow::Result<Senders> {
    let names = setup::users(server, "sparse", senders).await?;
    let others = setup::users(server, "other", chats_each).await?;
    let pairs = names.iter().flat_map(|name| others.iter().map(|other| (name.clone(), other.clone()))).collect();
    let chats = setup::direct_chats(server, pairs).await?;
    let sockets = setup::sockets(server, &names).await?;
    let each = chats.chunks(chats_each).map(Arc::<[ChatId]>::from);
    Ok(Senders::of(sockets.into_iter().zip(each).collect()))
}

/// The bare side: three processes.
struct Bare {
    nats: TestServer,
    publisher: Child,
    echo: Child,
    address: String,
    nats_pid: u32,
}

impl Bare {
    async fn start(rate: f64, subjects: usize) -> anyhow::Result<Self> {
        let nats = TestServer::start();
        let client = async_nats::connect(nats.url()).await?;
        create_stream(&client, "BARE", serde_json::json!({"subjects": ["bare.*"]})).await?;
        let me = std::env::current_exe()?;
        let mut echo = Command::new(&me).arg("bare-echo").stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut line = String::new();
        BufReader::new(echo.stdout.take().context("no output")?).read_line(&mut line).await?;
        let publisher = Command::new(&me)
            .args(["bare-publisher", "--server", &nats.url(), "--rate", &rate.to_string(), "--batch", "1000"])
            .args(["--subjects", &subjects.to_string()])
            .kill_on_drop(true)
            .spawn()?;
        let nats_pid = u32::try_from(nats.pid().as_raw_nonzero().get())?;
        Ok(Self { nats, publisher, echo, address: line.trim().to_owned(), nats_pid })
    }

    async fn senders(&self, count: usize) -> anyhow::Result<Senders> {
        let mut sockets = Vec::with_capacity(count);
        for _ in 0..count {
            let chat: Arc<[ChatId]> = Arc::from([ChatId::generate()]);
            sockets.push((Socket::open(&self.address, "/v1/ws").await?, chat));
        }
        Ok(Senders::of(sockets))
    }

    fn cpu_seconds(&self) -> anyhow::Result<f64> {
        // The server is kept alive by being part of this.
        let _ = &self.nats;
        let publisher = self.publisher.id().context("the bare publisher has ended")?;
        let echo = self.echo.id().context("the bare echo has ended")?;
        Ok(cpu_seconds(publisher)? + cpu_seconds(echo)? + cpu_seconds(self.nats_pid)?)
    }
}
