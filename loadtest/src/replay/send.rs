//! The replay itself: one line after the other.

use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use tidings_protocol::Seq;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::people::People;
use super::{Plan, ReplayError};

/// Highest latency that the histogram tells apart, in microseconds: ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// What the acks said.
pub(super) struct Acks {
    /// Place of each line in the log.
    pub(super) seqs: Vec<Seq>,
    /// From the send to its ack, in microseconds.
    pub(super) latency_us: Histogram<u64>,
}

/// Sends every line when the one before it is acknowledged.
pub(super) async fn all(
    plan: &Plan,
    people: &People,
    rate: Option<u32>,
    bar: &ProgressBar,
) -> Result<Acks, ReplayError> {
    let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
    let mut acks = Acks {
        seqs: Vec::with_capacity(plan.lines.len()),
        latency_us: latency_us.expect("the bounds of the histogram are constant and in order"),
    };
    let mut pace = rate.map(|rate| {
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    });
    for (place, planned) in plan.lines.iter().enumerate() {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let line = place + 1;
        let body = planned.line.body().map_err(|source| ReplayError::Line { line, source })?;
        let began = Instant::now();
        let sending = people.all[planned.speaker].client.send(people.chat, body);
        let stored = people.unless_cut(timeout(people.patience.away, sending)).await?;
        let stored = stored.map_err(|_| ReplayError::NotAcked { line })?;
        let stored = stored.map_err(|source| ReplayError::Send { line, source })?;
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(LATENCY_US_MAX);
        acks.latency_us.saturating_record(took_us.max(1));
        acks.seqs.push(stored.seq);
        bar.inc(1);
    }
    Ok(acks)
}
