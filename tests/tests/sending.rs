//! Sending: what is acked is in every later answer, once, in the order of the sender, and a repeat is no second message.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tidings_nats::Subject;
use tidings_protocol::{Body, ChatId, ClientId, Event, EventKind, Timestamp, UserId};
use tidings_tests::stories::{assert_whole, id_of, kinds, seq_of, seqs, texts};
use tidings_tests::wire::send;
use tidings_tests::{Person, Tidings, Wire, new_id, until};

/// A message of `from`, put into the log by nobody's gateway and without a message id: what the log still knows of a
/// send when every memory of repeats has forgotten it.
fn stored_long_ago(chat: &str, from: &Person, client_id: &str, text: &str) -> (String, Vec<u8>) {
    let chat: ChatId = chat.parse().expect("a chat id");
    let (user, client_id): (UserId, ClientId) = (from.id.parse().expect("an id"), client_id.parse().expect("an id"));
    let body = Body::of(&json!({ "text": text })).expect("an object");
    let event = Event::new(EventKind::Message, user, Some(client_id), Timestamp(1_700_000_000_000), body);
    (Subject::chat(chat).to_string(), event.encode().expect("an event"))
}

/// Puts events into the log.
async fn store(tidings: &Tidings, events: Vec<(String, Vec<u8>)>) -> Vec<u64> {
    let jetstream = async_nats::jetstream::new(tidings.nats().await);
    let mut acks = Vec::new();
    for (subject, payload) in events {
        acks.push(jetstream.publish(subject, payload.into()).await.expect("published").into_future());
    }
    join_all(acks).await.into_iter().map(|ack| ack.expect("stored").sequence).collect()
}

/// A retry of a send.
fn again(chat: &str, client_id: &str, text: &str, after_seq: u64) -> Value {
    let mut retry = send(chat, client_id, text);
    retry["retry"] = true.into();
    retry["after_seq"] = after_seq.into();
    retry
}

#[tokio::test]
async fn what_is_acked_is_in_every_answer_after() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let (mut hers, mut his) = (ann.online().await, bob.online().await);
    for round in 0..200_u64 {
        let seq = hers.say(&chat, &format!("message {round}")).await;
        let newest = match round % 4 {
            0 => bob.page(&chat, "limit=1").await["items"][0].clone(),
            1 => his.ask(json!({ "type": "history", "chat": chat, "limit": 3 })).await["items"][2].clone(),
            2 => his.sync(&chat, seq - 1).await.pop().expect("an entry"),
            _ => bob.summary(&chat).await["newest"].clone(),
        };
        assert_eq!(seq_of(&newest), seq, "round {round}: {newest}");
    }
    assert_whole(&bob.history(&chat).await);
}

#[tokio::test]
async fn what_is_acked_is_in_the_list_at_once() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let listed = until("the chat is in bob's list", async || {
        let chats = bob.get("/v1/chats").await.ok();
        (chats["chats"][0]["id"] == chat.as_str()).then_some(())
    });
    listed.await;
    for round in 1..=50 {
        let seq = ann.say(&chat, &format!("{round}")).await;
        let line = bob.get("/v1/chats").await.ok()["chats"][0].clone();
        assert_eq!((seq_of(&line["newest"]), &line["unread"]), (seq, &json!(round)), "{line}");
        assert_eq!((&line["newest"]["n"], &line["newest"]["preview"]), (&json!(round), &json!(format!("{round}"))));
    }
}

#[tokio::test]
async fn pipelined_sends_keep_their_order() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chats = [id_of(&ann.direct(&bob).await), id_of(&ann.group("Trip", &[&bob]).await)];
    let mut wire = ann.online().await;
    let mut ids = Vec::new();
    for number in 0..300 {
        ids.push(wire.post_text(&chats[number % 2], &format!("{number}")).await);
    }
    let mut places = Vec::new();
    for id in ids {
        places.push(seq_of(&wire.answer(id).await));
    }
    for (which, chat) in chats.iter().enumerate() {
        let mine: Vec<u64> = places.iter().copied().skip(which).step_by(2).collect();
        let log = bob.history(chat).await;
        assert_eq!(seqs(&log)[1..], mine);
        let numbers: Vec<String> = (which..300).step_by(2).map(|number| number.to_string()).collect();
        assert_eq!(texts(&log), numbers);
    }
}

#[tokio::test]
async fn a_repeat_answers_with_the_first_and_stores_nothing() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let (id, message) = (new_id(), json!({ "body": { "text": "once" } }));
    let at_once = join_all((0..12).map(|_| ann.put_message(&chat, &id, &message))).await;
    let at_once: Vec<Value> = at_once.into_iter().map(|answer| answer.ok()).collect();
    let (seq, at) = (seq_of(&at_once[0]), &at_once[0]["at"]);
    assert!(at_once.iter().all(|sent| seq_of(sent) == seq && sent["at"] == *at), "{at_once:?}");
    assert_eq!(at_once.iter().filter(|sent| sent["duplicate"] == false).count(), 1, "{at_once:?}");
    let mut wire = ann.online().await;
    let repeat = wire.ask(send(&chat, &id, "once")).await;
    let marked = wire.ask(again(&chat, &id, "once", 0)).await;
    for sent in [&repeat, &marked] {
        assert_eq!((sent["type"].as_str(), seq_of(sent), &sent["at"]), (Some("sent"), seq, at));
        assert_eq!((&sent["duplicate"], &sent["client_id"]), (&json!(true), &json!(id)));
    }
    let theirs = bob.put_message(&chat, &id, &message).await.ok();
    assert_eq!(theirs["duplicate"], false, "a client_id is the sender's own");
    assert_eq!(texts(&bob.history(&chat).await), ["once", "once"]);
}

#[tokio::test]
async fn another_body_under_a_used_client_id_is_a_conflict() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let id = new_id();
    let mut wire = ann.online().await;
    let sent = wire.ask(send(&chat, &id, "yes")).await;
    for request in [send(&chat, &id, "no"), again(&chat, &id, "no", seq_of(&sent) - 1)] {
        let refused = wire.ask(request).await;
        assert_eq!((&refused["code"], &refused["retry"]), (&json!("conflict"), &json!("never")), "{refused}");
    }
    ann.put_message(&chat, &id, &json!({ "body": { "text": "no" } })).await.refused(409, "conflict");
    wire.say(&chat, "the next one is not held up").await;
    assert_eq!(texts(&bob.history(&chat).await), ["yes", "the next one is not held up"]);
}

#[tokio::test]
async fn a_retry_finds_what_every_memory_of_repeats_has_forgotten() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let known = seq_of(&ann.summary(&chat).await["newest"]);
    let id = new_id();
    let stored = store(tidings, vec![stored_long_ago(&chat, &ann, &id, "old")]).await[0];
    bob.say(&chat, "newer").await;
    let mut wire = ann.online().await;
    let sent = wire.ask(again(&chat, &id, "old", known)).await;
    assert_eq!((seq_of(&sent), &sent["duplicate"]), (stored, &json!(true)));
    assert_eq!(sent["at"], "2023-11-14T22:13:20.000Z", "as stored, not as tried again");
    let conflict = wire.ask(again(&chat, &id, "other", known)).await;
    assert_eq!(conflict["code"], "conflict");
    let over_http = json!({ "body": { "text": "old" }, "retry": true, "after_seq": known });
    assert_eq!(seq_of(&ann.put_message(&chat, &id, &over_http).await.ok()), stored);
    let blind = json!({ "body": { "text": "old" }, "retry": true });
    ann.put_message(&chat, &id, &blind).await.refused(400, "bad_field");
    assert_eq!(texts(&bob.history(&chat).await), ["old", "newer"]);
    let fresh = wire.ask(again(&chat, &new_id(), "never stored", known)).await;
    assert_eq!((&fresh["type"], &fresh["duplicate"]), (&json!("sent"), &json!(false)));
}

#[tokio::test]
async fn a_retry_that_would_have_to_search_too_much_is_told_to_sync() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let known = seq_of(&ann.summary(&chat).await["newest"]);
    let busy = (0..1_200).map(|number| stored_long_ago(&chat, &bob, &new_id(), &format!("{number}"))).collect();
    store(tidings, busy).await;
    let (id, mut wire) = (new_id(), ann.online().await);
    let refused = wire.ask(again(&chat, &id, "hello?", known)).await;
    assert_eq!((&refused["code"], &refused["retry"]), (&json!("sync_required"), &json!("after_sync")), "{refused}");
    let log = wire.sync(&chat, known).await;
    assert_eq!(log.len(), 1_200);
    let sent = wire.ask(again(&chat, &id, "hello?", seq_of(&log[1_199]))).await;
    assert_eq!((&sent["type"], &sent["duplicate"]), (&json!("sent"), &json!(false)), "{sent}");
    let texts = texts(&bob.history(&chat).await);
    assert_eq!((texts.len(), texts[1_200].as_str()), (1_201, "hello?"));
}

/// A session that has pipelined ten sends while the log hung and only a few may wait.
struct Stuck {
    tidings: Tidings,
    ann: Person,
    chat: String,
    wire: Wire,
    requests: Vec<Value>,
    /// How many of the ten were taken.
    taken: usize,
}

async fn stuck() -> Stuck {
    let tidings = Tidings::start_with(&[("publish.owner_messages", "3")]).await;
    let ann = tidings.person("ann").await;
    let chat = id_of(&ann.group("Trip", &[]).await);
    let mut wire = ann.online().await;
    wire.sync(&chat, 0).await;
    // The second send finds the membership in memory, so that sends need nothing of a log that hangs.
    wire.say(&chat, "warm").await;
    tidings.signal_nats(Signal::STOP).await;
    let requests: Vec<Value> = (1..=10).map(|number| send(&chat, &new_id(), &format!("{number}"))).collect();
    let mut ids = Vec::new();
    for request in &requests {
        ids.push(wire.post(request.clone()).await);
    }
    assert_eq!(wire.answer(ids[9]).await["code"], "out_of_turn");
    tidings.signal_nats(Signal::CONT).await;
    let mut codes = Vec::new();
    for id in &ids[..9] {
        codes.push(wire.answer(*id).await["code"].as_str().unwrap_or("sent").to_owned());
    }
    let taken = codes.iter().take_while(|code| *code == "sent").count();
    assert!((3..9).contains(&taken), "{codes:?}");
    assert_eq!(codes[taken], "overloaded");
    assert!(codes[taken + 1..].iter().all(|code| code == "out_of_turn"), "{codes:?}");
    Stuck { tidings, ann, chat, wire, requests, taken }
}

#[tokio::test]
async fn nothing_passes_a_refused_send() {
    let Stuck { tidings, ann, chat, mut wire, requests, taken } = stuck().await;
    let passing = wire.ask(send(&chat, &new_id(), "may I?")).await;
    assert_eq!((&passing["code"], &passing["retry"]), (&json!("out_of_turn"), &json!("after_sync")), "{passing}");
    let other = id_of(&ann.group("Elsewhere", &[]).await);
    wire.say(&other, "other chats are not held up").await;
    for request in &requests[taken..] {
        assert_eq!(wire.ask(request.clone()).await["type"], "sent");
    }
    let all: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(texts(&ann.history(&chat).await).split_off(1), all);
    drop(tidings);
}

#[tokio::test]
async fn a_sync_gives_the_turn_back() {
    let Stuck { tidings, ann, chat, mut wire, taken, .. } = stuck().await;
    wire.sync(&chat, 0).await;
    wire.say(&chat, "instead").await;
    let mut expected: Vec<String> = (1..=taken).map(|number| number.to_string()).collect();
    expected.push("instead".to_owned());
    assert_eq!(texts(&ann.history(&chat).await).split_off(1), expected);
    drop(tidings);
}

#[tokio::test]
async fn who_floods_is_slowed_down_and_loses_nothing() {
    let tidings = Tidings::start_with(&[("sessions.sends_burst", "3"), ("sessions.sends_per_second", "20")]).await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let mut wire = ann.online().await;
    let (began, mut ids) = (Instant::now(), Vec::new());
    for number in 1..=23 {
        ids.push(wire.post_text(&chat, &number.to_string()).await);
    }
    for id in ids {
        assert_eq!(wire.answer(id).await["type"], "sent");
    }
    assert!(began.elapsed() >= Duration::from_millis(990), "20 beyond the burst, 20 a second");
    let all: Vec<String> = (1..=23).map(|number| number.to_string()).collect();
    assert_eq!(texts(&bob.history(&chat).await), all);
}

#[tokio::test]
async fn reading_moves_the_count_on_every_device() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let mut said = Vec::new();
    for text in ["one", "two", "three"] {
        said.push(ann.say(&chat, text).await);
    }
    assert_eq!(bob.summary(&chat).await["unread"], 3);
    let (mut phone, mut laptop) = (bob.online().await, bob.online().await);
    let moved = |unread: u64| {
        let chat = chat.clone();
        move |frame: &Value| {
            frame["type"] == "chat" && frame["chat"]["id"] == chat.as_str() && frame["chat"]["unread"] == unread
        }
    };
    assert_eq!(phone.ask(json!({ "type": "read", "chat": chat, "seq": said[1] })).await["type"], "ok");
    let line = laptop.take("the laptop's line", moved(1)).await;
    assert_eq!((&line["chat"]["read_seq"], &bob.summary(&chat).await["unread"]), (&json!(said[1]), &json!(1)));
    bob.read(&chat, said[2]).await.ok();
    phone.take("the phone's line", moved(0)).await;
    laptop.take("the laptop's line", moved(0)).await;
    bob.read(&chat, said[0]).await.ok();
    let summary = bob.summary(&chat).await;
    assert_eq!((&summary["read_seq"], &summary["unread"]), (&json!(said[2]), &json!(0)), "positions only go on");
    assert_eq!(kinds(&bob.history(&chat).await), ["created", "message", "message", "message"]);
}

#[tokio::test]
async fn a_send_is_a_read() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    ann.say(&chat, "one").await;
    ann.say(&chat, "two").await;
    let reply = bob.say(&chat, "three").await;
    let (his, hers) = (bob.summary(&chat).await, ann.summary(&chat).await);
    assert_eq!((&his["unread"], &his["read_seq"]), (&json!(0), &json!(reply)));
    assert_eq!(hers["unread"], 1);
    until("welcome counts it", async || {
        let (_, welcome) = ann.hello(None).await;
        (welcome["unread"] == json!({ "chats": 1, "messages": 1 })).then_some(())
    })
    .await;
}
