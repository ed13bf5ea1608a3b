//! The gateway as a part: sessions, calls, the page, on the public port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidings_gateway::accounts::{Accounts, Register};
use tidings_gateway::http::{Api, DemoUser, Served, router, serve};
use tidings_gateway::tokens::{InstallKeys, Verifier};
use tidings_gateway::{Gateway, HasRoom, Parts as GatewayParts, ReadStores};
use tidings_nats::{Log, NatsSettings, Publisher, live, streams};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{RoleError, Stores};
use crate::health::Health;
use crate::log::{self, LogError};
use crate::parts::{Drained, Part};
use crate::settings::Settings;

/// Time kept of the drain's deadline for the port to close after the sessions.
const PORT_CLOSE: Duration = Duration::from_millis(500);

/// What a gateway is started with.
pub(crate) struct GatewayStart<'a> {
    /// Its sections.
    pub(crate) settings: &'a Settings,
    /// How it reaches the log.
    pub(crate) nats: &'a NatsSettings,
    /// The stores.
    pub(crate) stores: &'a Stores,
    /// The install's key for access tokens.
    pub(crate) token_key: &'a str,
    /// Users that a development installation brings along; such a gateway also takes tokens of `tidings token`.
    pub(crate) demo: Option<Vec<DemoUser>>,
    /// Whether the disk has room.
    pub(crate) has_room: HasRoom,
    /// Where its counters are shown.
    pub(crate) health: &'a Health,
    /// Bound already.
    pub(crate) listener: TcpListener,
}

/// The gateway, started.
pub(crate) struct GatewayPart {
    gateway: Gateway,
    /// Ends the port; cancelled after the sessions have said goodbye.
    stop_port: CancellationToken,
    port: JoinHandle<Served>,
    /// Ends the publisher, the live reader and the refreshing of keys, after everything else.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl GatewayPart {
    /// Checks the streams, connects (one connection for appends and reads, one for live delivery), and opens the port.
    ///
    /// # Errors
    /// [`RoleError`].
    pub(crate) async fn start(start: GatewayStart<'_>) -> Result<Self, RoleError> {
        let GatewayStart { settings, nats, stores, token_key, demo, has_room, health, listener } = start;
        settings.sessions.check()?;
        settings.http.check()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let log = log::open(nats, "tidings gateway").await?;
        let streams = streams::check(&log, nats).await.map_err(LogError::from)?;
        let keys = InstallKeys::new(token_key.as_bytes())?;
        let verifier = Arc::new(Verifier::start(keys.clone(), &settings.auth.app, demo.is_some()).await?);
        let accounts = Arc::new(Accounts::new(stores.directory.clone(), keys, &settings.auth)?);
        seed(&accounts, demo.as_deref().unwrap_or_default()).await?;
        let fresh = verifier.clone();
        let stop_fresh = stop.clone();
        tasks.spawn(async move { fresh.keep_fresh(stop_fresh).await });
        let gateway = Gateway::start(
            GatewayParts {
                publisher: Publisher::start(&log, settings.publish.clone(), &tasks, stop.clone()),
                live: live::start(nats, settings.live.clone(), stop.clone(), &tasks)?,
                streams,
                inbox_age: inbox_age(nats),
                stores: read_stores(stores),
                directory: stores.directory.clone(),
                accounts: accounts.clone(),
                verifier: verifier.clone(),
                has_room,
                log: Log::clone(&log),
            },
            settings.sessions.clone(),
        );
        let metrics = gateway.metrics();
        health.add_metrics(Box::new(move |text| metrics.write(text)));
        let api = Api {
            verifier,
            accounts,
            ops: gateway.chat_ops(),
            http: Arc::new(settings.http.clone()),
            connect_wait_ms: Arc::new(|| 0),
            demo: demo.map(Arc::from),
        };
        let stop_port = CancellationToken::new();
        let (http, port_stop, app) = (settings.http.clone(), stop_port.clone(), router(api, gateway.socket_router()));
        let port = tokio::spawn(async move { serve(listener, app, &http, port_stop, PORT_CLOSE).await });
        Ok(Self { gateway, stop_port, port, stop, tasks })
    }
}

/// How long inboxes keep their events.
fn inbox_age(nats: &NatsSettings) -> Duration {
    Duration::from_secs(nats.inbox_max_age_days.saturating_mul(24 * 3600))
}

fn read_stores(stores: &Stores) -> ReadStores {
    ReadStores {
        history: stores.history.clone(),
        user_chats: stores.user_chats.clone(),
        progress: stores.progress.clone(),
    }
}

async fn seed(accounts: &Accounts, demo: &[DemoUser]) -> Result<(), RoleError> {
    for user in demo {
        let asked = Register {
            handle: user.handle.clone(),
            password: user.password.reveal().to_owned(),
            name: user.name.clone(),
        };
        accounts.ensure_account(asked).await.map_err(|refusal| RoleError::Demo(refusal.to_string()))?;
    }
    Ok(())
}

#[async_trait]
impl Part for GatewayPart {
    fn name(&self) -> &'static str {
        "gateway"
    }

    async fn failed(&mut self) -> String {
        match (&mut self.port).await {
            Ok(_) => "the public port closed".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn drain(self: Box<Self>, deadline: Instant) -> Drained {
        let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(PORT_CLOSE);
        let cut = self.gateway.drain(left).await;
        self.stop_port.cancel();
        // A port that panicked has no connections left.
        let _ = self.port.await;
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout_at(deadline, self.tasks.wait()).await;
        if cut == 0 && ended.is_ok() { Drained::Whole } else { Drained::Cut }
    }
}
