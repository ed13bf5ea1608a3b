//! The calls about chats: what reaches the operations, how their answers and refusals are written

use axum::body::Body;
use serde_json::{Value, json};
use tidings_protocol::cursor::{ChatsCursor, Direction, HistoryCursor, MembersCursor};
use tidings_protocol::limits::{BODY_BYTES, CREATE_BYTES, FRAME_BYTES};
use tidings_protocol::{ChatId, ClientId, ErrorCode, Refusal, UserId};

use super::{Got, World, refused, summary, world};

struct Alice {
    world: World,
    user: UserId,
    token: String,
}

async fn alice() -> Alice {
    let world = world().await;
    let grant = world.bench.register("alice").await;
    Alice { world, user: grant.user.id, token: grant.access }
}

impl Alice {
    async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Got {
        self.world.call(method, path, Some(&self.token), body).await
    }

    /// The call was passed on as `expected`, in alice's name.
    async fn passes(&self, method: &str, path: &str, body: &str, expected: &str) -> Value {
        let got = self.call(method, path, body.to_owned()).await;
        assert_eq!(got.status, 200, "{method} {path} {got:?}");
        assert_eq!(self.world.asked.last(), Some(format!("{} {expected}", self.user)));
        got.json()
    }

    /// The call was refused and not passed on.
    async fn refuses(&self, method: &str, path: &str, body: impl Into<Body>, code: ErrorCode) {
        let got = self.call(method, path, body).await;
        assert_eq!(got.problem(), refused(code), "{method} {path}");
        assert_eq!(self.world.asked.last(), None);
    }
}

#[tokio::test]
async fn lists_are_paged() {
    let alice = alice().await;
    let page = alice.passes("GET", "/v1/chats", "", "list None 50").await;
    let chat: ChatId = page["chats"][0]["id"].as_str().unwrap().parse().unwrap();
    let line = json!({
        "id": chat, "kind": "group", "title": "plans", "members": 2, "role": "owner",
        "newest": {"seq": 7, "n": 3, "at": null, "preview": null, "from": null},
        "read_seq": 7, "unread": 0, "muted_until": null, "left_seq": null,
    });
    assert_eq!(page, json!({"chats": [line], "more": null}));
    let cursor = ChatsCursor { user: alice.user, newest_seq: 9, chat };
    alice.passes("GET", &format!("/v1/chats?cursor={cursor}&limit=3"), "", "list Some(9) 3").await;
    let other = ChatsCursor { user: UserId::generate(), ..cursor };
    for bad in [format!("cursor={other}"), "cursor=x".into(), "limit=0".into(), "limit=101".into(), "limit=a".into()] {
        alice.refuses("GET", &format!("/v1/chats?{bad}"), "", ErrorCode::BadField).await;
    }
    let members = format!("/v1/chats/{chat}/members");
    let page = alice.passes("GET", &members, "", &format!("members {chat} None 50")).await;
    assert_eq!(page, json!({"members": [], "more": "next"}));
    let cursor = MembersCursor { chat, user: alice.user };
    let expected = format!("members {chat} Some(UserId({})) 7", alice.user);
    alice.passes("GET", &format!("{members}?cursor={cursor}&limit=7"), "", &expected).await;
    let elsewhere = format!("/v1/chats/{}/members?cursor={cursor}", ChatId::generate());
    alice.refuses("GET", &elsewhere, "", ErrorCode::BadField).await;
    alice.refuses("GET", "/v1/chats/nowhere/members", "", ErrorCode::BadField).await;
}

#[tokio::test]
async fn chats_are_made_read_and_renamed() {
    let alice = alice().await;
    let (bob, name) = (UserId::generate(), ClientId::generate());
    let direct = json!({"kind": "direct", "with": bob}).to_string();
    alice.passes("POST", "/v1/chats", &direct, &format!("direct {bob}")).await;
    alice.passes("POST", "/v1/chats", r#"{"kind":"direct","with":"@Bob"}"#, "direct @bob").await;
    let group = json!({"kind": "group", "client_id": name, "title": " plans ", "members": ["@bob", bob]});
    let expected = format!("group {name} \"plans\" @bob,{bob}");
    let made = alice.passes("POST", "/v1/chats", &group.to_string(), &expected).await;
    assert_eq!(made["title"], "plans");
    let alone = json!({"kind": "group", "client_id": name, "title": "notes"}).to_string();
    alice.passes("POST", "/v1/chats", &alone, &format!("group {name} \"notes\" ")).await;
    let long = "x".repeat(201);
    for bad in [
        json!({}),
        json!({"kind": "channel"}),
        json!({"kind": "direct"}),
        json!({"kind": "direct", "with": "bob"}),
        json!({"kind": "group", "client_id": name, "members": []}),
        json!({"kind": "group", "client_id": "1", "title": "t"}),
        json!({"kind": "group", "client_id": name, "title": " "}),
        json!({"kind": "group", "client_id": name, "title": long}),
        json!({"kind": "group", "client_id": name, "title": "t", "members": ["@"]}),
        json!({"kind": "group", "client_id": name, "title": "t", "members": vec!["@bo"; 10_001]}),
    ] {
        alice.refuses("POST", "/v1/chats", bad.to_string(), ErrorCode::BadField).await;
    }
    let chat = ChatId::generate();
    let path = format!("/v1/chats/{chat}");
    let got = alice.passes("GET", &path, "", &format!("get {chat}")).await;
    assert_eq!(got, serde_json::to_value(summary(chat)).unwrap());
    let title = r#"{"title":" new "}"#;
    alice.passes("PATCH", &path, title, &format!("rename {chat} \"new\"")).await;
    for bad in [json!({}), json!({"title": ""}), json!({"title": long})] {
        alice.refuses("PATCH", &path, bad.to_string(), ErrorCode::BadField).await;
    }
    alice.refuses("GET", "/v1/chats/1", "", ErrorCode::BadField).await;
}

#[tokio::test]
async fn members_are_added_given_roles_and_removed() {
    let alice = alice().await;
    let (chat, bob) = (ChatId::generate(), UserId::generate());
    let path = format!("/v1/chats/{chat}/members/{bob}");
    let none = format!("put {chat} {bob} None");
    assert_eq!(alice.passes("PUT", &path, "", &none).await, json!({}));
    alice.passes("PUT", &path, "{}", &none).await;
    alice.passes("PUT", &path, r#"{"role":"admin"}"#, &format!("put {chat} {bob} Some(Admin)")).await;
    let by_handle = format!("/v1/chats/{chat}/members/@Bob");
    alice.passes("DELETE", &by_handle, "", &format!("delete {chat} @bob")).await;
    alice.refuses("PUT", &path, r#"{"role":"king"}"#, ErrorCode::BadField).await;
    alice.refuses("PUT", &path, "admin", ErrorCode::BadFrame).await;
    alice.refuses("PUT", &format!("/v1/chats/{chat}/members/bob"), "", ErrorCode::BadField).await;
    alice.refuses("DELETE", &format!("/v1/chats/x/members/{bob}"), "", ErrorCode::BadField).await;
}

#[tokio::test]
async fn messages_are_sent_and_read() {
    let alice = alice().await;
    let (chat, name) = (ChatId::generate(), ClientId::generate());
    let path = format!("/v1/chats/{chat}/messages/{name}");
    let body = r#"{"text":"hi \u00e9","x":[1]}"#;
    let sent = format!(r#"{{"body":{body}}}"#);
    let stored = alice.passes("PUT", &path, &sent, &format!("send {chat} {name} {body} false None")).await;
    assert_eq!(stored, json!({"seq": 42, "at": "2023-11-14T22:13:20.123Z", "duplicate": false}));
    let retry = r#"{"body":{},"retry":true,"after_seq":41}"#;
    alice.passes("PUT", &path, retry, &format!("send {chat} {name} {{}} true Some(41)")).await;
    for bad in [r#"{}"#, r#"{"body":"hi"}"#, r#"{"body":[]}"#, r#"{"body":null}"#, r#"{"body":{},"after_seq":-1}"#] {
        alice.refuses("PUT", &path, bad, ErrorCode::BadField).await;
    }
    alice.refuses("PUT", &path, r#"{"body":{"text":"hi"}"#, ErrorCode::BadFrame).await;
    let long = json!({"body": {"text": "x".repeat(BODY_BYTES)}}).to_string();
    alice.refuses("PUT", &path, long, ErrorCode::TooLarge).await;
    alice.refuses("PUT", &format!("/v1/chats/{chat}/messages/1"), "{}", ErrorCode::BadField).await;

    let read = format!("/v1/chats/{chat}/read");
    assert_eq!(alice.passes("PUT", &read, r#"{"seq":42}"#, &format!("read {chat} 42")).await, json!({}));
    for bad in [r#"{}"#, r#"{"seq":"42"}"#, r#"{"seq":-1}"#, r#"{"seq":1.5}"#] {
        alice.refuses("PUT", &read, bad, ErrorCode::BadField).await;
    }
}

#[tokio::test]
async fn history_is_asked_for_by_place_or_cursor() {
    let alice = alice().await;
    let chat = ChatId::generate();
    let path = format!("/v1/chats/{chat}/messages");
    let cursor = HistoryCursor { chat, direction: Direction::Older, seq: 5 };
    for (query, place) in [
        (String::new(), "Newest 50"),
        ("?before=9&limit=3".to_owned(), "Before(9) 3"),
        ("?after=0".to_owned(), "After(0) 50"),
        ("?around=4&limit=100".to_owned(), "Around(4) 100"),
        (format!("?cursor={cursor}"), "Before(5) 50"),
    ] {
        let expected = format!("history {chat} {place}");
        let page = alice.passes("GET", &format!("{path}{query}"), "", &expected).await;
        assert_eq!(page, json!({"items": [], "older": null, "newer": null, "stale": true}));
    }
    for bad in ["before=1&after=1", "before=x", "limit=0", "limit=101", "cursor=invented", "around=-1"] {
        alice.refuses("GET", &format!("{path}?{bad}"), "", ErrorCode::BadField).await;
    }
    let elsewhere = format!("/v1/chats/{}/messages?cursor={cursor}", ChatId::generate());
    alice.refuses("GET", &elsewhere, "", ErrorCode::BadField).await;
}

#[tokio::test]
async fn a_refusal_of_an_operation_reaches_the_client_whole() {
    let alice = alice().await;
    let path = format!("/v1/chats/{}", ChatId::generate());
    for code in ErrorCode::ALL {
        let refusal = Refusal::new(*code, "because").after_ms(1_500);
        *alice.world.asked.refusal.lock() = Some(refusal);
        let got = alice.call("GET", &path, "").await;
        let document = got.json();
        assert_eq!(got.problem(), refused(*code));
        assert_eq!(document["status"], code.http_status());
        assert_eq!(document["type"], format!("urn:tidings:problem:{code}"));
        assert_eq!(document["detail"], "because");
        assert_eq!(document["retry"], serde_json::to_value(code.retry()).unwrap());
        assert_eq!(document["retry_after_ms"], 1_500);
        assert_eq!(document["request_id"], got.header("x-request-id"));
        let expected = if matches!(code.http_status(), 429 | 503) { "2" } else { "" };
        assert_eq!(got.header("retry-after"), expected, "{code}");
    }
}

#[tokio::test]
async fn bodies_are_read_to_their_limit() {
    let alice = alice().await;
    let path = format!("/v1/chats/{}/read", ChatId::generate());
    let padded = |length: usize| format!("{{\"seq\":1{}}}", " ".repeat(length - 9));
    assert_eq!(alice.call("PUT", &path, padded(FRAME_BYTES)).await.status, 200);
    alice.world.asked.last();
    alice.refuses("PUT", &path, padded(FRAME_BYTES + 1), ErrorCode::TooLarge).await;
    // In pieces, without a length said in advance.
    let pieces = (0..=FRAME_BYTES / 1024).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024]));
    let stream = Body::from_stream(futures_util::stream::iter(pieces));
    alice.refuses("PUT", &path, stream, ErrorCode::TooLarge).await;
    let broken = [Ok("{"), Err(std::io::Error::other("gone"))];
    let stream = Body::from_stream(futures_util::stream::iter(broken));
    alice.refuses("PUT", &path, stream, ErrorCode::BadFrame).await;
    alice.refuses("PUT", &path, vec![b'{', 0xff, b'}'], ErrorCode::BadFrame).await;
    // Creating a chat may name ten thousand members.
    let members = vec![UserId::generate(); 10_000];
    let group = json!({"kind": "group", "client_id": ClientId::generate(), "title": "all", "members": members});
    let group = group.to_string();
    assert!(group.len() > FRAME_BYTES && group.len() <= CREATE_BYTES);
    assert_eq!(alice.call("POST", "/v1/chats", group).await.status, 200);
    alice.world.asked.last();
    let too_many = " ".repeat(CREATE_BYTES + 1);
    alice.refuses("POST", "/v1/chats", too_many, ErrorCode::TooLarge).await;
}
