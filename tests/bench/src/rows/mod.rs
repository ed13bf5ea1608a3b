//! The rows, one file per measurement.

mod connect;
mod cpu_per_send;
mod fairness;
mod fan_out;
mod gain;
mod idle;
mod prev_cost;
mod senders;

use std::time::Duration;

use crate::row::Row;

/// Measures all rows whose name contains `only`.
pub(crate) async fn all(only: Option<&str>, window: Duration) -> anyhow::Result<Vec<Row>> {
    let wanted = |names: &[&str]| names.iter().any(|name| only.is_none_or(|only| name.contains(only)));
    let mut rows = Vec::new();
    if wanted(&["group_commit_gain", "group_commit_p99"]) {
        rows.extend(gain::measure(window).await?);
    }
    if wanted(&["cpu_per_send", "cpu_per_send_100", "cpu_per_send_sparse"]) {
        rows.extend(cpu_per_send::measure(window).await?);
    }
    if wanted(&["fairness_small"]) {
        rows.push(fairness::measure(window).await?);
    }
    if wanted(&["fan_out_single_copy"]) {
        rows.push(fan_out::measure().await?);
    }
    if wanted(&["prev_cost"]) {
        rows.push(prev_cost::measure(window).await?);
    }
    if wanted(&["connect_cost"]) {
        rows.extend(connect::measure().await?);
    }
    if wanted(&["idle_memory_spine"]) {
        rows.push(idle::measure().await?);
    }
    rows.retain(|row| wanted(&[row.name]));
    anyhow::ensure!(!rows.is_empty(), "no row has that name");
    Ok(rows)
}
