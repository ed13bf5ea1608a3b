//! `tidings doctor`: looks at everything the contract stands on and says, line by line, what is well and what to do.
//!
//! Only looks: nothing is created, changed or repaired. A line is a failure when the contract does not hold with it
//! (an ack that is not on disk, a missing stream), a warning when it will hurt some day.

mod machine;
mod report;
mod server;
mod streams;

use std::path::PathBuf;

use tidings_nats::NatsSettings;

use self::report::{Check, Report};
use crate::dev::data::{DataError, endpoints, find};
use crate::dev::embedded_settings;
use crate::dev::secrets::Secrets;
use crate::exit::{Failure, one_line};
use crate::monitor::Monitor;
use crate::settings::Settings;

/// How the findings are shown.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What is looked at.
#[derive(Debug)]
struct Target {
    /// The folder of an embedded installation; `None` for one of many machines.
    data: Option<PathBuf>,
    monitor_urls: Vec<String>,
    nats: NatsSettings,
}

/// Looks, prints what it found, and fails when something fails.
///
/// # Errors
/// [`Failure::Failed`] when a check fails.
pub(crate) async fn run(args: &DoctorArgs, settings: &Settings) -> Result<(), Failure> {
    let report = look(settings).await;
    println!("{}", if args.json { report.json() } else { report.text() });
    if report.failed() { Err(Failure::Failed) } else { Ok(()) }
}

async fn look(settings: &Settings) -> Report {
    let mut report = Report::default();
    report.add(machine::open_files(&settings.doctor));
    let target = match target(settings) {
        Ok(target) => target,
        Err(failure) => {
            report.add(failure);
            return report;
        }
    };
    if let Some(data) = &target.data {
        report.add(Check::ok("data folder", data.display().to_string()));
        report.add(machine::disk(data, settings));
    }
    for url in &target.monitor_urls {
        let monitor = Monitor::new(url, settings.doctor.timeout);
        report.extend(server::look(url, &monitor, &settings.doctor).await);
    }
    if target.monitor_urls.is_empty() {
        let advice = "set doctor.monitor_urls to the `http` address of each server";
        report.add(Check::warn("servers", "versions, syncing and limits are not known", advice));
    }
    report.extend(streams::look(&target.nats).await);
    report
}

/// The servers whose monitoring addresses are set; when none is, those of the embedded installation, if there is one.
fn target(settings: &Settings) -> Result<Target, Check> {
    let installation =
        || Target { data: None, monitor_urls: settings.doctor.monitor_urls.clone(), nats: settings.nats.clone() };
    if !settings.doctor.monitor_urls.is_empty() {
        return Ok(installation());
    }
    match find(&settings.dev.data) {
        Ok(data) => embedded(settings, data),
        Err(DataError::Missing { .. }) => Ok(installation()),
        Err(error) => Err(Check::fail("data folder", error.to_string(), "the folder is as it was")),
    }
}

fn embedded(settings: &Settings, data: PathBuf) -> Result<Target, Check> {
    let secrets = Secrets::load(&data)
        .map_err(|error| Check::fail("secrets", one_line(&error), "look at the rights of the file"))?;
    let Some(running) = endpoints(&data) else {
        let detail = format!("nothing runs in {}", data.display());
        return Err(Check::fail("installation", detail, "start `tidings dev`, then look again"));
    };
    let nats = embedded_settings(&settings.nats, &running.nats_url, &secrets);
    Ok(Target { monitor_urls: vec![running.nats_monitor_url], nats, data: Some(data) })
}
