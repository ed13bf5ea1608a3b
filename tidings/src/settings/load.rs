//! Puts the four layers together and checks the result.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};

use super::{LogFormat, Settings};

/// What comes before each key in the environment, and between its parts.
const ENV_PREFIX: &str = "TIDINGS__";

/// The flags that are settings, as given; `None` leaves the layer below.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Flags {
    /// Settings file (TOML); see tidings.example.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log levels, e.g. info or info,tidings_nats=debug (log.filter)
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Form of the log lines (log.format)
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Folder of the embedded installation (dev.data; default ./tidings-data)
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Address of page, API and socket (listen.public; default 127.0.0.1:8080)
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address of /livez, /readyz, /startupz (listen.internal; default 127.0.0.1:8081)
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub(crate) internal_listen: Option<SocketAddr>,
}

/// Why there are no settings. Its text is one line and quotes no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file given with `--config` cannot be read.
    #[error("settings file {}: {source}", path.display())]
    File {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("settings file {}: {detail}", path.display())]
    Syntax {
        /// As given.
        path: PathBuf,
        /// Where and what, without the line itself: a secret may stand in it.
        detail: String,
    },
    /// A key is unknown or its value does not fit.
    #[error("setting {key}: {detail} ({origin})")]
    Value {
        /// The key, dotted.
        key: String,
        /// What does not fit.
        detail: String,
        /// The layer it came from.
        origin: String,
    },
    /// Two values do not fit each other, or one cannot be meant.
    #[error("setting {key}: {detail}")]
    Sense {
        /// The key, dotted.
        key: &'static str,
        /// What is wrong and what would be right.
        detail: &'static str,
    },
}

impl Settings {
    /// Reads defaults, file, environment and flags, in this order, and checks what came out.
    ///
    /// # Errors
    /// [`SettingsError`]: unreadable file, unknown key, a value that does not fit.
    pub(crate) fn load(flags: &Flags) -> Result<Self, SettingsError> {
        let mut layers = Figment::new();
        if let Some(path) = &flags.config {
            layers = layers.merge(file_layer(path)?);
        }
        layers = layers.merge(Env::prefixed(ENV_PREFIX).split("__"));
        let settings: Self = flag_layer(layers, flags).extract().map_err(|error| value_error(&error))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let sense = |key, detail| Err(SettingsError::Sense { key, detail });
        if self.nats.servers.iter().chain(&self.doctor.monitor_urls).any(|url| url.contains('@')) {
            return sense("nats.servers", "an address must not hold a password: use nats.user and nats.password");
        }
        if self.nats.user.is_some() != self.nats.password.is_some() {
            return sense("nats.password", "user and password go together: set both or none");
        }
        let theirs = [self.http.check(), self.sessions.check(), self.auth.check()];
        if let Some(bad) = theirs.into_iter().find_map(Result::err) {
            return sense(bad.key, bad.detail);
        }
        if self.dev.nats_restart_min > self.dev.nats_restart_max {
            return sense("dev.nats_restart_min_ms", "must not be more than dev.nats_restart_max_ms");
        }
        if self.doctor.clock_warn > self.doctor.clock_fail {
            return sense("doctor.clock_warn_ms", "must not be more than doctor.clock_fail_ms");
        }
        Ok(())
    }
}

fn file_layer(path: &Path) -> Result<figment::providers::Data<Toml>, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::File { path: path.to_owned(), source })?;
    if let Err(error) = Toml::from_str::<figment::value::Dict>(&text) {
        // First line: the place; last line: what is wrong. Between them toml quotes the source.
        let said = error.to_string();
        let mut lines = said.lines().filter(|line| !line.contains(" |"));
        let place = lines.next().unwrap_or_default();
        let detail = lines.next_back().map_or_else(|| place.to_owned(), |what| format!("{place}: {what}"));
        return Err(SettingsError::Syntax { path: path.to_owned(), detail });
    }
    Ok(Toml::file_exact(path))
}

fn flag_layer(mut layers: Figment, flags: &Flags) -> Figment {
    if let Some(filter) = &flags.log {
        layers = layers.merge(Serialized::default("log.filter", filter));
    }
    if let Some(format) = flags.log_format {
        let name = match format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        layers = layers.merge(Serialized::default("log.format", name));
    }
    if let Some(data) = &flags.data {
        layers = layers.merge(Serialized::default("dev.data", data));
    }
    if let Some(address) = flags.listen {
        layers = layers.merge(Serialized::default("listen.public", address));
    }
    if let Some(address) = flags.internal_listen {
        layers = layers.merge(Serialized::default("listen.internal", address));
    }
    layers
}

fn value_error(error: &figment::Error) -> SettingsError {
    let origin = match &error.metadata {
        Some(metadata) if metadata.name.contains("environment") => "from the environment".to_owned(),
        Some(figment::Metadata { source: Some(source), .. }) => format!("from {source}"),
        _ => "from the flags or the defaults".to_owned(),
    };
    let key = error.path.join(".");
    let detail = match &error.kind {
        figment::error::Kind::UnknownField(_, known) => {
            format!("there is no such setting, there are {}", known.join(", "))
        }
        // Serde quotes the value that does not fit.
        _ if is_secret(&key) => "does not fit: a text in quotes is needed".to_owned(),
        kind => kind.to_string(),
    };
    SettingsError::Value { key, detail, origin }
}

/// Whether the value of a key must not be seen, by the words in its last part.
fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    last.split('_').any(|word| ["password", "secret", "token", "key", "keys", "credentials"].contains(&word))
}
