//! `fairness_small`: what one session that sends as fast as it can costs another sender.

use std::sync::Arc;
use std::time::Duration;

use super::senders::{Senders, TEXT_BYTES};
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::setup;
use crate::windows::{list, median_ratio};
use tidings_protocol::ClientId;
use tokio_util::sync::CancellationToken;

const PAIRS: usize = 5;
/// Sends of the flooder without an ack yet.
const FLOOD_IN_FLIGHT: usize = 60;

pub(super) async fn measure(window: Duration) -> anyhow::Result<Row> {
    let server = Server::start(&[]).await?;
    let mut quiet = Senders::direct(&server, "quiet", 2).await?;
    let names = setup::users(&server, "flood", 2).await?;
    let chat = setup::ring_of_direct_chats(&server, &names).await?[0];
    quiet.run(window / 2, Some(100.0)).await?;
    let (mut alone, mut beside, mut floods) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        alone.push(quiet.run(window, Some(100.0)).await?.p99_ms);
        let mut socket = setup::sockets(&server, &names[..1]).await?.remove(0);
        let stop = CancellationToken::new();
        let flood = tokio::spawn({
            let (stop, text): (_, Arc<str>) = (stop.clone(), "x".repeat(TEXT_BYTES).into());
            async move {
                let (mut sent, mut answered) = (0u64, 0u64);
                while !stop.is_cancelled() {
                    while sent - answered < FLOOD_IN_FLIGHT as u64 {
                        sent += 1;
                        let client_id = ClientId::generate();
                        socket
                            .write(format!(r#"{{"id":{sent},"type":"send","chat":"{chat}","client_id":"{client_id}","body":{{"text":"{text}"}}}}"#))
                            .await?;
                    }
                    answered +=
                        socket.read().await?.split('\n').filter(|frame| frame.contains("\"re\":")).count() as u64;
                }
                anyhow::Ok(sent)
            }
        });
        beside.push(quiet.run(window, Some(100.0)).await?.p99_ms);
        stop.cancel();
        floods.push(flood.await?? as f64 / window.as_secs_f64());
    }
    server.stop().await?;
    Ok(Row {
        name: "fairness_small",
        value: median_ratio(&beside, &alone),
        unit: "times",
        bar: Bar::AtMost(1.5),
        shape: format!(
            "2 senders at 50/s each, beside one session with {FLOOD_IN_FLIGHT} sends in flight, {TEXT_BYTES} B, SQLite, fsync always, default limits, {PAIRS} pairs of {} s",
            window.as_secs()
        ),
        detail: format!(
            "p99 ms beside: {}; alone: {}; flood requests/s: {}",
            list(&beside),
            list(&alone),
            list(&floods)
        ),
    })
}
