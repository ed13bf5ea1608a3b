//! A server, a store, and what a test does with them.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use tempfile::TempDir;
use tidings_nats::testing::{TestServer, until};
use tidings_nats::{LeaseSettings, Log, PublishSettings, Publisher, ReadMax, StreamName, Subject};
use tidings_protocol::inbox::InboxKind;
use tidings_protocol::{ChatId, InboxEvent, Pointer, Seq, UserId};
use tidings_schema::{Progress, ProgressStore, SqliteStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::history::HistoryDeps;
use crate::pointers::PointersDeps;
use crate::user_chats::UserChatsDeps;
use crate::{PointerSettings, RowSettings, WorkerHandle, dead_header, history, pointers, user_chats};

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const CHATS: StreamName = StreamName::Chat(0);
pub(super) const INBOXES: StreamName = StreamName::Inbox(0);

/// Everything that a worker needs. Dropping it stops the server and removes the files.
pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) log: Log,
    pub(super) store: Arc<SqliteStore>,
    pub(super) publisher: Publisher,
    pub(super) cancel: CancellationToken,
    pub(super) tracker: TaskTracker,
    jetstream: jetstream::Context,
    folder: TempDir,
    stores: std::sync::atomic::AtomicU32,
}

impl World {
    pub(super) async fn start() -> Self {
        let server = TestServer::start();
        let log = server.log().await;
        let folder = tempfile::tempdir().unwrap();
        let (cancel, tracker) = (CancellationToken::new(), TaskTracker::new());
        let publisher = Publisher::start(&log, PublishSettings::default(), &tracker, cancel.clone());
        let mut jetstream = jetstream::new(log.client().clone());
        jetstream.set_timeout(Duration::from_secs(5));
        let store = SqliteStore::open(&folder.path().join("rows.db")).unwrap();
        let stores = std::sync::atomic::AtomicU32::new(0);
        Self { server, log, store, publisher, cancel, tracker, jetstream, folder, stores }
    }

    /// Another, empty store.
    pub(super) fn other_store(&self) -> Arc<SqliteStore> {
        let n = self.stores.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        SqliteStore::open(&self.folder.path().join(format!("other-{n}.db"))).unwrap()
    }

    /// Appends bytes as they are.
    pub(super) async fn put(&self, subject: Subject, payload: Vec<u8>) -> Seq {
        let sent = self.jetstream.publish(subject.to_string(), payload.into()).await.unwrap();
        sent.await.unwrap().sequence
    }

    /// Appends an event that is void: its deadline was long ago.
    pub(super) async fn put_void(&self, subject: Subject, payload: Vec<u8>) -> Seq {
        let mut headers = HeaderMap::new();
        headers.insert("Tidings-Deadline", "1000");
        let name = subject.to_string();
        let sent = self.jetstream.publish_with_headers(name, headers, payload.into()).await.unwrap();
        sent.await.unwrap().sequence
    }

    /// The newest event of a stream.
    pub(super) async fn last(&self, stream: StreamName) -> Seq {
        self.log.state(stream).await.unwrap().last_seq
    }

    pub(super) fn history_deps(&self, store: &Arc<SqliteStore>) -> HistoryDeps {
        HistoryDeps { log: self.log.clone(), store: store.clone(), progress: store.clone() }
    }

    pub(super) fn start_history(&self, store: &Arc<SqliteStore>, settings: &RowSettings) -> WorkerHandle {
        history::start(&self.history_deps(store), settings, &lease(), &self.cancel, &self.tracker)
    }

    pub(super) fn start_user_chats(&self, store: &Arc<SqliteStore>, settings: &RowSettings) -> WorkerHandle {
        let deps = UserChatsDeps { log: self.log.clone(), store: store.clone(), progress: store.clone() };
        user_chats::start(&deps, settings, &lease(), &self.cancel, &self.tracker)
    }

    pub(super) fn pointers_deps(&self) -> PointersDeps {
        PointersDeps {
            log: self.log.clone(),
            publisher: self.publisher.clone(),
            store: self.store.clone(),
            progress: self.store.clone(),
        }
    }

    pub(super) fn start_pointers(&self, settings: &PointerSettings) -> WorkerHandle {
        pointers::start(&self.pointers_deps(), settings, &lease(), &self.cancel, &self.tracker)
    }

    /// Waits until a worker's progress in `store` is `seq`.
    pub(super) async fn progressed(&self, store: &SqliteStore, worker: &str, stream: StreamName, seq: Seq) -> Progress {
        let name = stream.to_string();
        let reached = async || store.progress(worker, &name).await.unwrap().is_some_and(|found| found.seq >= seq);
        until("progress", PATIENCE, reached).await;
        store.progress(worker, &name).await.unwrap().unwrap()
    }

    /// All pointers in a user's inbox, in order, with their places.
    pub(super) async fn pointers_of(&self, user: UserId) -> Vec<(Seq, Pointer)> {
        let mut pointers = Vec::new();
        for event in self.read_all(Subject::inbox(user)).await {
            if let InboxKind::Pointer(pointer) = InboxEvent::decode(&event.1).unwrap().kind {
                pointers.push((event.0, *pointer));
            }
        }
        pointers
    }

    async fn read_all(&self, subject: Subject) -> Vec<(Seq, bytes::Bytes)> {
        let max = ReadMax { events: 1_000, bytes: 1024 * 1024 };
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let run = self.log.read_after(&subject, after, max).await.unwrap();
            events.extend(run.events.into_iter().map(|event| (event.seq, event.payload)));
            if run.complete {
                return events;
            }
            after = run.reached;
        }
    }

    /// The dead letters: worker, place and reason of each.
    pub(super) async fn dead(&self) -> Vec<(String, Seq, String)> {
        let stream = self.jetstream.get_stream("DEAD").await.unwrap();
        let last = stream.get_info().await.unwrap().state.last_sequence;
        let mut letters = Vec::new();
        for seq in 1..=last {
            let letter = stream.get_raw_message(seq).await.unwrap();
            let header = |name: &str| letter.headers.get(name).unwrap().to_string();
            let place = header(dead_header::SEQUENCE).parse().unwrap();
            letters.push((letter.subject.to_string(), place, header(dead_header::REASON)));
        }
        letters
    }
}

/// A lease that a standby looks at often, and that a busy machine does not lose.
pub(super) fn lease() -> LeaseSettings {
    LeaseSettings { ttl_ms: 20_000, renew_ms: 100, ..LeaseSettings::default() }
}

/// Small batches, so that a test has many places to stop at.
pub(super) fn small_batches() -> RowSettings {
    RowSettings { batch_events: 7, batch_ms: 1, chats: 3, ..RowSettings::default() }
}

/// Windows that a test can wait for.
pub(super) fn small_windows() -> PointerSettings {
    PointerSettings {
        first_window_ms: 10,
        max_window_ms: 80,
        ack_ms: 5,
        batch_events: 9,
        members: 12,
        ..PointerSettings::default()
    }
}

pub(super) fn user(n: u128) -> UserId {
    UserId(uuid::Uuid::from_u128(0x1000 + n))
}

pub(super) fn chat(n: u128) -> ChatId {
    ChatId(uuid::Uuid::from_u128(0x2000 + n))
}
