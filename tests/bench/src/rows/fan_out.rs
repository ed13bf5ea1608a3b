//! `fan_out_single_copy`: a message to 100 members on one gateway is one NATS delivery and one encode.

use anyhow::Context;

use crate::row::{Bar, Row};
use crate::server::Server;
use crate::setup;

const MEMBERS: usize = 100;
const MESSAGES: usize = 50;

pub(super) async fn measure() -> anyhow::Result<Row> {
    let server = Server::start(&[]).await?;
    let names = setup::users(&server, "member", MEMBERS).await?;
    let chat = setup::group(&server, &names).await?;
    let mut sockets = setup::sockets(&server, &names).await?;
    // A first message attaches everybody; the second says that everybody is.
    for (id, mark) in [(5, "first"), (6, "second")] {
        sockets[0].send(id, chat, mark).await?.context("refused")?;
        for socket in &mut sockets[1..] {
            socket.until(&format!("\"text\":\"{mark}\"")).await?;
        }
    }
    let before = counters(&server).await?;
    for at in 0..MESSAGES {
        sockets[0].send(100 + at as u64, chat, &format!("m{at}.")).await?.context("refused")?;
    }
    for socket in &mut sockets[1..] {
        for at in 0..MESSAGES {
            socket.until(&format!("\"text\":\"m{at}.\"")).await?;
        }
    }
    let after = counters(&server).await?;
    server.stop().await?;
    let per = |before: f64, after: f64| (after - before) / MESSAGES as f64;
    let live = per(before.live, after.live);
    let encodes = per(before.encodes, after.encodes);
    let deliveries = per(before.deliveries, after.deliveries);
    Ok(Row {
        name: "fan_out_single_copy",
        value: live.max(encodes),
        unit: "copies",
        bar: Bar::AtMost(1.0),
        shape: format!("{MESSAGES} messages to a group of {MEMBERS}, all connected to one gateway"),
        detail: format!(
            "per message: {live:.2} deliveries from nats-server, {encodes:.2} encodes, {deliveries:.2} frames to sockets"
        ),
    })
}

struct Counters {
    live: f64,
    encodes: f64,
    deliveries: f64,
}

/// The gateway's counters, from its internal port.
async fn counters(server: &Server) -> anyhow::Result<Counters> {
    Ok(Counters {
        live: server.metric("tidings_fanout_live_chat_events_total").await?,
        encodes: server.metric("tidings_fanout_encodes_total").await?,
        deliveries: server.metric("tidings_fanout_deliveries_total").await?,
    })
}
