//! `group_commit_gain`, `group_commit_p99`: 2,000 senders with group commit on and off, in turn.

use std::time::Duration;

use super::senders::{Senders, TEXT_BYTES};
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::windows::{list, median_ratio};

const SENDERS: usize = 2_000;
const PAIRS: usize = 3;

pub(super) async fn measure(window: Duration) -> anyhow::Result<Vec<Row>> {
    let common = [("TIDINGS__SESSIONS__SENDS_PER_SECOND", "0")];
    let with = Server::start(&common).await?;
    let without = Server::start(&[common[0], ("TIDINGS__PUBLISH__GROUP_COMMIT", "false")]).await?;
    let mut on = Senders::direct(&with, "on", SENDERS).await?;
    let mut off = Senders::direct(&without, "off", SENDERS).await?;
    on.run(window / 2, None).await?;
    off.run(window / 2, None).await?;
    let (mut ons, mut offs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        ons.push(on.run(window, None).await?);
        offs.push(off.run(window, None).await?);
    }
    with.stop().await?;
    without.stop().await?;
    let rates =
        |windows: &[super::senders::Window]| windows.iter().map(super::senders::Window::rate).collect::<Vec<_>>();
    let p99s = |windows: &[super::senders::Window]| windows.iter().map(|window| window.p99_ms).collect::<Vec<_>>();
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
            detail: format!("acked/s on: {}; off: {}; refused {refused}", list(&rates(&ons)), list(&rates(&offs))),
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
