//! The workers of an installation as one part: history, pointers, user_chats.

use async_trait::async_trait;
use tidings_nats::{NatsSettings, PublishSettings, Publisher};
use tidings_workers::history::{self, HistoryDeps};
use tidings_workers::pointers::{self, PointersDeps};
use tidings_workers::user_chats::{self, UserChatsDeps};
use tidings_workers::{WorkerHandle, WorkersSettings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{RoleError, Stores};
use crate::log;
use crate::parts::{Drained, Part};

/// The workers, started.
pub(crate) struct WorkersPart {
    handles: [WorkerHandle; 3],
    /// Owns the pointers worker's publisher; cancelled after the workers have ended.
    publisher_stop: CancellationToken,
    tasks: TaskTracker,
}

impl WorkersPart {
    /// Connects and starts all three.
    ///
    /// # Errors
    /// [`RoleError`] when no server takes the connection.
    pub(crate) async fn start(
        nats: &NatsSettings,
        publish: &PublishSettings,
        settings: &WorkersSettings,
        stores: &Stores,
    ) -> Result<Self, RoleError> {
        let log = log::open(nats, "tidings workers").await?;
        let (cancel, publisher_stop, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let publisher = Publisher::start(&log, publish.clone(), &tasks, publisher_stop.clone());
        let history =
            HistoryDeps { log: log.clone(), store: stores.history.clone(), progress: stores.progress.clone() };
        let pointers = PointersDeps {
            log: log.clone(),
            publisher,
            store: stores.history.clone(),
            progress: stores.progress.clone(),
        };
        let user_chats = UserChatsDeps { log, store: stores.user_chats.clone(), progress: stores.progress.clone() };
        let lease = &settings.lease;
        let handles = [
            history::start(&history, &settings.rows, lease, &cancel, &tasks),
            pointers::start(&pointers, &settings.pointers, lease, &cancel, &tasks),
            user_chats::start(&user_chats, &settings.rows, lease, &cancel, &tasks),
        ];
        Ok(Self { handles, publisher_stop, tasks })
    }
}

#[async_trait]
impl Part for WorkersPart {
    fn name(&self) -> &'static str {
        "workers"
    }

    /// Never: their loops wait out every failure.
    async fn failed(&mut self) -> String {
        std::future::pending().await
    }

    async fn drain(self: Box<Self>, deadline: Instant) -> Drained {
        let work = async {
            for handle in &self.handles {
                handle.drain().await;
            }
            self.publisher_stop.cancel();
            self.tasks.close();
            self.tasks.wait().await;
        };
        match tokio::time::timeout_at(deadline, work).await {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::Cut,
        }
    }
}
