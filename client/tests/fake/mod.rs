//! A server that does exactly what a test says, frame by frame, on a real socket.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidings_client::protocol::{Body, ChatId, UserId};
use tidings_client::{ClientConfig, ClientEvent, Events, TokenSource};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Nothing in these tests takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn soon<F: Future>(what: &str, work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
}

pub(crate) struct Fake {
    listener: TcpListener,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::new(self.url(), TokenSource::Fixed("token".to_owned()))
    }

    /// The next connection, before its hello.
    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let agree = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/v1/ws");
            assert_eq!(request.headers()["Sec-WebSocket-Protocol"], "tidings.v1");
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("tidings.v1"));
            Ok(response)
        };
        Peer { socket: tokio_tungstenite::accept_hdr_async(stream, agree).await.unwrap(), asked: VecDeque::new() }
    }

    /// The next connection, welcomed; `chats` with the newest place of each.
    pub(crate) async fn welcome(&self, chats: &[(ChatId, u64)], resumed: bool, since: &str) -> (Peer, Value) {
        let mut peer = self.accept().await;
        let hello = peer.asked().await;
        assert_eq!(hello["type"], "hello");
        let chats: Vec<Value> = chats.iter().map(|(chat, newest)| summary(*chat, *newest)).collect();
        peer.say(json!({
            "re": hello["id"], "type": "welcome", "user": {"id": me(), "handle": null, "name": "me"},
            "session": "00000000-0000-0000-0000-000000000009", "server_time": "2026-01-01T00:00:00.000Z",
            "chats": chats, "more": null, "unread": {"chats": 0, "messages": 0}, "resumed": resumed, "since": since,
            "limits": {"max_frame_bytes": 65536, "max_body_bytes": 32768, "max_page_items": 100,
                "max_chat_members": 10000, "ping_interval_ms": 25000},
        }))
        .await;
        (peer, hello)
    }
}

/// One connection.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    asked: VecDeque<Value>,
}

impl Peer {
    /// The next request.
    pub(crate) async fn asked(&mut self) -> Value {
        while self.asked.is_empty() {
            let message = soon("a request", self.socket.next()).await.expect("the client hung up").unwrap();
            if let Message::Text(text) = message {
                self.asked.extend(text.split('\n').map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
        }
        self.asked.pop_front().unwrap()
    }

    /// Everything that comes until the client hangs up.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        while let Some(Ok(message)) = soon("the end of the connection", self.socket.next()).await {
            if let Message::Text(text) = message {
                self.asked.extend(text.split('\n').map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
        }
        self.asked.into()
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.say_text(frame.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn say_binary(&mut self) {
        self.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    }

    /// Closes with a code.
    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = soon("the end of the connection", self.socket.next()).await {}
    }

    /// `event` of somebody else.
    pub(crate) async fn event(&mut self, chat: ChatId, seq: u64, prev: u64) {
        self.say(event(chat, seq, prev)).await;
    }

    /// Answers a `send`.
    pub(crate) async fn sent(&mut self, request: &Value, seq: u64) {
        self.say(
            json!({"re": request["id"], "type": "sent", "chat": request["chat"], "client_id": request["client_id"],
            "seq": seq, "at": "2026-01-01T00:00:00.000Z", "duplicate": false}),
        )
        .await;
    }

    /// Answers a `sync` with these entries.
    pub(crate) async fn synced(&mut self, request: &Value, items: Vec<Value>, limited: bool) {
        self.say(json!({"re": request["id"], "type": "synced", "chat": request["chat"], "items": items,
            "limited": limited, "cursor": null}))
            .await;
    }

    /// Refuses a request.
    pub(crate) async fn refuse(&mut self, request: &Value, code: &str, retry: &str) {
        self.say(json!({"re": request["id"], "type": "error", "code": code, "message": "", "retry": retry,
            "retry_after_ms": null}))
            .await;
    }
}

pub(crate) fn me() -> UserId {
    UserId(uuid::Uuid::from_u128(1))
}

pub(crate) fn chat() -> ChatId {
    ChatId(uuid::Uuid::from_u128(100))
}

pub(crate) fn body(nth: u64) -> Body {
    Body::of(&json!({"text": nth.to_string()})).unwrap()
}

pub(crate) fn event(chat: ChatId, seq: u64, prev: u64) -> Value {
    let other = UserId(uuid::Uuid::from_u128(2));
    json!({"type": "event", "chat": chat, "seq": seq, "prev": prev, "event": stored(other, &Value::Null)})
}

/// An entry of a `synced`: of somebody else, or with `send` our own.
pub(crate) fn entry(seq: u64, send: Option<&Value>) -> Value {
    let from = if send.is_some() { me() } else { UserId(uuid::Uuid::from_u128(2)) };
    json!({"seq": seq, "event": stored(from, send.map_or(&Value::Null, |send| &send["client_id"]))})
}

fn stored(from: UserId, client_id: &Value) -> Value {
    json!({"v": 1, "kind": "message", "from": from, "client_id": client_id, "at": "2026-01-01T00:00:00.000Z",
        "body": {"text": "hi"}})
}

pub(crate) fn summary(chat: ChatId, newest: u64) -> Value {
    json!({"id": chat, "kind": "group", "title": "t", "members": 2, "role": "member",
        "newest": {"seq": newest, "n": 1, "at": null, "preview": null, "from": null},
        "read_seq": 0, "unread": 0, "muted_until": null, "left_seq": null})
}

/// The places of the next `count` events told.
pub(crate) async fn told(events: &mut Events, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        if let ClientEvent::Event { seq, .. } = next(events).await {
            seqs.push(seq);
        }
    }
    seqs
}

/// The next event of any kind.
pub(crate) async fn next(events: &mut Events) -> ClientEvent {
    soon("an event", events.recv()).await.expect("the client has stopped")
}

/// Waits for the next `Offline`.
pub(crate) async fn offline(events: &mut Events) -> (tidings_client::OfflineReason, Option<Duration>) {
    loop {
        if let ClientEvent::Offline { reason, retry_in } = next(events).await {
            return (reason, retry_in);
        }
    }
}
