//! The client against a server that fails in every way a connection can.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::protocol::client_frame::History;
use tidings_client::protocol::{Body, DeviceId, ErrorCode};
use tidings_client::{Client, ClientEvent, OfflineReason, RequestError, Resume, SendError, TokenSource};

use self::fake::{Fake, body, chat, entry, event, next, offline, soon, told};

#[tokio::test]
async fn a_cut_after_the_send_is_settled_by_the_sync_and_nothing_is_sent_twice() {
    let server = Fake::start().await;
    let (client, mut events) = Client::connect(server.config());
    let (mut peer, hello) = server.welcome(&[(chat(), 5)], false, "t1").await;
    assert_eq!((&hello["token"], hello.get("since")), (&json!("token"), None));
    let sending = client.send(chat(), body(1));
    let send = peer.asked().await;
    assert_eq!((&send["type"], send.get("retry"), &send["body"]), (&json!("send"), None, &json!({"text": "1"})));
    drop(peer);
    assert!(matches!(offline(&mut events).await, (_, Some(_))));

    let (mut peer, hello) = server.welcome(&[(chat(), 6)], true, "t2").await;
    assert_eq!(hello["since"], "t1");
    let later = client.send(chat(), body(2));
    let sync = peer.asked().await;
    assert_eq!((&sync["type"], &sync["after"]), (&json!("sync"), &json!(5)));
    peer.synced(&sync, vec![entry(6, Some(&send))], false).await;
    let stored = soon("the ack", sending).await.unwrap();
    assert_eq!((stored.seq, stored.duplicate), (6, true));
    let next = peer.asked().await;
    assert_eq!(next["client_id"], later.client_id().to_string());
    peer.sent(&next, 7).await;
    assert_eq!(soon("the ack", later).await.unwrap().seq, 7);
    assert_eq!(told(&mut events, 1).await, [6]);
}

#[tokio::test]
async fn what_the_sync_does_not_show_is_sent_again_marked_and_in_order() {
    let server = Fake::start().await;
    let (client, _events) = Client::connect(server.config());
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    let sendings = [1, 2].map(|nth| client.send(chat(), body(nth)));
    let first = peer.asked().await;
    peer.asked().await;
    drop(peer);
    let (mut peer, _) = server.welcome(&[], true, "t2").await;
    let sync = peer.asked().await;
    peer.synced(&sync, vec![entry(8, None)], false).await;
    for (nth, sending) in (9..).zip(sendings) {
        let again = peer.asked().await;
        assert_eq!(again["client_id"], sending.client_id().to_string());
        assert_eq!((&again["retry"], &again["after_seq"]), (&json!(true), &json!(8)));
        peer.sent(&again, nth).await;
        assert_eq!(soon("the ack", sending).await.unwrap().seq, nth);
    }
    assert_eq!(first["after_seq"], Value::Null);
}

#[tokio::test]
async fn a_lost_event_is_synced_and_a_repeated_one_told_once() {
    let server = Fake::start().await;
    let (_client, mut events) = Client::connect(server.config());
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    // Several frames in one message.
    let frames = [event(chat(), 6, 5), event(chat(), 6, 5), event(chat(), 9, 8)].map(|frame| frame.to_string());
    peer.say_text(frames.join("\n")).await;
    let sync = peer.asked().await;
    assert_eq!(sync["after"], 6);
    peer.event(chat(), 10, 9).await;
    peer.synced(&sync, vec![entry(7, None)], true).await;
    let sync = peer.asked().await;
    assert_eq!(sync["after"], 7);
    peer.synced(&sync, vec![entry(8, None), entry(9, None)], false).await;
    peer.event(chat(), 9, 8).await;
    peer.event(chat(), 11, 10).await;
    assert_eq!(told(&mut events, 6).await, [6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn refusals_for_now_are_retried_and_final_ones_are_told() {
    let server = Fake::start().await;
    let (client, _events) = Client::connect(server.config());
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    let sending = client.send(chat(), body(1));
    let send = peer.asked().await;
    peer.refuse(&send, "overloaded", "backoff").await;
    let again = peer.asked().await;
    assert_eq!((&again["client_id"], &again["retry"]), (&send["client_id"], &json!(true)));
    peer.refuse(&again, "conflict", "never").await;
    let error = soon("the outcome", sending).await.unwrap_err();
    assert!(matches!(error, SendError::Refused(refusal) if refusal.code == ErrorCode::Conflict));
}

#[tokio::test]
async fn a_draining_server_is_left_within_its_window_and_nothing_new_is_asked_of_it() {
    let server = Fake::start().await;
    let (client, mut events) = Client::connect(server.config());
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    let sending = client.send(chat(), body(1));
    let send = peer.asked().await;
    peer.say(json!({"type": "drain", "reconnect_after_ms": 300, "window_ms": 20})).await;
    peer.sent(&send, 6).await;
    assert_eq!(soon("the ack", sending).await.unwrap().seq, 6);
    let later = client.send(chat(), body(2));
    assert_eq!(offline(&mut events).await, (OfflineReason::Drained, Some(Duration::ZERO)));
    assert_eq!(peer.rest().await, Vec::<Value>::new());
    let (mut peer, _) = server.welcome(&[], true, "t2").await;
    let send = peer.asked().await;
    assert_eq!((&send["client_id"], send.get("retry")), (&json!(later.client_id()), None));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_per_refusal_and_a_fixed_one_ends_the_client() {
    let server = Fake::start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let mut config = server.config();
    config.token = TokenSource::callback(move |refused| {
        let nth = counted.fetch_add(1, Ordering::SeqCst);
        assert_eq!(refused, nth == 1);
        std::future::ready(Ok(format!("token {nth}")))
    });
    let (client, _events) = Client::connect(config);
    let mut peer = server.accept().await;
    let hello = peer.asked().await;
    assert_eq!(hello["token"], "token 0");
    peer.refuse(&hello, "token_expired", "refresh_token").await;
    let (peer, hello) = server.welcome(&[], false, "t1").await;
    assert_eq!((&hello["token"], asked.load(Ordering::SeqCst)), (&json!("token 1"), 2));
    drop((client, peer));

    let (client, mut events) = Client::connect(server.config());
    let (peer, _) = server.welcome(&[], false, "t1").await;
    let sending = client.send(chat(), body(1));
    peer.close(4200).await;
    assert_eq!(offline(&mut events).await, (OfflineReason::Closed(4200), None));
    assert!(soon("the end", events.recv()).await.is_none());
    assert_eq!(soon("the outcome", sending).await, Err(SendError::Stopped(OfflineReason::Closed(4200))));
    assert_eq!(soon("the status", client.online()).await, Err(OfflineReason::Closed(4200)));
    let late = client.send(chat(), body(2)).await;
    assert_eq!(late, Err(SendError::Stopped(OfflineReason::Closed(4200))));
}

#[tokio::test]
async fn garbage_ends_the_connection_and_unknown_types_do_not() {
    let server = Fake::start().await;
    let (_client, mut events) = Client::connect(server.config());
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    peer.say(json!({"type": "weather", "sun": true})).await;
    peer.event(chat(), 6, 5).await;
    assert_eq!(told(&mut events, 1).await, [6]);
    peer.say_text("{\"type\":\"event\"".to_owned()).await;
    assert_eq!(offline(&mut events).await.0, OfflineReason::Garbage);
    let (mut peer, hello) = server.welcome(&[], true, "t2").await;
    assert_eq!(hello["since"], "t1");
    peer.say_binary().await;
    assert_eq!(offline(&mut events).await.0, OfflineReason::Garbage);
}

#[tokio::test]
async fn a_silent_server_is_left_and_one_that_says_never_is_not_asked_again() {
    let server = Fake::start().await;
    let mut config = server.config();
    config.silence = Duration::from_millis(300);
    let (_client, mut events) = Client::connect(config);
    let (_peer, _) = server.welcome(&[], false, "t1").await;
    assert_eq!(offline(&mut events).await.0, OfflineReason::Silent);
    let (peer, _) = server.welcome(&[], true, "t2").await;
    peer.close(4302).await;
    assert_eq!(offline(&mut events).await, (OfflineReason::Closed(4302), None));
}

#[tokio::test]
async fn a_body_that_no_server_takes_ends_neither_the_connection_nor_its_neighbours() {
    let server = Fake::start().await;
    let (client, _events) = Client::connect(server.config());
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    let refused = |body: Value| {
        let sending = client.send(chat(), Body::of(&body).unwrap());
        async {
            match soon("the outcome", sending).await {
                Err(SendError::Refused(refusal)) => refusal.code,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(refused(json!({"text": "x".repeat(32 * 1024)})).await, ErrorCode::TooLarge);
    assert_eq!(refused(json!(["no object"])).await, ErrorCode::BadField);
    let largest = json!({"text": "\n".repeat(16 * 1024 - 6)});
    let sending = [1, 2, 3].map(|_| client.send(chat(), Body::of(&largest).unwrap()));
    for (seq, sending) in (6..).zip(sending) {
        let send = peer.asked().await;
        peer.sent(&send, seq).await;
        assert_eq!(soon("the ack", sending).await.unwrap().seq, seq);
    }
}

#[tokio::test]
async fn a_full_outbox_takes_nothing_more_until_something_is_settled() {
    let server = Fake::start().await;
    let mut config = server.config();
    config.outbox_messages = 2;
    let (client, _events) = Client::connect(config);
    let first = client.send(chat(), body(1));
    let _second = client.send(chat(), body(2));
    assert_eq!(client.send(chat(), body(3)).await, Err(SendError::OutboxFull { max: 2 }));
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    let send = peer.asked().await;
    peer.sent(&send, 6).await;
    soon("the ack", first).await.unwrap();
    let fourth = client.send(chat(), body(4));
    assert_eq!(peer.asked().await["type"], "send");
    assert_eq!(peer.asked().await["client_id"], json!(fourth.client_id()));
}

#[tokio::test]
async fn an_app_that_reads_slowly_gets_everything_in_order() {
    let server = Fake::start().await;
    let mut config = server.config();
    config.events = 1;
    let (_client, mut events) = Client::connect(config);
    let (mut peer, _) = server.welcome(&[(chat(), 0)], false, "t1").await;
    let writing = tokio::spawn(async move {
        for seq in 1..=5_000 {
            peer.event(chat(), seq, seq - 1).await;
        }
        peer
    });
    assert!(matches!(next(&mut events).await, ClientEvent::Online { .. }));
    assert_eq!(told(&mut events, 5_000).await, (1..=5_000).collect::<Vec<u64>>());
    soon("everything is written", writing).await.unwrap();
}

#[tokio::test]
async fn what_was_kept_goes_on_in_the_next_client() {
    let server = Fake::start().await;
    let device = DeviceId::generate();
    let (client, mut events) = Client::connect(server.config().device(device));
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    peer.event(chat(), 6, 5).await;
    // A hole: the token that comes next covers what was not told.
    peer.event(chat(), 9, 8).await;
    peer.say(json!({"type": "tick", "since": "t2"})).await;
    assert_eq!(peer.asked().await["after"], 6);
    assert_eq!(told(&mut events, 1).await, [6]);
    peer.say(json!({"type": "chat", "chat": fake::summary(chat(), 9), "since": "t3"})).await;
    while !matches!(next(&mut events).await, ClientEvent::Chat(line) if line.newest.seq == 9) {}
    let kept = soon("the end", client.close()).await.unwrap();
    let kept: Resume = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    assert_eq!((kept.since.as_deref(), kept.chats[&chat()].last, kept.chats[&chat()].whole), (Some("t3"), 6, false));

    let (_client, mut events) = Client::connect(server.config().device(device).resume(kept));
    let (mut peer, hello) = server.welcome(&[], true, "t4").await;
    assert_eq!((&hello["since"], &hello["device"]), (&json!("t3"), &json!(device)));
    let sync = peer.asked().await;
    peer.synced(&sync, vec![entry(8, None), entry(9, None)], false).await;
    assert_eq!(told(&mut events, 2).await, [8, 9]);
    assert_eq!(next(&mut events).await, ClientEvent::Resynced { chat: chat(), last: 9 });
}

#[tokio::test]
async fn requests_are_answered_refused_cut_off_or_late() {
    let server = Fake::start().await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(500);
    let (client, _events) = Client::connect(config);
    let history = History { chat: chat(), before: None, after: None, around: None, cursor: None, limit: Some(2) };
    // Asked while there is no connection yet.
    let page = tokio::spawn({
        let (client, history) = (client.clone(), history.clone());
        async move { client.history(history).await }
    });
    let (mut peer, _) = server.welcome(&[(chat(), 5)], false, "t1").await;
    let asked = peer.asked().await;
    assert_eq!((&asked["type"], &asked["limit"]), (&json!("history"), &json!(2)));
    peer.say(json!({"re": asked["id"], "type": "page", "chat": chat(), "items": [entry(5, None)], "older": "c",
        "newer": null}))
        .await;
    let page = soon("the page", page).await.unwrap().unwrap();
    assert_eq!((page.items.len(), page.older.as_deref()), (1, Some("c")));

    let refused = async {
        let asked = peer.asked().await;
        peer.refuse(&asked, "not_member", "never").await;
    };
    let (answer, ()) = tokio::join!(client.read(chat(), 5), refused);
    assert!(matches!(answer, Err(RequestError::Refused(refusal)) if refusal.code == ErrorCode::NotMember));

    let (answer, _) = tokio::join!(client.ping(), peer.asked());
    assert_eq!(answer.unwrap_err(), RequestError::TimedOut);
    let cut = async {
        peer.asked().await;
        drop(peer);
    };
    let (answer, ()) = tokio::join!(client.chats(None, None), cut);
    assert_eq!(answer.unwrap_err(), RequestError::Disconnected);
}

#[tokio::test]
async fn the_client_ends_with_its_last_handle() {
    let server = Fake::start().await;
    let (client, mut events) = Client::connect(server.config());
    let (peer, _) = server.welcome(&[], false, "t1").await;
    let other = client.clone();
    drop(client);
    assert_eq!(soon("the user", other.online()).await.unwrap().name, "me");
    drop(other);
    assert_eq!(offline(&mut events).await, (OfflineReason::Stopped, None));
    assert_eq!(peer.rest().await, Vec::<Value>::new());
}
