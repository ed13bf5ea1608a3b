//! The handle that callers hold, the state it shares with its task, and the task that keeps a connection up.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LiveReader;
use super::connection::{Connection, Ended};
use super::delivery::Delivery;
use super::desired::Desired;
use super::dial::{Dialed, dial};
use super::error::{DialError, LiveError};
use super::item::{LiveItem, LiveSubject};
use super::servers::Servers;
use super::settings::LiveSettings;
use super::stats::{Counters, LiveStats};
use crate::settings::NatsSettings;

/// What the current connection has confirmed.
#[derive(Debug, Clone, Copy, Default)]
struct Confirmed {
    /// The server knows all wishes up to this version; `None` without a connection.
    version: Option<u64>,
    /// It refused one of them.
    refused: bool,
    /// There will never be another connection.
    stopped: bool,
}

/// What handle and task share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Held for a wish, or for a chunk of lines; at a reconnect once for all subjects (about 50 ms for a million). Never
    /// over an await.
    pub(super) desired: Mutex<Desired>,
    /// Wakes the task when wishes changed.
    pub(super) changed: Notify,
    pub(super) counters: Arc<Counters>,
    confirmed: watch::Sender<Confirmed>,
    /// Why the newest attempt failed, for callers that wait in vain.
    last_failure: Mutex<Option<Arc<DialError>>>,
}

impl Shared {
    pub(super) fn confirm(&self, version: u64) {
        self.counters.connected.store(true, Relaxed);
        self.confirmed.send_modify(|confirmed| confirmed.version = Some(version));
    }

    pub(super) fn refuse(&self) {
        self.counters.refused.fetch_add(1, Relaxed);
        self.confirmed.send_modify(|confirmed| confirmed.refused = true);
    }

    fn disconnected(&self) {
        self.counters.connected.store(false, Relaxed);
        self.desired.lock().go_offline();
        self.confirmed.send_replace(Confirmed::default());
    }

    fn stopped(&self) {
        self.disconnected();
        self.confirmed.send_modify(|confirmed| confirmed.stopped = true);
    }
}

/// The [`LiveReader`] over a NATS connection of its own.
#[derive(Debug)]
struct NatsLiveReader {
    shared: Arc<Shared>,
    max_subscriptions: usize,
    confirm_timeout: Duration,
}

#[async_trait]
impl LiveReader for NatsLiveReader {
    fn subscribe(&self, subject: LiveSubject) -> Result<(), LiveError> {
        if self.shared.confirmed.borrow().stopped {
            return Err(LiveError::Stopped);
        }
        let wanted = self.shared.desired.lock().want(subject);
        let news = wanted.map_err(|_| LiveError::TooManySubscriptions { max: self.max_subscriptions })?;
        if news {
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    fn unsubscribe(&self, subject: LiveSubject) {
        let news = self.shared.desired.lock().unwant(subject);
        if news {
            self.shared.changed.notify_one();
        }
    }

    async fn confirmed(&self) -> Result<(), LiveError> {
        let version = self.shared.desired.lock().version();
        let mut confirmed = self.shared.confirmed.subscribe();
        let told = confirmed.wait_for(|now| now.stopped || now.version.is_some_and(|confirmed| confirmed >= version));
        match timeout(self.confirm_timeout, told).await {
            Ok(Ok(now)) if now.stopped => Err(LiveError::Stopped),
            Ok(Ok(now)) if now.refused => Err(LiveError::Refused),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(LiveError::Stopped),
            Err(_) => Err(self.waited_in_vain()),
        }
    }

    fn stats(&self) -> LiveStats {
        self.shared.counters.read(&self.shared.desired.lock())
    }
}

impl NatsLiveReader {
    fn waited_in_vain(&self) -> LiveError {
        let waited_ms = u64::try_from(self.confirm_timeout.as_millis()).unwrap_or(u64::MAX);
        let failure = self.shared.last_failure.lock().clone();
        match failure {
            Some(source) if self.shared.confirmed.borrow().version.is_none() => {
                LiveError::Unavailable { waited_ms, source }
            }
            _ => LiveError::NotConfirmed { waited_ms },
        }
    }
}

/// Starts a live reader: a task on `tracker`, ended by `stop` or by dropping the receiver.
///
/// It connects in the background; [`LiveReader::confirmed`] says when it has. Addresses are tried in random order, with
/// `user` and `password` or `token` of the settings.
pub fn start(
    nats: &NatsSettings,
    live: LiveSettings,
    stop: CancellationToken,
    tracker: &TaskTracker,
) -> Result<(Arc<dyn LiveReader>, mpsc::Receiver<LiveItem>), LiveError> {
    live.check()?;
    let servers = Servers::parse(&nats.servers)?;
    let counters = Arc::new(Counters::default());
    let (sender, receiver) = mpsc::channel(live.channel_items);
    let shared = Arc::new(Shared {
        desired: Mutex::new(Desired::new(live.max_subscriptions)),
        changed: Notify::new(),
        counters: Arc::clone(&counters),
        confirmed: watch::Sender::default(),
        last_failure: Mutex::new(None),
    });
    let reader = NatsLiveReader {
        shared: Arc::clone(&shared),
        max_subscriptions: live.max_subscriptions,
        confirm_timeout: live.confirm_timeout(),
    };
    let keeper = Keeper {
        delivery: Delivery::new(sender, live.channel_bytes, live.stall(), counters),
        shared,
        servers,
        nats: nats.clone(),
        live,
        stop,
    };
    tracker.spawn(keeper.run());
    Ok((Arc::new(reader), receiver))
}

/// The task: one connection after the other.
struct Keeper {
    shared: Arc<Shared>,
    delivery: Delivery,
    servers: Servers,
    nats: NatsSettings,
    live: LiveSettings,
    stop: CancellationToken,
}

/// The task shall end.
struct Over;

impl Keeper {
    async fn run(mut self) {
        let Over = self.keep_connected().await;
        self.shared.stopped();
    }

    async fn keep_connected(&mut self) -> Over {
        let mut was_confirmed = false;
        let mut wait_ms = self.live.reconnect_min_ms;
        loop {
            let stop = self.stop.clone();
            let dialed = tokio::select! {
                biased;
                () = stop.cancelled() => return Over,
                dialed = self.dial_any() => dialed,
            };
            if let Some(dialed) = dialed {
                let began = Instant::now();
                let confirmed = match self.connection(dialed, was_confirmed).await {
                    Ok(confirmed) => confirmed,
                    Err(over) => return over,
                };
                was_confirmed |= confirmed;
                // At once after a connection that was of use; one that is cut again and again earns its pauses.
                if confirmed && began.elapsed() >= Duration::from_millis(wait_ms) {
                    wait_ms = self.live.reconnect_min_ms;
                    continue;
                }
            }
            if let Err(over) = self.pause(wait_ms).await {
                return over;
            }
            wait_ms = (wait_ms * 2).min(self.live.reconnect_max_ms);
        }
    }

    /// Every server once, until one greets.
    async fn dial_any(&mut self) -> Option<Dialed> {
        for address in self.servers.round() {
            match dial(&address, &self.nats, self.live.read_buffer_bytes).await {
                Ok(dialed) => {
                    self.servers.used(&address);
                    self.shared.counters.connections.fetch_add(1, Relaxed);
                    tracing::info!(server = dialed.info.server_name, "live reader connected");
                    return Some(dialed);
                }
                Err(error) => {
                    self.shared.counters.failed_attempts.fetch_add(1, Relaxed);
                    tracing::warn!(
                        host = address.host,
                        port = address.port,
                        error = &error as &(dyn std::error::Error + 'static),
                        "live reader could not connect"
                    );
                    *self.shared.last_failure.lock() = Some(Arc::new(error));
                }
            }
        }
        None
    }

    /// Lives through one connection; says whether it was ever confirmed.
    async fn connection(&mut self, dialed: Dialed, announce: bool) -> Result<bool, Over> {
        self.shared.desired.lock().go_online();
        let ended = Connection {
            shared: &self.shared,
            delivery: &mut self.delivery,
            servers: &mut self.servers,
            stop: &self.stop,
            ping_interval: Duration::from_millis(self.nats.ping_interval_ms.max(1)),
            read_buffer_bytes: self.live.read_buffer_bytes,
            announce,
        }
        .run(dialed)
        .await;
        let confirmed = self.shared.confirmed.borrow().version.is_some();
        self.shared.disconnected();
        match ended {
            Ended::Stopped | Ended::ReceiverGone => Err(Over),
            Ended::Lost(error) => {
                tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "live connection lost");
                self.settle().await?;
                Ok(confirmed)
            }
        }
    }

    /// What was heard before the end is handed on, or dropped and said so.
    async fn settle(&mut self) -> Result<(), Over> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Over),
            settled = self.delivery.settle() => settled.map_err(|_| Over),
        }
    }

    /// Waits between half of `wait_ms` and all of it, while the channel goes on being served.
    async fn pause(&mut self, wait_ms: u64) -> Result<(), Over> {
        let jittered = rand::rng().random_range(wait_ms / 2..=wait_ms);
        let until = Instant::now() + Duration::from_millis(jittered);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Over),
                () = sleep_until(until) => return Ok(()),
                progress = self.delivery.progress() => progress.map_err(|_| Over)?,
            }
        }
    }
}
