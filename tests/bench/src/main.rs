//! `make bench`: the speed rows of the documents, each a ratio of two things measured side by side in one run.
//!
//! It protects the figures: every row says its shape, its bar and whether it holds; a row that could not be measured is an
//! error of the run, never left out. Results: a table on the terminal and `target/bench.json`. Servers are the real
//! program (`target/release/tidings dev`) on temporary folders and loopback ports; the load comes from this process, on
//! the same cores.

mod bare;
mod client;
mod proc;
mod row;
mod rows;
mod server;
mod setup;
mod windows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::row::Row;

#[derive(Parser)]
#[command(about = "Measures the speed rows and writes target/bench.json")]
struct Cli {
    /// Only rows whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Seconds of one window
    #[arg(long, default_value_t = 4)]
    window_s: u64,
    #[command(subcommand)]
    bare: Option<Bare>,
}

/// What `cpu_per_send` is compared with, each as a process of its own so that its CPU can be read.
#[derive(Subcommand)]
enum Bare {
    /// A WebSocket server that answers every frame with as many bytes as an ack has
    #[command(hide = true)]
    BareEcho,
    /// Appends batches to a stream at a rate
    #[command(hide = true)]
    BarePublisher {
        #[arg(long)]
        server: String,
        #[arg(long)]
        rate: f64,
        #[arg(long)]
        batch: usize,
        #[arg(long)]
        subjects: usize,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A bound that cannot be raised shows as a failed connection, with its own message.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("could not start: {error}");
            return ExitCode::from(6);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("bench failed: {error:#}");
            ExitCode::from(6)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<bool> {
    match cli.bare {
        Some(Bare::BareEcho) => bare::echo::run().await.map(|()| true),
        Some(Bare::BarePublisher { server, rate, batch, subjects }) => {
            bare::publisher::run(&server, rate, batch, subjects).await.map(|()| true)
        }
        None => {
            let rows = rows::all(cli.only.as_deref(), std::time::Duration::from_secs(cli.window_s)).await?;
            row::print(&rows);
            row::write(&rows)?;
            Ok(rows.iter().all(Row::holds))
        }
    }
}
