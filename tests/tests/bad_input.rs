//! What no client should send: each gets its code, and nobody else notices.

use std::future::Future;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidings_tests::server::{mint, now_s};
use tidings_tests::stories::{id_of, seq_of, texts};
use tidings_tests::wire::{End, send};
use tidings_tests::{Person, Tidings, Wire, new_id, within};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

/// Longest frame that a client may send.
const FRAME_BYTES: usize = 64 * 1024;
/// Longest body of a message, as JSON.
const BODY_BYTES: usize = 32 * 1024;

/// A session of somebody who has nothing to do with it all.
struct Bystander {
    person: Person,
    chat: String,
    wire: Wire,
}

impl Bystander {
    async fn of(tidings: &Tidings) -> Self {
        let person = tidings.person("bystander").await;
        let chat = id_of(&person.group("Quiet", &[]).await);
        let mut wire = person.online().await;
        wire.sync(&chat, 0).await;
        Self { person, chat, wire }
    }

    /// The session still works, and has seen nothing but its own chat.
    async fn stays_untouched(mut self) {
        self.person.say(&self.chat, "still here").await;
        assert_eq!(self.wire.heard(&self.chat).await, "still here");
        let stranger = |frame: &Value| {
            let chat = if frame["type"] == "chat" { &frame["chat"]["id"] } else { &frame["chat"] };
            frame["type"] != "tick" && *chat != self.chat.as_str()
        };
        assert!(!self.wire.rest().iter().any(stranger));
    }
}

/// Tells a story about ann and her session, beside a bystander.
async fn beside_a_bystander<F: Future<Output = ()>>(story: impl FnOnce(&'static Tidings, Person, Wire) -> F) {
    let tidings = Tidings::shared().await;
    let bystander = Bystander::of(tidings).await;
    let ann = tidings.person("ann").await;
    let wire = ann.online().await;
    story(tidings, ann, wire).await;
    bystander.stays_untouched().await;
}

/// The next frame is a refusal of request `re` with this code.
async fn refused(wire: &mut Wire, re: u64, code: &str) -> Value {
    let frame = wire.take("a refusal", |frame| frame["type"] == "error").await;
    assert_eq!((&frame["re"], &frame["code"]), (&json!(re), &json!(code)), "{frame}");
    frame
}

#[tokio::test]
async fn what_is_no_request_is_a_bad_frame() {
    beside_a_bystander(async |_, _, mut wire: Wire| {
        for text in ["", " ", "\n\n"] {
            wire.text(text).await;
        }
        for text in
            ["hello", "{", "[]", "null", "7", "{}", r#"{"id":1}"#, r#"{"id":1,"type":7}"#, r#"{"id":-1,"type":"ping"}"#]
        {
            wire.text(text).await;
            refused(&mut wire, 0, "bad_frame").await;
        }
        wire.binary(b"{\"id\":1,\"type\":\"ping\"}".to_vec()).await;
        refused(&mut wire, 0, "bad_frame").await;
        assert_eq!(wire.ask(json!({ "type": "ping" })).await["type"], "pong", "the session goes on");
    })
    .await;
}

#[tokio::test]
async fn one_bad_line_of_a_frame_spoils_only_itself() {
    beside_a_bystander(async |_, _, mut wire: Wire| {
        wire.text("{\"id\":901,\"type\":\"ping\"}\nnonsense\n\n{\"id\":902,\"type\":\"ping\"}").await;
        assert_eq!(wire.answer(901).await["type"], "pong");
        refused(&mut wire, 0, "bad_frame").await;
        assert_eq!(wire.answer(902).await["type"], "pong");
        wire.text(&"{\"id\":903,\"type\":\"ping\"}\n".repeat(101)).await;
        refused(&mut wire, 0, "too_large").await;
    })
    .await;
}

#[tokio::test]
async fn twenty_bad_frames_end_a_session() {
    beside_a_bystander(async |_, _, mut wire: Wire| {
        for _ in 0..20 {
            wire.text("nonsense").await;
        }
        assert_eq!(wire.end().await, End::Closed(4301));
        assert_eq!(wire.rest().iter().filter(|frame| frame["code"] == "bad_frame").count(), 19);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_type_is_named_and_the_session_goes_on() {
    beside_a_bystander(async |_, _, mut wire: Wire| {
        let answer = wire.ask(json!({ "type": "dance" })).await;
        assert_eq!((&answer["code"], &answer["retry"]), (&json!("unknown_type"), &json!("never")));
        let known = wire.ask(json!({ "type": "ping", "of_a_later_version": [1, { "a": 2 }] })).await;
        assert_eq!(known["type"], "pong");
    })
    .await;
}

#[tokio::test]
async fn fields_that_are_missing_or_wrong_are_named() {
    beside_a_bystander(async |_, ann: Person, mut wire: Wire| {
        let chat = id_of(&ann.group("Mine", &[]).await);
        let id = new_id();
        for request in [
            json!({ "type": "send" }),
            json!({ "type": "send", "chat": chat, "client_id": id }),
            json!({ "type": "send", "chat": chat, "body": { "text": "hi" } }),
            json!({ "type": "send", "chat": chat, "client_id": "7", "body": { "text": "hi" } }),
            json!({ "type": "send", "chat": "@ann", "client_id": id, "body": { "text": "hi" } }),
            json!({ "type": "send", "chat": chat, "client_id": id, "body": "hi" }),
            json!({ "type": "send", "chat": chat, "client_id": id, "body": ["hi"] }),
            json!({ "type": "send", "chat": chat, "client_id": id, "body": { "text": "hi" }, "retry": true }),
            json!({ "type": "sync", "chat": chat }),
            json!({ "type": "sync", "chat": chat, "after": -1 }),
            json!({ "type": "sync", "chat": chat, "after": "1" }),
            json!({ "type": "history", "chat": chat, "limit": 0 }),
            json!({ "type": "history", "chat": chat, "limit": 101 }),
            json!({ "type": "history", "chat": chat, "before": 5, "after": 1 }),
            json!({ "type": "chats", "limit": 1_000_000 }),
            json!({ "type": "read", "chat": chat }),
        ] {
            let answer = wire.ask(request.clone()).await;
            assert_eq!((&answer["code"], &answer["retry"]), (&json!("bad_field"), &json!("never")), "{request}");
        }
        assert_eq!(texts(&ann.history(&chat).await), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_frame_has_64_kib_and_no_byte_more() {
    beside_a_bystander(async |_, ann: Person, mut wire: Wire| {
        let chat = id_of(&ann.group("Mine", &[]).await);
        let frame = |length: usize| {
            let request = r#"{"id":700,"type":"ping","filler":""}"#;
            request.replace("\"\"", &format!("\"{}\"", "x".repeat(length - request.len())))
        };
        wire.text(&frame(FRAME_BYTES)).await;
        assert_eq!(wire.answer(700).await["type"], "pong");
        wire.text(&frame(FRAME_BYTES + 1)).await;
        refused(&mut wire, 0, "too_large").await;
        let body = |length: usize| "x".repeat(length - r#"{"text":""}"#.len());
        assert_eq!(wire.ask(send(&chat, &new_id(), &body(BODY_BYTES))).await["type"], "sent");
        assert_eq!(wire.ask(send(&chat, &new_id(), &body(BODY_BYTES + 1))).await["code"], "too_large");
        assert_eq!(texts(&ann.history(&chat).await).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_frame_beyond_any_limit_ends_the_session() {
    beside_a_bystander(async |_, _, mut wire: Wire| {
        wire.text(&"x".repeat(2 * FRAME_BYTES + 1)).await;
        // The rest of the frame is not read, and unread bytes may reset the connection before its last word arrives.
        let end = wire.end().await;
        assert!(matches!(end, End::Closed(4302) | End::Broken), "{end:?}");
    })
    .await;
}

#[tokio::test]
async fn text_that_is_not_utf8_ends_the_session() {
    beside_a_bystander(async |_, _, mut wire: Wire| {
        wire.bytes_as_text(b"{\"id\":1,\"type\":\"\xff\xfe\"}".to_vec()).await;
        assert_eq!(wire.end().await, End::Closed(4301));
    })
    .await;
}

#[tokio::test]
async fn without_a_good_token_nobody_comes_in() {
    beside_a_bystander(async |tidings, ann: Person, _| {
        let mut forged = tidings.token("ann").into_bytes();
        forged.reverse();
        let hour = 3_600;
        for (token, code) in [
            (tidings.token_until(&ann.name, now_s() - hour), "token_expired"),
            (mint(&ann.name, now_s() + hour, "another key"), "unauthenticated"),
            (String::from_utf8(forged).expect("letters"), "unauthenticated"),
            ("x".repeat(20_000), "unauthenticated"),
            ("invented".to_owned(), "unauthenticated"),
            (String::new(), "unauthenticated"),
        ] {
            let mut wire = tidings.wire().await;
            let answer = wire.hello(&token, None).await;
            assert_eq!((&answer["code"], &answer["retry"]), (&json!(code), &json!("refresh_token")), "{token:.20}");
            assert_eq!(wire.end().await, End::Closed(4200));
            let someone = Person { token: token.clone(), ..ann.clone() };
            if token.len() < 10_000 {
                someone.get("/v1/me").await.refused(401, code);
            }
        }
        tidings.call("GET", "/v1/chats", None).await.refused(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    beside_a_bystander(async |tidings, _, _| {
        let mut wire = tidings.wire().await;
        let token = tidings.token_until("short-lived", now_s() + 2);
        assert_eq!(wire.hello(&token, None).await["type"], "welcome");
        assert_eq!(wire.end().await, End::Closed(4200));
    })
    .await;
}

#[tokio::test]
async fn hello_comes_first_and_once() {
    beside_a_bystander(async |tidings, ann: Person, mut wire: Wire| {
        let chat = id_of(&ann.group("Mine", &[]).await);
        assert_eq!(wire.hello(&ann.token, None).await["code"], "already");
        assert_eq!(wire.ask(json!({ "type": "ping" })).await["type"], "pong", "the session goes on");
        for (frame, code) in [
            (send(&chat, &new_id(), "me first").to_string(), "unauthenticated"),
            (json!({ "type": "ping" }).to_string(), "unauthenticated"),
            (json!({ "type": "dance" }).to_string(), "unknown_type"),
            (json!({ "type": "hello" }).to_string(), "bad_field"),
            ("nonsense".to_owned(), "bad_frame"),
            ("x".repeat(FRAME_BYTES + 1), "too_large"),
        ] {
            let mut early = tidings.wire().await;
            early.text(&frame).await;
            refused(&mut early, 0, code).await;
            assert_eq!(early.end().await, End::Closed(4300), "{frame:.40}");
        }
        let mut early = tidings.wire().await;
        early.binary(b"hello".to_vec()).await;
        refused(&mut early, 0, "bad_frame").await;
        assert_eq!(early.end().await, End::Closed(4300));
        assert_eq!(texts(&ann.history(&chat).await), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn other_peoples_chats_are_closed() {
    beside_a_bystander(async |tidings, ann: Person, mut wire: Wire| {
        let [bob, cid] = tidings.people(["bob", "cid"]).await;
        let theirs = id_of(&bob.direct(&cid).await);
        bob.say(&theirs, "between us").await;
        let left = id_of(&bob.group("Trip", &[&ann, &cid]).await);
        bob.remove(&left, &ann).await.ok();
        let after = bob.say(&left, "she is gone").await;
        let nowhere = new_id();
        for (chat, code) in [(&theirs, "not_member"), (&nowhere, "no_such_chat")] {
            for request in [
                send(chat, &new_id(), "let me in"),
                json!({ "type": "sync", "chat": chat, "after": 0 }),
                json!({ "type": "history", "chat": chat }),
                json!({ "type": "read", "chat": chat, "seq": 1 }),
            ] {
                assert_eq!(wire.ask(request.clone()).await["code"], code, "{request}");
            }
        }
        assert_eq!(wire.ask(send(&left, &new_id(), "wait")).await["code"], "not_member");
        let read = wire.ask(json!({ "type": "read", "chat": left, "seq": after })).await;
        assert_eq!(read["code"], "bad_field", "beyond the removal");
        assert_eq!(
            (texts(&bob.history(&theirs).await), texts(&bob.history(&left).await)),
            (vec!["between us".to_owned()], vec!["she is gone".to_owned()])
        );
    })
    .await;
}

#[tokio::test]
async fn places_and_cursors_of_elsewhere_are_refused() {
    beside_a_bystander(async |tidings, ann: Person, mut wire: Wire| {
        let bob = tidings.person("bob").await;
        let (chat, other) = (id_of(&ann.group("One", &[]).await), id_of(&ann.group("Two", &[]).await));
        for text in ["a", "b", "c"] {
            ann.say(&other, text).await;
        }
        let elsewhere = seq_of(&ann.summary(&other).await["newest"]);
        for seq in [0, elsewhere, elsewhere + 1_000_000, u64::MAX] {
            let answer = wire.ask(json!({ "type": "read", "chat": chat, "seq": seq })).await;
            assert_eq!(answer["code"], "bad_field", "{seq}");
            ann.read(&chat, seq).await.refused(400, "bad_field");
        }
        let cursor = ann.page(&other, "limit=1").await["older"].as_str().expect("more").to_owned();
        let damaged = format!("{}x", &cursor[1..]);
        for cursor in ["invented", "", &damaged, &cursor, "AAAA"] {
            let answer = wire.ask(json!({ "type": "history", "chat": chat, "cursor": cursor })).await;
            assert_eq!(answer["code"], "bad_field", "{cursor}");
            let answer = wire.ask(json!({ "type": "chats", "cursor": cursor })).await;
            assert_eq!(answer["code"], "bad_field", "{cursor}");
            ann.get(&format!("/v1/chats/{chat}/members?cursor={cursor}")).await.refused(400, "bad_field");
        }
        let theirs = bob.call("GET", &format!("/v1/chats/{other}/messages?cursor={cursor}"), None).await;
        theirs.refused(403, "not_member");
        let used = new_id();
        wire.ask(send(&chat, &used, "yes")).await;
        assert_eq!(wire.ask(send(&chat, &used, "no")).await["code"], "conflict");
        assert_eq!(texts(&ann.history(&chat).await), ["yes"]);
    })
    .await;
}

#[tokio::test]
async fn calls_that_make_no_sense_are_problems() {
    beside_a_bystander(async |tidings, ann: Person, _| {
        let url = tidings.url();
        let chat = id_of(&ann.group("Mine", &[]).await);
        let post = |body: Vec<u8>| async move {
            tidings_tests::http::call(url, "POST", "/v1/auth/login", None, Some(&body)).await.expect("an answer")
        };
        post(b"nonsense".to_vec()).await.refused(400, "bad_frame");
        post(b"[1]".to_vec()).await.refused(400, "bad_frame");
        post(b"{\"handle\":\"\xff\"}".to_vec()).await.refused(400, "bad_frame");
        post(b"{}".to_vec()).await.refused(400, "bad_field");
        post(vec![b' '; FRAME_BYTES + 1]).await.refused(413, "too_large");
        ann.get("/v1/nothing").await.refused(404, "no_such_call");
        ann.get("/v1/chats/mine").await.refused(400, "bad_field");
        ann.get(&format!("/v1/chats/{chat}/messages?limit=many")).await.refused(400, "bad_field");
        let long = "x".repeat(201);
        ann.rename(&chat, &long).await.refused(400, "bad_field");
        ann.rename(&chat, "  ").await.refused(400, "bad_field");
        let group = json!({ "kind": "group", "client_id": new_id(), "title": long, "members": [] });
        ann.call("POST", "/v1/chats", Some(&group)).await.refused(400, "bad_field");
        ann.call("PATCH", "/v1/me", Some(&json!({ "name": "x".repeat(101) }))).await.refused(400, "bad_field");
        let message = json!({ "body": { "text": "x".repeat(BODY_BYTES) } });
        ann.put_message(&chat, &new_id(), &message).await.refused(413, "too_large");
        let register = json!({ "handle": "x".repeat(33), "password": "long enough", "name": "X" });
        tidings.call("POST", "/v1/auth/register", Some(&register)).await.refused(400, "bad_field");
        let answer = ann.get("/v1/nothing").await;
        assert!(answer.head.contains("application/problem+json") && answer.body["request_id"].is_string());
    })
    .await;
}

/// A server that waits less long for silent clients.
async fn impatient() -> &'static Tidings {
    static SHARED: OnceCell<Tidings> = OnceCell::const_new();
    let settings = [
        ("sessions.hello_timeout_ms", "2000"),
        ("sessions.ping_interval_ms", "1000"),
        ("http.header_timeout_ms", "2000"),
        ("http.body_timeout_ms", "2000"),
    ];
    SHARED.get_or_init(|| Tidings::start_with(&settings)).await
}

/// The beginning of a text frame of 60,000 bytes.
const HALF_A_FRAME: &[u8] = b"\x81\xfe\xea\x60\x00\x00\x00\x00{\"id\":1,\"type\":\"se";

#[tokio::test]
async fn who_never_says_hello_is_shown_out() {
    let tidings = impatient().await;
    let mut silent = tidings.wire().await;
    let mut half = tidings.wire().await;
    half.raw(HALF_A_FRAME).await;
    assert_eq!(tokio::join!(silent.end(), half.end()), (End::Closed(4300), End::Closed(4300)));
}

#[tokio::test]
async fn half_a_frame_and_silence_ends_a_session() {
    let tidings = impatient().await;
    let mut wire = tidings.person("ann").await.online().await;
    wire.raw(HALF_A_FRAME).await;
    assert_eq!(wire.end().await, End::Closed(4103));
}

#[tokio::test]
async fn a_session_that_answers_pings_stays() {
    let tidings = impatient().await;
    let ann = tidings.person("ann").await;
    let mut wire = ann.online().await;
    let mut half = tidings.person("half").await.online().await;
    half.raw(HALF_A_FRAME).await;
    // Reads, and so answers pings, for as long as it takes to show a silent one out.
    let reading = async {
        let frames = wire.frames().await;
        unreachable!("{frames:?}");
    };
    tokio::select! {
        () = reading => {}
        end = half.end() => assert_eq!(end, End::Closed(4103)),
    }
    assert_eq!(wire.ask(json!({ "type": "ping" })).await["type"], "pong");
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let tidings = impatient().await;
    let host = tidings.url().trim_start_matches("http://").to_owned();
    let ends = join_all(["", "GET /v1/ws HT", "PUT /v1/me HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"].map(
        async |said| {
            let mut stream = TcpStream::connect(&host).await.expect("connected");
            tokio::io::AsyncWriteExt::write_all(&mut stream, said.as_bytes()).await.expect("written");
            let mut answer = Vec::new();
            // A reset is an end as well.
            let _ = within("the end of the connection", stream.read_to_end(&mut answer)).await;
            String::from_utf8_lossy(&answer).into_owned()
        },
    ))
    .await;
    assert!(ends.iter().all(|answer| !answer.contains(" 200 ")), "{ends:?}");
}

/// Connections of one round, all open at the same time.
const ROUND: usize = 500;

/// One bad connection, from its beginning to its end.
async fn misbehave(tidings: &Tidings, how: usize) {
    let mut wire = tidings.wire().await;
    match how % 5 {
        0 => wire.text("nonsense").await,
        1 => wire.text(&"x".repeat(FRAME_BYTES + 1)).await,
        2 => wire.raw(HALF_A_FRAME).await,
        3 => drop(wire.hello("invented", None).await),
        _ => return,
    }
    wire.end().await;
}

#[tokio::test]
async fn two_thousand_bad_connections_leave_nothing_behind() {
    let tidings = impatient().await;
    let bystander = Bystander::of(tidings).await;
    let reading = tokio::spawn(bystander.stays_untouched_for_a_while());
    let mut memory = Vec::new();
    for _ in 0..4 {
        join_all((0..ROUND).map(|how| misbehave(tidings, how))).await;
        memory.push(tidings.memory_kib());
    }
    let grown = memory[3].saturating_sub(memory[0]);
    assert!(grown < 16 * 1024, "resident after each round, in KiB: {memory:?}");
    reading.await.expect("the bystander is well");
}

impl Bystander {
    /// Keeps talking to itself meanwhile, and so answers pings.
    async fn stays_untouched_for_a_while(mut self) {
        for number in 0..100 {
            self.person.say(&self.chat, &number.to_string()).await;
            assert_eq!(self.wire.heard(&self.chat).await, number.to_string());
        }
        self.stays_untouched().await;
    }
}
