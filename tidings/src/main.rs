//! The binary: settings, telemetry, start, wait, drain. Each part builds itself from its own settings (`dev/parts.rs`).

mod cli;
mod dev;
mod doctor;
mod exit;
mod health;
mod log;
mod machine;
mod monitor;
mod parts;
mod roles;
mod settings;
mod signals;
mod telemetry;
mod token;

use std::process::ExitCode;

use clap::Parser;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::health::Health;
use crate::parts::Parts;
use crate::settings::Settings;
use crate::signals::StopSignals;

/// Many small, short-lived buffers made on one thread and dropped on another: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match settings(&cli).and_then(|settings| act(&cli.command, &settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn settings(cli: &Cli) -> Result<Settings, Failure> {
    let settings = Settings::load(&cli.flags).map_err(|error| Failure::bad_setting(&error))?;
    telemetry::start(&settings.log).map_err(|error| Failure::bad_setting(&error))?;
    Ok(settings)
}

fn act(command: &Command, settings: &Settings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::start(&error))?;
    runtime.block_on(async {
        match command {
            Command::Dev => run(settings).await,
            Command::Migrate => log::migrate(&settings.nats).await.map_err(|error| Failure::start(&error)),
            Command::Doctor(args) => doctor::run(args, settings).await,
            Command::Token(args) => token::run(args, &settings.dev.data).map_err(|error| Failure::start(&error)),
        }
    })
}

/// Runs a role: start, wait, drain.
async fn run(settings: &Settings) -> Result<(), Failure> {
    let raised = machine::raise_open_files();
    let mut signals = StopSignals::listen().map_err(|error| Failure::start(&error))?;
    let health = Health::default();
    let mut parts = Parts::default();

    let started = tokio::select! {
        started = dev::start(settings, &health, &mut parts) => started,
        signal = signals.next() => {
            info!(signal, "stopping before the start was done");
            return drain(settings, parts, &mut signals).await;
        }
    };
    let banner = match started {
        Ok(banner) => banner,
        Err(error) => {
            parts.drain(Instant::now() + settings.stop.deadline).await;
            return Err(Failure::start(&error));
        }
    };
    health.started();
    raised.say();
    println!("{banner}");

    let outcome = wait(&mut parts, &mut signals).await;
    health.draining();
    let drained = drain(settings, parts, &mut signals).await;
    outcome.and(drained)
}

/// Waits for a reason to stop.
async fn wait(parts: &mut Parts, signals: &mut StopSignals) -> Result<(), Failure> {
    tokio::select! {
        () = parts.failed() => Err(Failure::Failed),
        signal = signals.next() => {
            info!(signal, "draining");
            Ok(())
        }
    }
}

/// Drains all parts by the deadline in the settings; a second signal cuts it.
async fn drain(settings: &Settings, parts: Parts, signals: &mut StopSignals) -> Result<(), Failure> {
    tokio::select! {
        verdict = parts.drain(Instant::now() + settings.stop.deadline) => {
            verdict.say();
            if verdict.cut.is_empty() { Ok(()) } else { Err(Failure::CutShort) }
        }
        signal = signals.next() => {
            warn!(signal, "drain cut short by a second signal");
            Err(Failure::CutShort)
        }
    }
}
