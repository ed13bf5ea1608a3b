//! Everything that can be set, read once at start and checked before a port opens or a child starts.
//!
//! Four layers, later ones win: the defaults in the code, a TOML file (`--config`), the environment
//! (`TIDINGS__SECTION__KEY`), flags. One struct per concern; a key nobody knows is refused, with its name and where
//! it was found, so a typing error never runs as a default. Durations, sizes and addresses are types from here on.
//!
//! A crate that has settings of its own brings their struct; its section here is one line.
//!
//! Never in here: the value of a secret in any message, and figment in any other module.

mod dev;
mod doctor;
mod listen;
mod load;
mod log;
mod secret;
mod stop;
mod units;

use serde::Deserialize;
use tidings_gateway::SessionSettings;
use tidings_gateway::accounts::AuthSettings;
use tidings_gateway::http::HttpSettings;
use tidings_nats::live::LiveSettings;
use tidings_nats::{NatsSettings, PublishSettings};
use tidings_workers::WorkersSettings;

pub(crate) use dev::DevSettings;
pub(crate) use doctor::DoctorSettings;
pub(crate) use listen::ListenSettings;
pub(crate) use load::Flags;
pub(crate) use log::{LogFormat, LogSettings};
pub(crate) use secret::Secret;
pub(crate) use stop::StopSettings;

/// The settings of a process, one section per concern.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What is logged and how.
    pub(crate) log: LogSettings,
    /// Where the process listens.
    pub(crate) listen: ListenSettings,
    /// How the process stops.
    pub(crate) stop: StopSettings,
    /// The NATS servers and how the streams on them are made. `tidings dev` brings its own server: addresses,
    /// credentials and replicas in here are not used then.
    pub(crate) nats: NatsSettings,
    /// How appends are written.
    pub(crate) publish: PublishSettings,
    /// The live reader.
    pub(crate) live: LiveSettings,
    /// The workers.
    pub(crate) workers: WorkersSettings,
    /// Sessions and fan-out.
    pub(crate) sessions: SessionSettings,
    /// The public port.
    pub(crate) http: HttpSettings,
    /// Accounts and tokens.
    pub(crate) auth: AuthSettings,
    /// The embedded installation, `tidings dev`.
    pub(crate) dev: DevSettings,
    /// What `tidings doctor` finds worth a warning.
    pub(crate) doctor: DoctorSettings,
}

#[cfg(test)]
mod tests;
