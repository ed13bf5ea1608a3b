//! The messages of a chat, and how far the caller has read

use axum::Router;
use axum::extract::State;
use axum::routing::{get, put};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_protocol::client_frame::{History, Send};
use tidings_protocol::{Body, Seq};

use super::extract::{Caller, Fields, Ids, Json, named};
use super::ops::{EntriesPage, HistoryQuery, Stored};
use super::{Answer, Api, ok};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/chats/{chat}/messages", get(history))
        .route("/v1/chats/{chat}/messages/{client_id}", put(put_message))
        .route("/v1/chats/{chat}/read", put(put_read))
}

#[derive(Deserialize)]
struct Place {
    before: Option<Seq>,
    after: Option<Seq>,
    around: Option<Seq>,
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    body: Body,
    #[serde(default)]
    retry: bool,
    #[serde(default)]
    after_seq: Option<Seq>,
}

#[derive(Deserialize)]
struct Read {
    seq: Seq,
}

async fn history(
    State(api): State<Api>,
    caller: Caller,
    Ids([chat]): Ids<1>,
    Fields(place): Fields<Place>,
) -> Answer<EntriesPage> {
    let chat = named("chat", &chat)?;
    let Place { before, after, around, cursor, limit } = place;
    let page = HistoryQuery::of(&History { chat, before, after, around, cursor, limit })?;
    ok(api.ops.history(caller.user, chat, page).await?)
}

async fn put_message(
    State(api): State<Api>,
    caller: Caller,
    Ids([chat, client_id]): Ids<2>,
    Json(message): Json<Message>,
) -> Answer<Stored> {
    let (chat, client_id) = (named("chat", &chat)?, named("client_id", &client_id)?);
    let Message { body, retry, after_seq } = message;
    let send = Send { chat, client_id, body, retry, after_seq };
    ok(api.ops.put_message(caller.user, send).await?)
}

async fn put_read(
    State(api): State<Api>,
    caller: Caller,
    Ids([chat]): Ids<1>,
    Json(read): Json<Read>,
) -> Answer<Value> {
    api.ops.put_read(caller.user, named("chat", &chat)?, read.seq).await?;
    ok(json!({}))
}
