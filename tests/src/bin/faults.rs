//! `make faults`: replays under kills, many seeds; prints a table and writes `target/faults.json`.

use std::process::ExitCode;

use tidings_tests::Tidings;
use tidings_tests::replay::{Kill, replay};

/// Runs of each kind.
const RUNS: u64 = 10;
/// Lines of one replay: about ten seconds.
const LINES: usize = 1_500;

#[tokio::main]
async fn main() -> ExitCode {
    let mut rows = Vec::new();
    for (name, kill) in [
        ("replay_process_killed", Kill::Process),
        ("replay_nats_killed", Kill::Nats),
        ("replay_both_killed", Kill::Both),
    ] {
        let mut equal = 0;
        for seed in 1..=RUNS {
            let mut tidings = Tidings::start().await;
            let ended = replay(&mut tidings, kill, LINES, seed).await;
            println!("{name} seed {seed}: {}", ended.summary);
            equal += u64::from(ended.code == Some(0));
        }
        rows.push(serde_json::json!({
            "name": name,
            "value": equal,
            "unit": format!("of {RUNS} replays equal ({LINES} lines, killed twice each)"),
            "bar": format!(">= {RUNS}"),
            "holds": equal == RUNS,
            "command": "make faults",
        }));
    }
    let holds = rows.iter().all(|row| row["holds"] == true);
    for row in &rows {
        println!("{} {} {}", row["name"], row["value"], row["unit"]);
    }
    let text = format!("{:#}\n", serde_json::Value::Array(rows));
    if let Err(error) = std::fs::write("target/faults.json", text) {
        eprintln!("could not write target/faults.json: {error}");
        return ExitCode::from(6);
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::from(3) }
}
