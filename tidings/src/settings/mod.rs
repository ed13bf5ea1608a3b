//! Everything that can be set, read once at start and checked before a port opens or a child starts.
//!
//! Four layers, later ones win: the defaults in the code, a TOML file (`--config`), the environment
//! (`TIDINGS__SECTION__KEY`), flags. One struct per concern; a key nobody knows is refused, with its name and where
//! it was found, so a typing error never runs as a default. Durations, sizes and addresses are types from here on.
//!
//! Never in here: a value of a secret in any message (see [`Secret`]), and figment in any other module.

mod dev;
mod doctor;
mod listen;
mod load;
mod log;
mod nats;
mod secret;
mod stop;
mod units;

use serde::Deserialize;

pub(crate) use dev::DevSettings;
pub(crate) use doctor::DoctorSettings;
pub(crate) use listen::ListenSettings;
pub(crate) use load::{Flags, SettingsError};
pub(crate) use log::{LogFormat, LogSettings};
pub(crate) use nats::NatsSettings;
pub(crate) use secret::Secret;
pub(crate) use stop::StopSettings;

/// The settings of a process, one section per concern.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What is logged and how.
    pub(crate) log: LogSettings,
    /// Where the process listens.
    pub(crate) listen: ListenSettings,
    /// How the process stops.
    pub(crate) stop: StopSettings,
    /// The NATS servers of an installation. `tidings dev` brings its own and takes nothing from here.
    pub(crate) nats: NatsSettings,
    /// The embedded installation, `tidings dev`.
    pub(crate) dev: DevSettings,
    /// What `tidings doctor` finds worth a warning.
    pub(crate) doctor: DoctorSettings,
}
