//! Rows: what was measured, its bar, and whether it holds.

use std::fs;

use anyhow::Context;
use serde::Serialize;

/// Which side of the bar is good.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Printed, not judged.
    None,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
    /// Sizes, members, store, fsync, duration.
    pub(crate) shape: String,
    /// The figures under the ratio, and what bounds it.
    pub(crate) detail: String,
}

impl Row {
    pub(crate) fn holds(&self) -> bool {
        match self.bar {
            Bar::AtLeast(bar) => self.value >= bar,
            Bar::AtMost(bar) => self.value <= bar,
            Bar::None => true,
        }
    }

    fn bar_text(&self) -> String {
        match self.bar {
            Bar::AtLeast(bar) => format!(">= {bar}"),
            Bar::AtMost(bar) => format!("<= {bar}"),
            Bar::None => "printed".to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    value: f64,
    unit: &'a str,
    bar: String,
    holds: bool,
    command: String,
    shape: &'a str,
    detail: &'a str,
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    println!("\n{:<24} {:>10} {:<8} {:<10} {:<6} shape / detail", "row", "value", "unit", "bar", "holds");
    for row in rows {
        let holds = if row.holds() { "yes" } else { "NO" };
        println!(
            "{:<24} {:>10.2} {:<8} {:<10} {:<6} {}",
            row.name,
            row.value,
            row.unit,
            row.bar_text(),
            holds,
            row.shape
        );
        println!("{:<62} {}", "", row.detail);
    }
}

/// Writes `target/bench.json`.
pub(crate) fn write(rows: &[Row]) -> anyhow::Result<()> {
    let written: Vec<_> = rows
        .iter()
        .map(|row| Written {
            name: row.name,
            value: row.value,
            unit: row.unit,
            bar: row.bar_text(),
            holds: row.holds(),
            command: format!("make bench ARGS=\"--only {}\"", row.name),
            shape: &row.shape,
            detail: &row.detail,
        })
        .collect();
    fs::write("target/bench.json", serde_json::to_vec_pretty(&written)?).context("could not write target/bench.json")
}
