//! What the tests on a real server share.
#![allow(dead_code, reason = "each test file uses some of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod proxy;

use bytes::Bytes;
use tidings_nats::{Append, Log, Owner, PublishSettings, Publisher, ReadMax, Subject};
use tidings_protocol::{ChatId, MsgId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A publisher with what stops it.
pub(crate) struct Running {
    pub(crate) publisher: Publisher,
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

impl Running {
    pub(crate) fn start(log: &Log, settings: PublishSettings) -> Self {
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let publisher = Publisher::start(log, settings, &tracker, cancel.clone());
        Self { publisher, cancel, tracker }
    }

    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Room for everything.
pub(crate) const ALL: ReadMax = ReadMax { events: 100_000, bytes: 1 << 30 };

pub(crate) fn chat() -> Subject {
    Subject::chat(ChatId::generate())
}

pub(crate) fn append(subject: Subject, owner: u64, text: &str) -> Append {
    let payload = Bytes::from(text.to_owned());
    Append::new(subject, Owner(owner), Some(MsgId::random()), payload)
}

/// The texts of a subject with their places.
pub(crate) async fn texts(log: &Log, subject: &Subject) -> Vec<(u64, String)> {
    let run = log.read_after(subject, 0, ALL).await.unwrap();
    assert!(run.complete);
    run.events.into_iter().map(|event| (event.seq, String::from_utf8(event.payload.to_vec()).unwrap())).collect()
}
