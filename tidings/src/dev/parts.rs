//! The parts of an embedded installation, in the order of their start; they are drained the other way round.
//!
//! This is the list: a part is added here and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use tidings_gateway::http::DemoUser;
use tidings_gateway::tokens::Secret as GatewaySecret;
use tidings_schema::SqliteStore;

use super::disk::{DiskSettings, DiskState, DiskWatch};
use super::nats_child::{ChildSettings, NatsChild};
use super::nats_config::NatsConfig;
use super::secrets::Secrets;
use super::{DEMO_USERS, DevError, Ground, data, embedded_settings, leftover, program};
use crate::monitor::Monitor;
use crate::parts::Parts;
use crate::roles::{GatewayPart, GatewayStart, Stores, WorkersPart};
use crate::settings::Secret;
use crate::{log, machine};

/// Name of the database in the data folder.
const DATABASE: &str = "tidings.db";

/// How long the child may take to answer one question about itself.
const MONITOR_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the child nats-server listens.
pub(super) struct NatsAddresses {
    /// For clients.
    pub(super) client: String,
    /// For monitoring.
    pub(super) monitor: String,
}

/// Starts all parts on `ground`.
pub(super) async fn start(ground: Ground<'_>, parts: &mut Parts) -> Result<NatsAddresses, DevError> {
    let (disk, disk_state) = DiskWatch::start(disk_settings(&ground), ground.health.part("disk"));
    parts.add(disk);

    let (child, addresses) = child_settings(&ground).await?;
    parts.add(NatsChild::start(child, ground.health.part("nats-server"), disk_state.clone()).await?);

    let nats = embedded_settings(&ground.settings.nats, &addresses.client, &ground.secrets);
    log::migrate(&nats).await?;

    let store = SqliteStore::open(&ground.data.join(DATABASE))?;
    let stores =
        Stores { history: store.clone(), user_chats: store.clone(), progress: store.clone(), directory: store };
    let settings = ground.settings;
    let mut workers = settings.workers.clone();
    // The folder's lock is ours, so whoever held a lease is gone.
    workers.lease.alone = true;
    parts.add(WorkersPart::start(&nats, &settings.publish, &workers, &stores).await?);

    let gateway = GatewayPart::start(GatewayStart {
        settings,
        nats: &nats,
        stores: &stores,
        token_key: ground.secrets.token_key.reveal(),
        demo: Some(demo_users(&ground.secrets)),
        has_room: Arc::new(move || *disk_state.borrow() == DiskState::Room),
        health: ground.health,
        listener: ground.public,
    });
    parts.add(gateway.await?);
    Ok(addresses)
}

fn demo_users(secrets: &Secrets) -> Vec<DemoUser> {
    let user = |(handle, name): (&str, &str)| DemoUser {
        handle: handle.to_owned(),
        password: GatewaySecret::new(secrets.demo_password.reveal()),
        name: name.to_owned(),
    };
    DEMO_USERS.into_iter().map(user).collect()
}

fn disk_settings(ground: &Ground<'_>) -> DiskSettings {
    let dev = &ground.settings.dev;
    DiskSettings {
        folder: ground.data.clone(),
        free_min_bytes: dev.disk_free_min_bytes,
        interval: dev.disk_check_interval,
    }
}

/// All of the disk but what must stay free: a server that fills the disk alone refuses sends by itself, before it fails.
fn store_max_bytes(ground: &Ground<'_>) -> u64 {
    let disk = machine::disk_size_bytes(&ground.data).unwrap_or(i64::MAX.unsigned_abs());
    disk.saturating_sub(ground.settings.dev.disk_free_min_bytes).max(1)
}

/// Stops what an earlier run left, writes the configuration and says how to run it.
async fn child_settings(ground: &Ground<'_>) -> Result<(ChildSettings, NatsAddresses), DevError> {
    let dev = &ground.settings.dev;
    let folder = ground.nats.clone();
    let program = program::find(dev.nats_server.as_deref())?;
    let mut config = NatsConfig {
        folder: folder.clone(),
        client_port: program::free_port()?,
        monitor_port: program::free_port()?,
        password: Secret::new(ground.secrets.nats_password.reveal()),
        store_max_bytes: store_max_bytes(ground),
    };
    while config.monitor_port == config.client_port {
        config.monitor_port = program::free_port()?;
    }
    leftover::stop(&config.path(), &folder.join("nats-server.pid"), dev.nats_stop_timeout).await?;
    data::write_private(&config.path(), config.render()?.as_bytes())?;

    let addresses = NatsAddresses {
        client: format!("nats://127.0.0.1:{}", config.client_port),
        monitor: format!("http://127.0.0.1:{}", config.monitor_port),
    };
    let child = ChildSettings {
        program,
        config: config.path(),
        log: config.log_path(),
        stderr: folder.join("nats-server.stderr"),
        monitor: Monitor::new(&addresses.monitor, MONITOR_TIMEOUT),
        start_timeout: dev.nats_start_timeout,
        restart_min: dev.nats_restart_min,
        restart_max: dev.nats_restart_max,
    };
    Ok((child, addresses))
}
