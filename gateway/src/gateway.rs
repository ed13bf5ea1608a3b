//! The gateway as a whole: made of its parts, started, asked to drain.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use tidings_nats::live::{LiveItem, LiveReader};
use tidings_nats::{Log, Publisher, StreamName, StreamState};
use tidings_schema::DirectoryStore;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::core::Core;
use crate::fanout::hub::{COMMANDS, Hub, HubSettings, Inputs, RESULTS};
use crate::fanout::jobs::{Jobs, READS_AT_ONCE};
use crate::fanout::stats::Counters;
use crate::http::ops::ChatOps;
use crate::http::{ConnectionSlot, Problem};
use crate::metrics::GatewayMetrics;
use crate::ops::{HasRoom, Ops};
use crate::reads::{Members, ReadStores, Reads};
use crate::settings::SessionSettings;
use crate::tokens::Verifier;

/// What a gateway is made of.
pub struct Parts {
    /// Appends. Its connection is not the live reader's.
    pub publisher: Publisher,
    /// Reads of the log.
    pub log: Log,
    /// The live reader and its channel.
    pub live: (Arc<dyn LiveReader>, mpsc::Receiver<LiveItem>),
    /// The streams as found at start.
    pub streams: Vec<StreamState>,
    /// How long the inbox streams keep their events.
    pub inbox_age: Duration,
    /// Rows of chats and lists.
    pub stores: ReadStores,
    /// People.
    pub directory: Arc<dyn DirectoryStore>,
    /// Accounts and tokens.
    pub accounts: Arc<Accounts>,
    /// Checks access tokens.
    pub verifier: Arc<Verifier>,
    /// `false` while the log must not take more (no room on the disk): appends are refused, retryable.
    pub has_room: HasRoom,
}

/// A running gateway.
pub struct Gateway {
    core: Arc<Core>,
    counters: Arc<Counters>,
    /// Ends the hub and its jobs, after the sessions.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Gateway {
    /// Starts the fan-out. No port is opened here: serve [`Gateway::socket_router`] and [`Gateway::chat_ops`].
    pub fn start(parts: Parts, settings: SessionSettings) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let members = Arc::new(Members::default());
        let counters = Arc::new(Counters::default());
        let reads = Reads::new(parts.log.clone(), parts.stores, members.clone(), settings.max_window_ms);
        let reads = Arc::new(reads);
        let ops = Ops {
            reads: reads.clone(),
            publisher: parts.publisher,
            directory: parts.directory,
            has_room: parts.has_room,
        };
        let (live, live_items) = parts.live;
        let (done, done_items) = mpsc::channel(RESULTS);
        let (hub, commands) = mpsc::channel(COMMANDS);
        let jobs = Jobs {
            log: parts.log.clone(),
            live: live.clone(),
            reads: reads.clone(),
            tracker: tasks.clone(),
            done,
            permits: Arc::new(Semaphore::new(READS_AT_ONCE)),
        };
        let hub_settings = HubSettings {
            sweep_every: Duration::from_millis(settings.sweep_interval_ms),
            warm_chats: settings.warm_chats,
        };
        let inputs = Inputs { live: live_items, commands, done: done_items };
        tasks.spawn(Hub::new(hub_settings, jobs, members, counters.clone()).run(inputs, stop.clone()));
        let core = Core {
            settings,
            log: parts.log,
            live,
            reads,
            ops: Arc::new(ops),
            verifier: parts.verifier,
            accounts: parts.accounts,
            hub,
            inbox_epochs: epochs(&parts.streams),
            inbox_age_ms: u64::try_from(parts.inbox_age.as_millis()).unwrap_or(u64::MAX),
            open: AtomicUsize::new(0),
            draining: CancellationToken::new(),
            sessions: TaskTracker::new(),
        };
        Self { core: Arc::new(core), counters, stop, tasks }
    }

    /// `GET /v1/ws`.
    pub fn socket_router(&self) -> Router {
        let core = self.core.clone();
        let socket = move |slot: Option<Extension<ConnectionSlot>>, upgrade: WebSocketUpgrade| async move {
            let slot = slot.map(|Extension(slot)| slot);
            match crate::session::upgrade(core, upgrade, slot) {
                Ok(response) => response,
                Err(refusal) => Problem(refusal).into_response(),
            }
        };
        Router::new().route("/v1/ws", get(socket))
    }

    /// What the HTTP calls about chats ask.
    pub fn chat_ops(&self) -> Arc<dyn ChatOps> {
        self.core.ops.clone()
    }

    /// What to read the counters with, also after the gateway has been handed on.
    pub fn metrics(&self) -> GatewayMetrics {
        GatewayMetrics { core: self.core.clone(), counters: self.counters.clone() }
    }

    /// Whether the gateway takes new sessions.
    pub fn is_draining(&self) -> bool {
        self.core.draining.is_cancelled()
    }

    /// Tells every session to go elsewhere, waits for them up to `deadline`, and stops. Returns how many were cut.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.core.draining.cancel();
        self.core.sessions.close();
        let cut = match tokio::time::timeout(deadline, self.core.sessions.wait()).await {
            Ok(()) => 0,
            Err(_) => self.core.sessions.len(),
        };
        self.stop.cancel();
        self.tasks.close();
        // Jobs end by themselves: each is bounded by its read's own time-out, and the hub no longer takes results.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
        cut
    }
}

fn epochs(streams: &[StreamState]) -> HashMap<StreamName, u64> {
    streams
        .iter()
        .filter(|state| matches!(state.name, StreamName::Inbox(_)))
        .map(|state| (state.name, state.epoch))
        .collect()
}
