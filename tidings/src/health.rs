//! What the platform asks on the internal port: `/livez`, `/startupz`, `/readyz` (`?verbose` names each part), `/metrics`
//! (Prometheus' text form).
//!
//! Alive is who answers at all; started is who has started every part; ready is who is started, is not draining and has
//! no part with a reason against it. Never on the public port, and never anything about users.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::parts::{Drained, Part};

/// The state of the process as the platform sees it; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Health {
    /// Held for a look or a change, never over an await.
    state: Arc<Mutex<HealthState>>,
    /// What writes `/metrics`, one writer per part that has any. Held while they write.
    metrics: Arc<Mutex<Vec<MetricsWriter>>>,
}

/// Adds a part's lines to `/metrics`.
pub(crate) type MetricsWriter = Box<dyn Fn(&mut String) + Send>;

#[derive(Debug, Default)]
struct HealthState {
    started: bool,
    draining: bool,
    /// Why each part is not ready; `None` when it is.
    parts: BTreeMap<&'static str, Option<String>>,
}

/// The entry of one part; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct PartHealth {
    health: Health,
    part: &'static str,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state.fmt(f)
    }
}

impl Health {
    /// Adds a part's lines to `/metrics`.
    pub(crate) fn add_metrics(&self, writer: MetricsWriter) {
        self.metrics.lock().push(writer);
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        for write in self.metrics.lock().iter() {
            write(&mut text);
        }
        text
    }

    /// Makes the entry of a part, not ready until it says so.
    pub(crate) fn part(&self, part: &'static str) -> PartHealth {
        let entry = PartHealth { health: self.clone(), part };
        entry.not_ready("starting");
        entry
    }

    /// All parts have started.
    pub(crate) fn started(&self) {
        self.state.lock().started = true;
    }

    /// The process stops: no new work is wanted.
    pub(crate) fn draining(&self) {
        self.state.lock().draining = true;
    }

    /// Whether the process is ready, and the lines that `?verbose` shows.
    fn readiness(&self) -> (bool, String) {
        let state = self.state.lock();
        let mut ready = true;
        let mut lines = String::new();
        let process = [("started", state.started), ("not draining", !state.draining)];
        let process = process.map(|(name, well)| (name, (!well).then_some("no")));
        let parts = state.parts.iter().map(|(name, reason)| (*name, reason.as_deref()));
        for (name, reason) in process.into_iter().chain(parts) {
            ready &= reason.is_none();
            // Writing to a String cannot fail.
            let _ = match reason {
                None => writeln!(lines, "[+] {name} ok"),
                Some(reason) => writeln!(lines, "[-] {name} {reason}"),
            };
        }
        (ready, lines)
    }
}

impl PartHealth {
    /// Nothing against this part.
    pub(crate) fn ready(&self) {
        self.health.state.lock().parts.insert(self.part, None);
    }

    /// The part cannot do its work now; `reason` is shown to operators.
    pub(crate) fn not_ready(&self, reason: impl Into<String>) {
        self.health.state.lock().parts.insert(self.part, Some(reason.into()));
    }
}

/// The internal port, as a part: the first to start and the last to go.
#[derive(Debug)]
pub(crate) struct InternalPort {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl InternalPort {
    /// Serves `health` on a socket that is bound already.
    ///
    /// # Errors
    /// When the socket has no address, that is, never for a bound one.
    pub(crate) fn start(listener: TcpListener, health: Health) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let routes = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/startupz", get(startupz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(health);
        let stop = CancellationToken::new();
        let server = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
        Ok(Self { address, stop, server: tokio::spawn(server.into_future()) })
    }
}

#[async_trait]
impl Part for InternalPort {
    fn name(&self) -> &'static str {
        "internal port"
    }

    async fn failed(&mut self) -> String {
        match (&mut self.server).await {
            Ok(Ok(())) => "ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    async fn drain(mut self: Box<Self>, deadline: Instant) -> Drained {
        self.stop.cancel();
        if tokio::time::timeout_at(deadline, &mut self.server).await.is_err() {
            // A probe that holds its connection open is no work to wait for.
            self.server.abort();
        }
        Drained::Whole
    }
}

async fn startupz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.state.lock().started { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting\n") }
}

async fn metrics(State(health): State<Health>) -> ([(&'static str, &'static str); 1], String) {
    ([("content-type", "text/plain; version=0.0.4")], health.metrics())
}

async fn readyz(State(health): State<Health>, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let (ready, lines) = health.readiness();
    let verbose = query.is_some_and(|query| query.split('&').any(|field| field.split('=').next() == Some("verbose")));
    let (status, verdict) =
        if ready { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    (status, if verbose { lines + verdict } else { verdict.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn ready_is_started_not_draining_and_every_part_well() {
        let health = Health::default();
        let log = health.part("log");
        assert_eq!(health.readiness(), (false, "[-] started no\n[+] not draining ok\n[-] log starting\n".to_owned()));
        log.ready();
        assert!(!health.readiness().0, "not started yet");
        health.started();
        assert_eq!(health.readiness(), (true, "[+] started ok\n[+] not draining ok\n[+] log ok\n".to_owned()));
        log.not_ready("restarting");
        assert_eq!(health.readiness(), (false, "[+] started ok\n[+] not draining ok\n[-] log restarting\n".to_owned()));
        log.ready();
        health.draining();
        assert!(!health.readiness().0, "draining");
    }
}
