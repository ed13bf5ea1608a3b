//! `group_commit_gain`, `group_commit_p99`: 2,000 senders with group commit on and off, in turn.

use std::time::Duration;

use super::senders::{Senders, TEXT_BYTES};
use crate::proc::cpu_seconds;
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::windows::{list, median, median_ratio};

const SENDERS: usize = 2_000;
const PAIRS: usize = 3;

/// CPU seconds of the program, its nats-server, and this load generator.
fn cpu(server: &Server) -> anyhow::Result<[f64; 3]> {
    Ok([cpu_seconds(server.pid()?)?, cpu_seconds(server.nats_pid()?)?, cpu_seconds(std::process::id())?])
}

pub(super) async fn measure(window: Duration) -> anyhow::Result<Vec<Row>> {
    let common = [("TIDINGS__SESSIONS__SENDS_PER_SECOND", "0")];
    let with = Server::start(&common).await?;
    let without = Server::start(&[common[0], ("TIDINGS__PUBLISH__GROUP_COMMIT", "false")]).await?;
    let mut on = Senders::direct(&with, "on", SENDERS).await?;
    let mut off = Senders::direct(&without, "off", SENDERS).await?;
    on.run(window / 2, None).await?;
    off.run(window / 2, None).await?;
    let (mut ons, mut offs) = (Vec::new(), Vec::new());
    let mut shares = Vec::new();
    for _ in 0..PAIRS {
        let before = cpu(&with)?;
        let window_on = on.run(window, None).await?;
        let after = cpu(&with)?;
        shares.push([0, 1, 2].map(|at| (after[at] - before[at]) / window_on.acked as f64 * 1e6));
        ons.push(window_on);
        offs.push(off.run(window, None).await?);
    }
    with.stop().await?;
    without.stop().await?;
    let rates =
        |windows: &[super::senders::Window]| windows.iter().map(super::senders::Window::rate).collect::<Vec<_>>();
    let p99s = |windows: &[super::senders::Window]| windows.iter().map(|window| window.p99_ms).collect::<Vec<_>>();
    let share = |at: usize| median(&shares.iter().map(|share| share[at]).collect::<Vec<_>>());
    let refused: u64 = ons.iter().chain(&offs).map(|window| window.refused).sum();
    let shape = format!(
        "{SENDERS} senders in {SENDERS} direct chats, {TEXT_BYTES} B text, all connected, SQLite, fsync always, {PAIRS} pairs of {} s",
        window.as_secs()
    );
    Ok(vec![
        Row {
            name: "group_commit_gain",
            value: median_ratio(&rates(&ons), &rates(&offs)),
            unit: "times",
            bar: Bar::AtLeast(5.0),
            shape: shape.clone(),
            detail: format!(
                "acked/s on: {}; off: {}; refused {refused}; us CPU per message on: gateway and workers {:.0}, nats-server {:.0}, load generator {:.0}",
                list(&rates(&ons)),
                list(&rates(&offs)),
                share(0),
                share(1),
                share(2)
            ),
        },
        Row {
            name: "group_commit_p99",
            value: median_ratio(&p99s(&ons), &p99s(&offs)),
            unit: "of off",
            bar: Bar::AtMost(0.334),
            shape,
            detail: format!("p99 ms on: {}; off: {}", list(&p99s(&ons)), list(&p99s(&offs))),
        },
    ])
}
