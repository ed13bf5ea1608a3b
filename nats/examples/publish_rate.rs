//! How many appends a second one publisher does, with and without group commit:
//! `cargo run --release -p tidings-nats --features testing --example publish_rate -- [senders] [seconds]`.
//!
//! Each sender appends 256 bytes to its own chat, one after the other's ack, on a real server that syncs every write.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool stops at the first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_nats::testing::TestServer;
use tidings_nats::{Append, Owner, PublishSettings, Publisher, Subject};
use tidings_protocol::{ChatId, MsgId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut arg = |default| args.next().map_or(default, |text| text.parse().unwrap());
    let (senders, seconds): (u64, u64) = (arg(2_000), arg(5));
    for group_commit in [false, true] {
        let server = TestServer::start();
        let log = server.log().await;
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let settings = PublishSettings { group_commit, ..PublishSettings::default() };
        let publisher = Publisher::start(&log, settings, &tracker, cancel.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> =
            (0..senders).map(|owner| tokio::spawn(send(publisher.clone(), owner, Arc::clone(&stop)))).collect();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        times.sort_unstable();
        let p99 = times[times.len() * 99 / 100];
        let rate = times.len() as u64 / seconds;
        println!("group_commit={group_commit} senders={senders}: {rate} acked/s, p99 {p99:?}, {:?}", publisher.stats());
        cancel.cancel();
        tracker.close();
        tracker.wait().await;
    }
}

async fn send(publisher: Publisher, owner: u64, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let subject = Subject::chat(ChatId::generate());
    let payload = Bytes::from(vec![b'x'; 256]);
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let at = Instant::now();
        let append = Append::new(subject, Owner(owner), Some(MsgId::random()), payload.clone());
        publisher.append(append).await.unwrap();
        times.push(at.elapsed());
    }
    times
}
