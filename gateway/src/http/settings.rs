//! `[http]`

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{BadSetting, millis};

/// hyper reads into a buffer of at least this.
const HEADER_BYTES_MIN: usize = 8 * 1024;

/// How the public port takes requests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Connections at the same time, sockets included; one more is answered 503 and closed. Each is an open file.
    /// Default 16384.
    pub connections_max: usize,
    /// `header_timeout_ms`: how long a request's head may take, counted from the connection or from the answer before,
    /// so also how long a connection may be idle, in milliseconds. Default 15000.
    #[serde(rename = "header_timeout_ms", with = "millis")]
    pub header_timeout: Duration,
    /// Longest head of a request in bytes, at least 8192. Default 16384.
    pub header_bytes_max: usize,
    /// `body_timeout_ms`: how long a request's body may take, in milliseconds. Default 15000.
    #[serde(rename = "body_timeout_ms", with = "millis")]
    pub body_timeout: Duration,
    /// Address of the socket as clients reach it, such as `wss://chat.example.com/v1/ws`, for `GET /v1/connect`.
    /// Default none: made of the request's own `Host`.
    pub public_socket_url: Option<String>,
    /// How many proxies in front of this port add the address they see to `X-Forwarded-For`. It decides whose attempts
    /// to log in are counted together. Default 0: the header is not looked at.
    pub proxies: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            header_timeout: Duration::from_secs(15),
            header_bytes_max: 16 * 1024,
            body_timeout: Duration::from_secs(15),
            public_socket_url: None,
            proxies: 0,
        }
    }
}

impl HttpSettings {
    /// Whether the values can be meant.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), BadSetting> {
        if self.connections_max == 0 || self.connections_max > tokio::sync::Semaphore::MAX_PERMITS {
            return BadSetting::of("http.connections_max", "must be at least 1, and a number of open files");
        }
        if self.header_bytes_max < HEADER_BYTES_MIN {
            return BadSetting::of("http.header_bytes_max", "must be at least 8192");
        }
        let socket = |url: &String| url.starts_with("ws://") || url.starts_with("wss://");
        if !self.public_socket_url.as_ref().is_none_or(socket) {
            return BadSetting::of("http.public_socket_url", "must begin with wss:// or ws://");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(HttpSettings::default().check(), Ok(()));
        for (bad, key) in [
            (r#"{"connections_max":0}"#, "http.connections_max"),
            (r#"{"header_bytes_max":8191}"#, "http.header_bytes_max"),
            (r#"{"public_socket_url":"https://x"}"#, "http.public_socket_url"),
        ] {
            let settings: HttpSettings = serde_json::from_str(bad).unwrap();
            assert_eq!(settings.check().unwrap_err().key, key);
        }
        assert!(serde_json::from_str::<HttpSettings>(r#"{"port":1}"#).is_err());
        let text = serde_json::to_string(&HttpSettings::default()).unwrap();
        assert_eq!(serde_json::from_str::<HttpSettings>(&text).unwrap(), HttpSettings::default());
    }
}
