//! Every call through the router, with good and bad input, on a real store of people and chats that only remember
//! what they were asked.

#![expect(clippy::unwrap_used, reason = "tests")]

mod auth;
mod chats;
mod form;
mod page;
mod people;
mod port;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use tidings_protocol::client_frame::Send as SendRequest;
use tidings_protocol::{ChatId, ChatKind, ChatSummary, ErrorCode, Newest, Refusal, Role, Seq, Timestamp, UserId};
use tower::ServiceExt;

use super::ops::{
    ChatOps, ChatsPage, ChatsQuery, CreateChat, EntriesPage, HistoryQuery, MembersPage, MembersQuery, Stored,
    check_body,
};
use super::{Api, DemoUser, HttpSettings, router};
use crate::accounts::testing::{Bench, PASSWORD, bench, verifier};
use crate::accounts::{AuthSettings, UserRef};
use crate::tokens::{AppTokenSettings, Secret, TokenAlgorithm};

const APP_KEY: &str = "the app's own key, of more than thirty-two bytes";

/// Remembers what it was asked, and refuses when told to.
#[derive(Default)]
struct Asked {
    calls: Mutex<Vec<String>>,
    refusal: Mutex<Option<Refusal>>,
}

impl Asked {
    fn note(&self, user: UserId, call: String) -> Result<(), Refusal> {
        self.calls.lock().push(format!("{user} {call}"));
        self.refusal.lock().clone().map_or(Ok(()), Err)
    }

    fn last(&self) -> Option<String> {
        self.calls.lock().pop()
    }
}

fn summary(chat: ChatId) -> ChatSummary {
    ChatSummary {
        id: chat,
        kind: ChatKind::Group,
        title: Some("plans".to_owned()),
        members: 2,
        role: Some(Role::Owner),
        newest: Newest { seq: 7, n: 3, ..Newest::default() },
        read_seq: 7,
        unread: 0,
        muted_until: None,
        left_seq: None,
        with: None,
    }
}

#[async_trait]
impl ChatOps for Asked {
    async fn list_chats(&self, user: UserId, page: ChatsQuery) -> Result<ChatsPage, Refusal> {
        self.note(user, format!("list {:?} {}", page.cursor.map(|one| one.newest_seq), page.limit))?;
        Ok(ChatsPage { chats: vec![summary(ChatId::generate())], more: None, stale: false })
    }

    async fn create_chat(&self, user: UserId, chat: CreateChat) -> Result<ChatSummary, Refusal> {
        let call = match &chat {
            CreateChat::Direct { with } => format!("direct {with}"),
            CreateChat::Group { client_id, title, members } => {
                let members: Vec<String> = members.iter().map(ToString::to_string).collect();
                format!("group {client_id} {title:?} {}", members.join(","))
            }
        };
        self.note(user, call)?;
        Ok(summary(ChatId::generate()))
    }

    async fn get_chat(&self, user: UserId, chat: ChatId) -> Result<ChatSummary, Refusal> {
        self.note(user, format!("get {chat}"))?;
        Ok(summary(chat))
    }

    async fn rename_chat(&self, user: UserId, chat: ChatId, title: String) -> Result<ChatSummary, Refusal> {
        self.note(user, format!("rename {chat} {title:?}"))?;
        Ok(summary(chat))
    }

    async fn list_members(&self, user: UserId, chat: ChatId, page: MembersQuery) -> Result<MembersPage, Refusal> {
        self.note(user, format!("members {chat} {:?} {}", page.after, page.limit))?;
        Ok(MembersPage { members: Vec::new(), more: Some("next".to_owned()) })
    }

    async fn put_member(&self, user: UserId, chat: ChatId, who: UserRef, role: Option<Role>) -> Result<(), Refusal> {
        self.note(user, format!("put {chat} {who} {role:?}"))
    }

    async fn delete_member(&self, user: UserId, chat: ChatId, who: UserRef) -> Result<(), Refusal> {
        self.note(user, format!("delete {chat} {who}"))
    }

    async fn history(&self, user: UserId, chat: ChatId, page: HistoryQuery) -> Result<EntriesPage, Refusal> {
        self.note(user, format!("history {chat} {:?} {}", page.place, page.limit))?;
        Ok(EntriesPage { items: Vec::new(), older: None, newer: None, stale: true })
    }

    async fn put_message(&self, user: UserId, send: SendRequest) -> Result<Stored, Refusal> {
        check_body(&send.body)?;
        let SendRequest { chat, client_id, body, retry, after_seq } = send;
        let call = format!("send {chat} {client_id} {} {retry} {after_seq:?}", body.as_str());
        self.note(user, call)?;
        Ok(Stored { seq: 42, at: Timestamp(1_700_000_000_123), duplicate: false })
    }

    async fn put_read(&self, user: UserId, chat: ChatId, seq: Seq) -> Result<(), Refusal> {
        self.note(user, format!("read {chat} {seq}"))
    }
}

/// A router on a store of its own.
struct World {
    bench: Bench,
    asked: Arc<Asked>,
    api: Api,
    router: Router,
}

/// An answer.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem; panics for anything else.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        (self.status.as_u16(), self.json()["code"].as_str().unwrap().to_owned())
    }
}

fn refused(code: ErrorCode) -> (u16, String) {
    (code.http_status(), code.as_str().to_owned())
}

async fn world() -> World {
    world_with(AuthSettings::default(), HttpSettings::default()).await
}

async fn world_with(auth: AuthSettings, http: HttpSettings) -> World {
    let app = AppTokenSettings {
        algorithms: vec![TokenAlgorithm::Hs256],
        shared_key: Some(Secret::new(APP_KEY)),
        ..AppTokenSettings::default()
    };
    let bench = bench(&AuthSettings { app: app.clone(), ..auth });
    let asked = Arc::new(Asked::default());
    let demo = DemoUser { handle: "alice".to_owned(), password: Secret::new(PASSWORD), name: "Alice".to_owned() };
    let api = Api {
        verifier: Arc::new(verifier(&app, true).await),
        accounts: bench.accounts.clone(),
        ops: asked.clone(),
        http: Arc::new(http),
        connect_wait_ms: Arc::new(|| 250),
        demo: Some(vec![demo].into()),
    };
    World { bench, asked, api: api.clone(), router: router(api, Router::new()) }
}

impl World {
    async fn send(&self, request: Request<Body>) -> Got {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { status: parts.status, headers: parts.headers, body }
    }

    async fn call(&self, method: &str, path: &str, token: Option<&str>, body: impl Into<Body>) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Got {
        self.call("POST", path, None, body.to_string()).await
    }
}
