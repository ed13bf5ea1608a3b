//! The internal port: what the platform asks. Never on the public port, and never anything about users.
//!
//! Alive is who answers at all; started is who has started every part; ready is who is started and has no check against
//! it. Checks are looks at what parts say of themselves: they never wait, so a probe answers whatever is broken.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

/// One named look: `Err` with the reason when the process should get no work now.
pub type Check = (&'static str, Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

/// What the internal port tells.
#[derive(Clone)]
pub struct Probes {
    /// Whether every part has started.
    pub started: Arc<dyn Fn() -> bool + Send + Sync>,
    /// What has to be well for the process to get work.
    pub checks: Arc<[Check]>,
    /// The metrics, in Prometheus' text form.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.checks.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Probes").field("checks", &names).finish_non_exhaustive()
    }
}

impl Probes {
    /// The internal port's routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/startupz", get(startupz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self)
    }

    /// Whether the process should get work, and a line for each check.
    fn readiness(&self) -> (bool, String) {
        let started = if (self.started)() { Ok(()) } else { Err("no".to_owned()) };
        let checks = self.checks.iter().map(|(name, check)| (*name, check()));
        let (mut ready, mut lines) = (true, String::new());
        for (name, verdict) in std::iter::once(("started", started)).chain(checks) {
            ready &= verdict.is_ok();
            // Writing to a String cannot fail.
            let _ = match verdict {
                Ok(()) => writeln!(lines, "[+] {name} ok"),
                Err(reason) => writeln!(lines, "[-] {name} {reason}"),
            };
        }
        (ready, lines)
    }
}

async fn startupz(State(probes): State<Probes>) -> impl IntoResponse {
    if (probes.started)() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting\n") }
}

async fn readyz(State(probes): State<Probes>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let (ready, mut text) = probes.readiness();
    let asked = |query: String| query.split('&').any(|field| field.split('=').next() == Some("verbose"));
    if !query.is_some_and(asked) {
        text.clear();
    }
    let (status, verdict) =
        if ready { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    (status, text + verdict)
}

async fn metrics(State(probes): State<Probes>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (probes.metrics)())
}
