//! A flooding owner does not delay another (R7): counted in messages of the log, not timed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Running, append, chat};
use tidings_nats::PublishSettings;
use tidings_nats::testing::{TestServer, until};

#[tokio::test]
async fn one_message_passes_a_flood_that_was_there_before() {
    for group_commit in [true, false] {
        let server = TestServer::start();
        let log = server.log().await;
        let settings = PublishSettings { lanes: 1, owner_messages: 5_000, group_commit, ..PublishSettings::default() };
        let running = Running::start(&log, settings);
        let (loud, quiet) = (chat(), chat());
        running.publisher.append(append(loud, 9, "warm")).await.unwrap();
        // What the lane holds now keeps it busy until everything else waits.
        server.pause();
        let first = running.publisher.submit(append(loud, 9, "in flight")).unwrap();
        until("the lane to take it", Duration::from_secs(5), async || running.publisher.stats().queued == 0).await;
        let mut flood = Vec::new();
        for n in 0..3_000 {
            flood.push(running.publisher.submit(append(loud, 1, &format!("{n}"))).unwrap());
        }
        let one = running.publisher.submit(append(quiet, 2, "one")).unwrap();
        server.resume();
        first.await.unwrap();
        let place = one.await.unwrap().seq;
        assert!(place <= 4, "{place}: at most one of the flood stands before it");
        // All of the flood is served too.
        for answer in flood {
            answer.await.unwrap();
        }
    }
}
