//! `tidings dev`: all roles in one process on one folder, with a nats-server as its child.
//!
//! What can refuse a start is asked first and in an order in which nothing has to be taken back: the folder (in use,
//! newer, no room), the ports (taken), what an earlier crash left. Only then the parts start, in `parts.rs`.
//!
//! Same streams and code paths as an installation of many machines; only stores differ.

pub(crate) mod data;
mod disk;
mod leftover;
pub(crate) mod nats_child;
pub(crate) mod nats_config;
mod parts;
mod program;
pub(crate) mod secrets;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tidings_nats::NatsSettings;
use tokio::net::TcpListener;

use self::data::{DataError, DataFolder, Endpoints};
use self::secrets::{Secrets, SecretsError};
use crate::health::{Health, InternalPort};
use crate::log::LogError;
use crate::parts::Parts;
use crate::settings::Settings;

/// The users that are there from the first start: handle and name.
pub(crate) const DEMO_USERS: [(&str, &str); 2] = [("alice", "Alice"), ("bob", "Bob")];

/// Why an embedded installation did not start. One line each, with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// The folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The secrets cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Somebody else listens there.
    #[error("{address} is taken by another program: stop it, or give another address with {flag}")]
    PortTaken {
        /// As set.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The system refuses the address.
    #[error("could not listen on {address} ({flag})")]
    Listen {
        /// As set.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No nats-server, or no port for it.
    #[error(transparent)]
    Program(#[from] program::ProgramError),
    /// One of a crashed run does not go.
    #[error(transparent)]
    Leftover(#[from] leftover::LeftoverError),
    /// The folder's name cannot be written into the server's configuration.
    #[error(transparent)]
    Path(#[from] nats_config::BadPath),
    /// The nats-server does not start.
    #[error(transparent)]
    Child(#[from] nats_child::ChildError),
    /// The database cannot be used.
    #[error("could not open the database")]
    Store(#[from] tidings_schema::StoreError),
    /// A role does not start.
    #[error(transparent)]
    Role(#[from] crate::roles::RoleError),
    /// The streams cannot be made, or are not as they must be.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What the parts are built on.
struct Ground<'a> {
    settings: &'a Settings,
    health: &'a Health,
    /// The data folder, absolute.
    data: PathBuf,
    /// The folder of the nats-server in it.
    nats: PathBuf,
    secrets: Secrets,
    /// Bound before anything started, so that a taken port costs nothing.
    public: TcpListener,
}

/// Starts the installation; what has started is in `parts`, also when a later part fails. Gives what to tell the user.
///
/// # Errors
/// [`DevError`], one variant per reason.
pub(crate) async fn start(settings: &Settings, health: &Health, parts: &mut Parts) -> Result<String, DevError> {
    let folder = DataFolder::open(&settings.dev.data, settings.dev.disk_free_min_bytes)?;
    let (data, nats) = (folder.path().to_owned(), folder.nats());
    parts.add(folder);
    let public = listen(settings.listen.public, "--listen").await?;
    let internal = listen(settings.listen.internal, "--internal-listen").await?;
    let address = settings.listen.internal;
    let internal = InternalPort::start(internal, health.clone()).map_err(|source| DevError::Listen {
        address,
        flag: "--internal-listen",
        source,
    })?;
    let internal_url = format!("http://{}", internal.address);
    parts.add(internal);

    let secrets = Secrets::load_or_make(&data)?;
    let url = format!("http://{}", reachable(public.local_addr().unwrap_or(settings.listen.public)));
    let ground = Ground { settings, health, data: data.clone(), nats, secrets, public };
    let nats = parts::start(ground, parts).await?;
    let pid = std::process::id();
    let (nats_url, nats_monitor_url) = (nats.client, nats.monitor);
    let endpoints = Endpoints { pid, url, internal_url, nats_url, nats_monitor_url };
    DataFolder::announce(&data, &endpoints)?;
    Ok(banner(&endpoints, &data))
}

/// How to reach the child nats-server at `url`: what the settings say of streams, but its own address and credentials.
pub(crate) fn embedded_settings(settings: &NatsSettings, url: &str, secrets: &Secrets) -> NatsSettings {
    NatsSettings {
        servers: vec![url.to_owned()],
        user: Some(nats_config::NATS_USER.to_owned()),
        password: Some(secrets.nats_password.reveal().to_owned()),
        token: None,
        replicas: 1,
        ..settings.clone()
    }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, DevError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => DevError::PortTaken { address, flag },
        _ => DevError::Listen { address, flag, source },
    })
}

/// The address to open for one that listens: every address of the machine is reached by its loopback address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn banner(endpoints: &Endpoints, data: &std::path::Path) -> String {
    let [(one, _), (other, _)] = DEMO_USERS;
    format!(
        "\nTidings is running.\n
  Open     {}
  Log in   as {one} or {other} with one click; two windows make a conversation
  Data     {}
  Stop     Ctrl-C\n",
        endpoints.url,
        data.display()
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::{DevError, listen, reachable};

    #[tokio::test]
    async fn a_taken_port_is_said_with_the_flag_that_changes_it() {
        let holder = listen("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
        let address = holder.local_addr().unwrap();
        let refusal = listen(address, "--listen").await.unwrap_err();
        assert!(matches!(refusal, DevError::PortTaken { flag: "--listen", .. }));
        assert_eq!(
            refusal.to_string(),
            format!("{address} is taken by another program: stop it, or give another address with --listen")
        );
    }

    #[test]
    fn an_address_to_listen_on_becomes_one_to_open() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()).to_string(), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080".parse().unwrap()).to_string(), "[::1]:8080");
        assert_eq!(reachable("192.0.2.1:8080".parse().unwrap()).to_string(), "192.0.2.1:8080");
    }
}
