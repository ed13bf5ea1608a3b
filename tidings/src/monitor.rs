//! What a nats-server says about itself on its monitoring port: version, clock, JetStream and its limits.
//!
//! Only read, never a part of the way of a message: what runs must not depend on this port.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The oldest nats-server that has all we rely on (atomic batches with their limits).
pub(crate) const OLDEST_VERSION: Version = Version { major: 2, minor: 15, patch: 1 };

/// More than any answer of the monitoring port that we ask for.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// A monitoring port.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    base: String,
    timeout: Duration,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Why a monitoring port gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MonitorError {
    /// The address is none.
    #[error("{url} is no address")]
    Address {
        /// As it was put together.
        url: String,
        /// Why not.
        #[source]
        source: hyper::http::uri::InvalidUri,
    },
    /// Nobody answered in time.
    #[error("{url} did not answer within {timeout:?}")]
    TimedOut {
        /// What was asked.
        url: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The connection was refused or broke.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why not.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// The answer is no answer of a nats-server.
    #[error("{url} did not answer as a nats-server does: {detail}")]
    Answer {
        /// What was asked.
        url: String,
        /// What did not fit.
        detail: String,
    },
}

/// `/varz`, as far as we look at it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Varz {
    /// Name in the configuration, or the server's id.
    pub(crate) server_name: String,
    /// As `2.15.1`.
    pub(crate) version: String,
    /// The largest message, in bytes.
    pub(crate) max_payload: u64,
    /// The server's clock.
    now: String,
    /// Empty when JetStream is off.
    #[serde(default)]
    jetstream: JetStreamVarz,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct JetStreamVarz {
    config: Option<JetStreamConfig>,
    limits: Option<BatchLimits>,
}

/// How the server keeps streams.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct JetStreamConfig {
    /// Folder of the streams.
    #[serde(default)]
    pub(crate) store_dir: String,
    /// Every write is on disk before it is acknowledged (`sync_interval: always`).
    #[serde(default)]
    pub(crate) sync_always: bool,
}

/// Limits of atomic batches (R7). A server says only those that its configuration sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct BatchLimits {
    /// Open batches of one stream.
    #[serde(rename = "max_batch_inflight_per_stream")]
    pub(crate) inflight_per_stream: u64,
    /// Open batches of the server.
    #[serde(rename = "max_batch_inflight_total")]
    pub(crate) inflight_total: u64,
    /// Messages of one batch.
    #[serde(rename = "max_batch_size")]
    pub(crate) msgs: u64,
    /// How long an abandoned batch holds its place.
    #[serde(rename = "max_batch_timeout")]
    pub(crate) timeout_ns: u64,
}

impl Default for BatchLimits {
    /// What a server does when its configuration says nothing.
    fn default() -> Self {
        Self { inflight_per_stream: 50, inflight_total: 1_000, msgs: 1_000, timeout_ns: 10_000_000_000 }
    }
}

impl Varz {
    /// The version as numbers, `None` when it is none.
    pub(crate) fn parsed_version(&self) -> Option<Version> {
        Version::parse(&self.version)
    }

    /// How streams are kept; `None` when JetStream is off.
    pub(crate) fn jetstream(&self) -> Option<&JetStreamConfig> {
        self.jetstream.config.as_ref()
    }

    /// The limits of atomic batches.
    pub(crate) fn batch_limits(&self) -> BatchLimits {
        self.jetstream.limits.unwrap_or_default()
    }

    /// The server's clock when it answered.
    pub(crate) fn clock(&self) -> Option<SystemTime> {
        OffsetDateTime::parse(&self.now, &Rfc3339).ok().map(SystemTime::from)
    }
}

/// `/healthz` of a server that is not well.
#[derive(Debug, Deserialize)]
struct Healthz {
    error: String,
}

impl Healthz {
    fn words(body: &[u8]) -> String {
        match serde_json::from_slice::<Self>(body) {
            Ok(healthz) => healthz.error,
            Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
        }
    }
}

/// A released version of nats-server; a pre-release is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim_start_matches('v').split('.').map(|piece| piece.parse::<u32>().ok());
        let version = Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        numbers.next().is_none().then_some(version)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Monitor {
    /// The port at `base`, `http://host:port`; each question may take `timeout`.
    pub(crate) fn new(base: &str, timeout: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), timeout, client }
    }

    /// What the server is and how it is configured.
    ///
    /// # Errors
    /// [`MonitorError`] as it says.
    pub(crate) async fn varz(&self) -> Result<Varz, MonitorError> {
        let url = format!("{}/varz", self.base);
        let (_, body) = self.get(&url).await?;
        serde_json::from_slice(&body).map_err(|error| MonitorError::Answer { url, detail: error.to_string() })
    }

    /// What is wrong with the server or one of its streams, in its words; `None` when all is well. A stream that met a
    /// full disk says so here and nowhere else: it takes nothing more, also when there is room again.
    ///
    /// # Errors
    /// [`MonitorError`] when the server does not say anything.
    pub(crate) async fn trouble(&self) -> Result<Option<String>, MonitorError> {
        let url = format!("{}/healthz", self.base);
        let (well, body) = self.get(&url).await?;
        Ok((!well).then(|| Healthz::words(&body)))
    }

    async fn get(&self, url: &str) -> Result<(bool, Bytes), MonitorError> {
        let address: Uri = url.parse().map_err(|source| MonitorError::Address { url: url.to_owned(), source })?;
        let answer = |detail: String| MonitorError::Answer { url: url.to_owned(), detail };
        let exchange = async {
            let request = Request::get(address).body(Empty::new()).map_err(|error| answer(error.to_string()))?;
            let response = self
                .client
                .request(request)
                .await
                .map_err(|source| MonitorError::Unreachable { url: url.to_owned(), source })?;
            let well = response.status().is_success();
            let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
            Ok((well, body.map_err(|error| answer(error.to_string()))?.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(MonitorError::TimedOut { url: url.to_owned(), timeout: self.timeout }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchLimits, Healthz, OLDEST_VERSION, Varz, Version};

    #[test]
    fn trouble_is_in_the_servers_words() {
        let body = br#"{"status":"unavailable","error":"JetStream stream '$G > CHAT_0' write error"}"#;
        assert_eq!(Healthz::words(body), "JetStream stream '$G > CHAT_0' write error");
        assert_eq!(Healthz::words(b" gateway timeout\n"), "gateway timeout");
    }

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text| Version::parse(text).expect("a version");
        assert!(version("2.15.1") >= OLDEST_VERSION);
        assert!(version("v2.16.0") > version("2.15.10"));
        assert!(version("2.15.10") > version("2.15.9"));
        assert!(version("2.9.25") < OLDEST_VERSION);
        assert_eq!(Version::parse("2.15.1-RC.2"), None, "a pre-release is no version to rely on");
        assert_eq!(Version::parse("2.15"), None);
        assert_eq!(Version::parse("2.15.1.4"), None);
    }

    #[test]
    fn a_server_without_jetstream_has_no_config() {
        let varz: Varz = serde_json::from_str(
            r#"{"server_name":"a","version":"2.15.1","max_payload":1048576,"now":"2026-11-21T02:02:53.8Z","jetstream":{}}"#,
        )
        .expect("the fields we read are there");
        assert!(varz.jetstream().is_none());
        assert_eq!(varz.batch_limits(), BatchLimits::default());
        assert!(varz.clock().is_some());
    }
}
