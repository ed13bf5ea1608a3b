//! What fails in the middle of a thousand sends: each message is stored once and in order, every ack was true, and who
//! listened has heard it all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tidings_client::protocol::{Body, ChatId};
use tidings_client::{Client, ClientConfig, ClientEvent, Events, Stored, TokenSource};
use tidings_tests::stories::{assert_whole, id_of, kinds, seq_of, seqs, texts};
use tidings_tests::wire::{End, send};
use tidings_tests::{Person, Tidings, new_id, until, within};
use tokio::task::JoinHandle;

const SENDERS: usize = 8;
const MESSAGES_EACH: usize = 125;
/// Acks after which the fault comes.
const ACKS_BEFORE: usize = 300;

fn client(person: &Person) -> (Client, Events) {
    Client::connect(ClientConfig::new(&*person.url, TokenSource::Fixed(person.token.clone())))
}

/// A group whose members send as fast as they can, and one who listens.
struct Crowd {
    owner: Person,
    chat: String,
    acked: Arc<AtomicUsize>,
    /// Each with the sender's id.
    sending: Vec<(String, JoinHandle<Vec<Stored>>)>,
    listening: JoinHandle<Vec<u64>>,
}

impl Crowd {
    async fn begin(tidings: &Tidings) -> Self {
        let owner = tidings.person("owner").await;
        let senders = join_all((0..SENDERS).map(|_| tidings.person("sender"))).await;
        let ear = tidings.person("ear").await;
        let chat = id_of(&owner.group("Crowd", &senders.iter().chain([&ear]).collect::<Vec<_>>()).await);
        let acked = Arc::new(AtomicUsize::new(0));
        let mut listener = client(&ear);
        within("the ear knows the chat", knows(&mut listener.1, chat.parse().expect("a chat id"))).await;
        let listening = tokio::spawn(listen(listener, chat.parse().expect("a chat id")));
        let sending = senders.iter().map(|sender| {
            let talk = talk(client(sender), chat.parse().expect("a chat id"), acked.clone());
            (sender.id.clone(), tokio::spawn(talk))
        });
        let sending = sending.collect();
        Self { owner, chat, acked, sending, listening }
    }

    /// Waits until a part of the messages is acked.
    async fn is_under_way(&self) {
        until("a part is acked", async || {
            let acked = self.acked.load(Ordering::Relaxed);
            assert!(acked < SENDERS * MESSAGES_EACH, "all was acked before the fault");
            (acked >= ACKS_BEFORE).then_some(())
        })
        .await;
    }

    /// Waits for all acks and compares them, and what was heard, with history.
    async fn ends_complete(self) {
        let mut acked: HashMap<u64, (String, usize)> = HashMap::new();
        for (sender, sending) in self.sending {
            let stored = within("all acks", sending).await.expect("every message is stored");
            assert!(stored.is_sorted_by_key(|stored| stored.seq), "acks out of order");
            acked.extend(stored.iter().enumerate().map(|(number, stored)| (stored.seq, (sender.clone(), number))));
        }
        let log = self.owner.history(&self.chat).await;
        assert_whole(&log);
        let stored: HashMap<u64, (String, usize)> = log[1..].iter().map(told).collect();
        assert_eq!((log.len() - 1, stored.len()), (SENDERS * MESSAGES_EACH, acked.len()), "each message once");
        assert_eq!(stored, acked, "each message where its ack says");
        let heard = within("everything is heard", self.listening).await.expect("the ear is well");
        assert_eq!(heard, seqs(&log)[seqs(&log).len() - heard.len()..], "heard once and in order");
        assert!(heard.len() >= SENDERS * MESSAGES_EACH);
    }
}

/// Whose message it is, and which.
fn told(entry: &Value) -> (u64, (String, usize)) {
    let from = entry["event"]["from"].as_str().expect("a sender").to_owned();
    let number = entry["event"]["body"]["text"].as_str().and_then(|text| text.parse().ok());
    (seq_of(entry), (from, number.expect("a number")))
}

async fn talk((client, events): (Client, Events), chat: ChatId, acked: Arc<AtomicUsize>) -> Vec<Stored> {
    drop(events);
    let sendings = (0..MESSAGES_EACH).map(|number| {
        let body = Body::of(&json!({ "text": number.to_string() })).expect("an object");
        let (sending, acked) = (client.send(chat, body), acked.clone());
        async move {
            let stored = sending.await.expect("stored");
            acked.fetch_add(1, Ordering::Relaxed);
            stored
        }
    });
    join_all(sendings).await
}

/// Until the chat is in the client's list.
async fn knows(events: &mut Events, wanted: ChatId) {
    loop {
        match events.recv().await {
            Some(ClientEvent::Chat(summary)) if summary.id == wanted => return,
            Some(_) => {}
            None => unreachable!("the client has stopped"),
        }
    }
}

/// The places of all events of the chat, as they come, until all messages have come.
async fn listen((_client, mut events): (Client, Events), wanted: ChatId) -> Vec<u64> {
    let (mut heard, mut messages) = (Vec::new(), 0);
    while messages < SENDERS * MESSAGES_EACH {
        match events.recv().await {
            Some(ClientEvent::Event { chat, seq, event, .. }) if chat == wanted => {
                messages += usize::from(event.kind.is_countable());
                heard.push(seq);
            }
            Some(_) => {}
            None => unreachable!("the client has stopped"),
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_in_the_middle_of_a_thousand_sends() {
    let mut tidings = Tidings::start().await;
    let crowd = Crowd::begin(&tidings).await;
    crowd.is_under_way().await;
    tidings.kill9();
    tidings.restart().await;
    crowd.ends_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_killed_in_the_middle_of_a_thousand_sends() {
    let tidings = Tidings::start().await;
    let (process, nats) = (tidings.pid(), tidings.nats_pid().await);
    let crowd = Crowd::begin(&tidings).await;
    crowd.is_under_way().await;
    tidings.kill_nats().await;
    crowd.ends_complete().await;
    assert_eq!(tidings.pid(), process);
    assert_ne!(tidings.nats_pid().await, nats);
    tidings.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_killed_at_once_and_once_more() {
    let mut tidings = Tidings::start().await;
    let crowd = Crowd::begin(&tidings).await;
    crowd.is_under_way().await;
    tidings.kill_nats().await;
    tidings.kill9();
    tidings.restart().await;
    tidings.kill9();
    tidings.restart().await;
    crowd.ends_complete().await;
}

#[tokio::test]
async fn right_after_a_crash_every_answer_is_complete() {
    let mut tidings = Tidings::start().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    ann.say(&chat, "first").await;
    until("the chat is in bob's list", async || {
        (bob.get("/v1/chats").await.ok()["chats"][0]["id"] == chat.as_str()).then_some(())
    })
    .await;
    for round in 0..3 {
        let mut acked = Vec::new();
        for number in 0..20 {
            acked.push(ann.say(&chat, &format!("{round} {number}")).await);
        }
        tidings.kill9();
        tidings.restart().await;
        let line = bob.get("/v1/chats").await.ok()["chats"][0].clone();
        let last = acked.last().copied();
        assert_eq!((line["newest"]["seq"].as_u64(), &line["unread"]), (last, &json!(20 * (round + 1) + 1)), "{line}");
        let log = bob.history(&chat).await;
        assert_whole(&log);
        assert_eq!(seqs(&log)[log.len() - 20..], acked);
        assert_eq!(bob.online().await.sync(&chat, acked[0]).await.len(), 19);
    }
}

/// A server whose nats-server is away for a few seconds after its death, longer than hello waits for it.
async fn slow_to_recover() -> Tidings {
    Tidings::start_with(&[("dev.nats_restart_min_ms", "4000"), ("live.confirm_timeout_ms", "1000")]).await
}

#[tokio::test]
async fn without_its_log_a_gateway_refuses_and_later_stores_once() {
    let tidings = slow_to_recover().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let before = ann.say(&chat, "before").await;
    let (mut wire, id) = (ann.online().await, new_id());
    tidings.kill_nats().await;
    let refused = wire.ask(send(&chat, &id, "meanwhile")).await;
    assert!(["backoff", "after_sync"].map(Value::from).contains(&refused["retry"]), "{refused}");
    ann.put_message(&chat, &new_id(), &json!({ "body": { "text": "hello?" } })).await.refused(503, "log_unavailable");
    let synced = wire.ask(json!({ "type": "sync", "chat": chat, "after": 0 })).await;
    assert_eq!(synced["code"], "log_unavailable", "a sync never looks whole when it is not");
    tidings.ready().await;
    until("it is stored", async || {
        let retry = json!({ "body": { "text": "meanwhile" }, "retry": true, "after_seq": before });
        (ann.put_message(&chat, &id, &retry).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(texts(&bob.history(&chat).await), ["before", "meanwhile"]);
}

#[tokio::test]
async fn without_its_log_a_gateway_shows_what_it_has_and_says_that_it_is_old() {
    let tidings = slow_to_recover().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    ann.say(&chat, "before").await;
    until("the rows are written", async || {
        let line = bob.get("/v1/chats").await.ok()["chats"][0].clone();
        let page = bob.page(&chat, "").await;
        (line["newest"]["preview"] == "before" && page["items"][1]["n"].is_u64()).then_some(())
    })
    .await;
    tidings.kill_nats().await;
    let list = bob.get("/v1/chats").await.ok();
    assert_eq!((&list["stale"], &list["chats"][0]["id"]), (&json!(true), &json!(chat)), "{list}");
    let (_, welcome) = bob.hello(None).await;
    assert_eq!((&welcome["stale"], &welcome["chats"][0]["id"]), (&json!(true), &json!(chat)), "{welcome}");
    let page = bob.page(&chat, "").await;
    assert_eq!(
        (&page["stale"], texts(page["items"].as_array().expect("items"))),
        (&json!(true), vec!["before".to_owned()])
    );
}

#[tokio::test]
async fn who_comes_while_the_log_hangs_is_not_sent_away_for_good() {
    let settings = [("sessions.hello_timeout_ms", "1000"), ("live.confirm_timeout_ms", "3000")];
    let tidings = Tidings::start_with(&settings).await;
    let ann = tidings.person("ann").await;
    tidings.signal_nats(Signal::STOP).await;
    let mut wire = tidings.wire().await;
    let hello = json!({ "id": 1, "type": "hello", "token": ann.token, "device": new_id() });
    wire.text(&hello.to_string()).await;
    let come = within("an answer or the end", wire.frames()).await;
    tidings.signal_nats(Signal::CONT).await;
    match come {
        Ok(frames) => assert_eq!((&frames[0]["type"], &frames[0]["stale"]), (&json!("welcome"), &json!(true))),
        Err(End::Closed(4100..4200)) => {}
        Err(end) => unreachable!("{end:?}: the client did nothing wrong, and may never come back"),
    }
}

#[tokio::test]
async fn ctrl_c_drains_and_tomorrow_everything_is_there() {
    let mut tidings = Tidings::start().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let mut wire = ann.online().await;
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(wire.post_text(&chat, &number.to_string()).await);
    }
    let first = wire.answer(ids[0]).await;
    let (ended, end) = tokio::join!(tidings.stop(Signal::INT), wire.end());
    assert_eq!((ended.code, end), (Some(0), End::Closed(4100)), "{ended:?}");
    let rest = wire.rest();
    assert!(rest.iter().any(|frame| frame["type"] == "drain" && frame["window_ms"].is_u64()), "{rest:?}");
    let acked = rest.iter().filter(|frame| frame["type"] == "sent").chain([&first]).map(seq_of).max();
    tidings.restart().await;
    let log = bob.history(&chat).await;
    assert_whole(&log);
    assert!(log.last().map(seq_of) >= acked, "every ack was true");
    let order: Vec<String> = (0..log.len() - 1).map(|number| number.to_string()).collect();
    assert_eq!(texts(&log), order);
    assert_eq!(tidings.stop(Signal::TERM).await.code, Some(0));
}

#[tokio::test]
async fn a_second_start_and_a_taken_port_are_one_line_each() {
    let tidings = Tidings::start().await;
    let ann = tidings.person("ann").await;
    let other = tempfile::tempdir().expect("a folder");
    let mut same_folder = tidings.command(&["dev"]);
    same_folder.env("TIDINGS__LISTEN__PUBLIC", "127.0.0.1:0").env("TIDINGS__LISTEN__INTERNAL", "127.0.0.1:0");
    let mut taken_port = tidings.command(&["dev"]);
    let taken = tidings.url().trim_start_matches("http://").to_owned();
    taken_port.env("TIDINGS__DEV__DATA", other.path().join("data"));
    taken_port.env("TIDINGS__LISTEN__PUBLIC", &taken).env("TIDINGS__LISTEN__INTERNAL", "127.0.0.1:0");
    for (command, words) in [(same_folder, "is in use"), (taken_port, &*format!("{taken} is taken"))] {
        let ended = tidings.finish(command).await;
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (Some(3), "", 1), "{ended:?}");
        assert!(ended.stderr.starts_with("tidings: ") && ended.stderr.contains(words), "{ended:?}");
    }
    let chat = id_of(&ann.group("Undisturbed", &[]).await);
    assert_eq!(kinds(&ann.history(&chat).await), ["created"]);
}
