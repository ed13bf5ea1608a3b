//! `[listen]`

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

/// Where the process listens. Port 0 takes a free port; the one it got is printed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListenSettings {
    /// Address and port of the page, the API and the socket. Default `127.0.0.1:8080`.
    pub(crate) public: SocketAddr,
    /// Address and port of `/livez`, `/readyz` and `/startupz`: for the platform, never for the world.
    /// Default `127.0.0.1:8081`.
    pub(crate) internal: SocketAddr,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            public: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            internal: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
        }
    }
}
