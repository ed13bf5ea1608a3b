//! Live delivery: each event once and in order for everybody who is a member, however the chat comes to the session, and
//! one subscription for a user with however many chats.

use std::collections::HashSet;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use tidings_tests::stories::{assert_whole, id_of, seq_of, seqs};
use tidings_tests::wire::End;
use tidings_tests::{Tidings, Wire, until};

/// Reads messages of a chat until the one that says `last`.
async fn hear_until(wire: &mut Wire, chat: &str, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|text| text != last) {
        heard.push(wire.heard(chat).await);
    }
    heard
}

/// The same as a client has it: what it knows is dropped, and there is no gap.
async fn hear_as_a_client(wire: &mut Wire, chat: &str, mut last: u64, until: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|text| text != until) {
        let event = wire.event(chat).await;
        if seq_of(&event) > last {
            assert!(event["prev"].as_u64().is_some_and(|prev| prev <= last), "a gap after {last}: {event}");
            last = seq_of(&event);
            heard.push(event["event"]["body"]["text"].as_str().unwrap_or_default().to_owned());
        }
    }
    heard
}

/// The events of a chat among frames.
fn events_of<'a>(frames: &'a [Value], chat: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame["type"] == "event" && frame["chat"] == chat).collect()
}

#[tokio::test]
async fn everybody_hears_each_message_once_in_order() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let (mut phone, mut laptop, mut bobs) = (ann.online().await, ann.online().await, bob.online().await);
    let numbers: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    let mut ids = Vec::new();
    for number in &numbers {
        ids.push(phone.post_text(&chat, number).await);
    }
    for id in ids {
        assert_eq!(phone.answer(id).await["type"], "sent");
    }
    assert_eq!(hear_until(&mut laptop, &chat, "100").await, numbers);
    assert_eq!(hear_until(&mut bobs, &chat, "100").await, numbers);
    bobs.say(&chat, "and now I").await;
    assert_eq!(phone.heard(&chat).await, "and now I", "the sender's session has `sent` and not its own event");
    for wire in [&mut phone, &mut laptop, &mut bobs] {
        let rest = wire.rest();
        let again = events_of(&rest, &chat).into_iter().filter(|frame| frame["event"]["kind"] == "message").count();
        assert_eq!(again, 0, "{rest:?}");
    }
}

#[tokio::test]
async fn an_event_names_the_one_before_it() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob]).await);
    let mut wire = bob.online().await;
    let mut last = seq_of(wire.sync(&chat, 0).await.last().expect("created"));
    for number in 0..30 {
        ann.say(&chat, &number.to_string()).await;
    }
    ann.rename(&chat, "Journey").await.ok();
    for _ in 0..31 {
        let event = wire.event(&chat).await;
        assert_eq!(event["prev"], last, "{event}");
        last = seq_of(&event);
    }
    let frame = wire.take("the new title", |frame| frame["chat"]["title"] == "Journey").await;
    assert_eq!((&frame["type"], &frame["chat"]["id"]), (&json!("chat"), &json!(chat)));
}

#[tokio::test]
async fn a_new_member_gets_the_chat_and_what_comes_after() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.group("Trip", &[]).await);
    ann.say(&chat, "before").await;
    let mut wire = bob.online().await;
    ann.put_member(&chat, &bob, None).await.ok();
    let line = wire.said("chat").await;
    assert_eq!((&line["chat"]["id"], &line["chat"]["role"]), (&json!(chat), &json!("member")), "{line}");
    ann.say(&chat, "welcome").await;
    assert_eq!(hear_until(&mut wire, &chat, "welcome").await.last().map(String::as_str), Some("welcome"));
    assert_whole(&bob.history(&chat).await);
}

#[tokio::test]
async fn a_removed_member_sees_the_removal_and_nothing_after() {
    let tidings = Tidings::shared().await;
    let [ann, bob, cid] = tidings.people(["ann", "bob", "cid"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob, &cid]).await);
    let direct = id_of(&ann.direct(&bob).await);
    let (mut phone, mut laptop, mut cids) = (bob.online().await, bob.online().await, cid.online().await);
    phone.sync(&chat, 0).await;
    ann.remove(&chat, &bob).await.ok();
    ann.say(&chat, "just us").await;
    assert_eq!(cids.heard(&chat).await, "just us");
    ann.say(&direct, "sorry").await;
    for wire in [&mut phone, &mut laptop] {
        let line = wire.take("the line of who left", |frame| frame["chat"]["left_seq"].is_u64()).await;
        assert_eq!(wire.heard(&direct).await, "sorry");
        let rest = wire.rest();
        let last = *events_of(&rest, &chat).last().expect("the removal");
        assert_eq!((&last["event"]["kind"], &last["seq"]), (&json!("member_removed"), &line["chat"]["left_seq"]));
    }
    let refused = phone.ask(tidings_tests::wire::send(&chat, &tidings_tests::new_id(), "still here?")).await;
    assert_eq!(refused["code"], "not_member");
}

#[tokio::test]
async fn chats_that_take_turns_being_cold_lose_nothing() {
    let tidings = Tidings::start_with(&[("sessions.warm_chats", "1")]).await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chats = join_all((0..4).map(async |_| ann.group("Chat", &[&bob]).await)).await;
    let mut wire = bob.online().await;
    for round in 0..10 {
        for chat in &chats {
            ann.say(&id_of(chat), &format!("round {round}")).await;
        }
    }
    let rounds: Vec<String> = (0..10).map(|round| format!("round {round}")).collect();
    for chat in &chats {
        let created = seq_of(&chat["newest"]);
        assert_eq!(hear_as_a_client(&mut wire, &id_of(chat), created, "round 9").await, rounds);
    }
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_resumes_whole() {
    let tidings = Tidings::start_with(&[("sessions.queue_bytes", "200000")]).await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let (mut slow, welcome) = bob.hello(None).await;
    let mut last = seq_of(slow.sync(&chat, 0).await.last().expect("created"));
    let large = "x".repeat(30_000);
    // More than the queue and the buffers of the connection hold together.
    for _ in 0..400 {
        ann.say(&chat, &large).await;
    }
    // Who takes no bytes takes no last word either.
    let end = slow.end().await;
    assert!(matches!(end, End::Closed(4101) | End::Broken), "{end:?}");
    for frame in events_of(&slow.rest(), &chat) {
        assert_eq!(frame["prev"], last, "what came before the end is without a hole");
        last = seq_of(frame);
    }
    let (mut again, resumed) = bob.hello(welcome["since"].as_str()).await;
    assert_eq!((&resumed["resumed"], resumed["chats"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    let rest = again.sync(&chat, last).await;
    assert!(!rest.is_empty());
    assert_eq!(seqs(&rest).last(), seqs(&ann.history(&chat).await).last());
    assert_eq!(rest.len(), ann.history(&chat).await.iter().filter(|entry| seq_of(entry) > last).count());
}

#[tokio::test]
async fn a_cold_chat_is_woken_in_a_session_that_never_asked_for_it() {
    let tidings = quiet_soon().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let notes = id_of(&bob.group("Notes", &[]).await);
    ann.say(&chat, "long ago").await;
    let mut wire = until("the chat is quiet and cold", async || {
        let mut wire = bob.online().await;
        let heard = heard_of(&tidings, &mut wire, &notes).await;
        heard.chats.is_empty().then_some(wire)
    })
    .await;
    let seq = ann.say(&chat, "are you there?").await;
    let event = wire.event(&chat).await;
    assert_eq!((seq_of(&event), &event["event"]["body"]["text"]), (seq, &json!("are you there?")));
    ann.say(&chat, "good").await;
    assert_eq!(wire.heard(&chat).await, "good");
    assert_eq!(heard_of(&tidings, &mut wire, &notes).await.chats, [chat]);
}

#[tokio::test]
async fn a_user_is_one_subscription_with_5_chats_and_with_500() {
    let tidings = quiet_soon().await;
    for (name, chats) in [("many", 500), ("few", 5)] {
        let person = tidings.person(name).await;
        stream::iter(1..chats).for_each_concurrent(16, async |_| drop(person.group("Chat", &[]).await)).await;
        let notes = id_of(&person.group("Notes", &[]).await);
        let welcome = until("the chats are quiet and the last session is gone", async || {
            let (mut wire, welcome) = person.hello(None).await;
            let heard = heard_of(&tidings, &mut wire, &notes).await;
            (heard.users == [person.id.clone()] && heard.chats.is_empty()).then_some(welcome)
        })
        .await;
        assert_eq!((welcome["more"].is_string(), &welcome["resumed"]), (chats > 50, &json!(false)));
        let resumed = person.hello(welcome["since"].as_str()).await.1;
        assert_eq!((&resumed["resumed"], &resumed["chats"]), (&json!(true), &json!([])));
    }
}

/// A server whose chats count as quiet after a few seconds instead of minutes.
async fn quiet_soon() -> Tidings {
    let window = "1000";
    Tidings::start_with(&[("sessions.max_window_ms", window), ("workers.pointers.max_window_ms", window)]).await
}

/// What gateways listen to.
struct Heard {
    users: Vec<String>,
    chats: Vec<String>,
}

/// What gateways listen to once `wire` is attached to `own`, which is not counted: so what hello attached is counted.
async fn heard_of(tidings: &Tidings, wire: &mut Wire, own: &str) -> Heard {
    wire.sync(own, 0).await;
    until("the attached chat is listened to", async || {
        let connections = tidings.nats_says("/connz?subs=1&limit=1024").await;
        let connections = connections["connections"].as_array().expect("connections").iter();
        let subjects: HashSet<&str> = connections
            .filter_map(|connection| connection["subscriptions_list"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut chats: Vec<String> =
            subjects.iter().filter_map(|subject| subject.strip_prefix("live.chat.")).map(str::to_owned).collect();
        let users = subjects.iter().filter_map(|subject| subject.strip_prefix("user.")?.strip_suffix(".>"));
        let own = chats.iter().position(|chat| chat == own)?;
        chats.remove(own);
        Some(Heard { users: users.map(str::to_owned).collect(), chats })
    })
    .await
}

#[tokio::test]
async fn what_is_heard_is_what_history_says() {
    let tidings = Tidings::shared().await;
    let people = tidings.people(["ann", "bob", "cid", "dan"]).await;
    let [ann, bob, cid, dan] = &people;
    let chat = id_of(&ann.group("Trip", &[bob, cid, dan]).await);
    let mut ear = dan.online().await;
    ear.sync(&chat, 0).await;
    let speaking = [ann, bob, cid].map(async |person| {
        for number in 0..40 {
            person.say(&chat, &format!("{} {number}", person.name)).await;
        }
    });
    join_all(speaking).await;
    let mut heard = Vec::new();
    for _ in 0..120 {
        heard.push(ear.event(&chat).await);
    }
    let log = dan.history(&chat).await;
    assert_eq!(seqs(&heard), seqs(&log)[1..]);
    assert!(heard.iter().zip(&log[1..]).all(|(event, entry)| event["event"] == entry["event"]));
}
