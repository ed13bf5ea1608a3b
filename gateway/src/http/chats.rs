//! `/v1/chats` and the members of a chat

use axum::Router;
use axum::extract::State;
use axum::routing::{get, put};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_protocol::client_frame::Chats;
use tidings_protocol::limits::{CHAT_MEMBERS, CREATE_BYTES, TITLE_CHARS};
use tidings_protocol::{ChatId, ChatSummary, Refusal, Role};

use super::extract::{Caller, Fields, Ids, Json, MaybeJson, named};
use super::ops::{ChatsPage, ChatsQuery, CreateChat, MembersPage, MembersQuery};
use super::people::user_ref;
use super::{Answer, Api, ok};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/chats", get(list).post(create))
        .route("/v1/chats/{chat}", get(summary).patch(rename))
        .route("/v1/chats/{chat}/members", get(members))
        .route("/v1/chats/{chat}/members/{user}", put(put_member).delete(delete_member))
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Deserialize)]
struct Rename {
    title: String,
}

#[derive(Deserialize)]
struct Membership {
    #[serde(default)]
    role: Option<Role>,
}

async fn list(State(api): State<Api>, caller: Caller, Fields(page): Fields<Page>) -> Answer<ChatsPage> {
    let Page { cursor, limit } = page;
    let page = ChatsQuery::of(caller.user, &Chats { cursor, limit })?;
    ok(api.ops.list_chats(caller.user, page).await?)
}

async fn create(
    State(api): State<Api>,
    caller: Caller,
    Json(mut chat): Json<CreateChat, CREATE_BYTES>,
) -> Answer<ChatSummary> {
    if let CreateChat::Group { title, members, .. } = &mut chat {
        *title = checked_title(title)?;
        if members.len() > CHAT_MEMBERS {
            return Err(Refusal::bad_field("members", &format!("at most {CHAT_MEMBERS}")).into());
        }
    }
    ok(api.ops.create_chat(caller.user, chat).await?)
}

async fn summary(State(api): State<Api>, caller: Caller, Ids([chat]): Ids<1>) -> Answer<ChatSummary> {
    ok(api.ops.get_chat(caller.user, named("chat", &chat)?).await?)
}

async fn rename(
    State(api): State<Api>,
    caller: Caller,
    Ids([chat]): Ids<1>,
    Json(change): Json<Rename>,
) -> Answer<ChatSummary> {
    let chat = named("chat", &chat)?;
    let title = checked_title(&change.title)?;
    ok(api.ops.rename_chat(caller.user, chat, title).await?)
}

async fn members(
    State(api): State<Api>,
    caller: Caller,
    Ids([chat]): Ids<1>,
    Fields(page): Fields<Page>,
) -> Answer<MembersPage> {
    let chat: ChatId = named("chat", &chat)?;
    let page = MembersQuery::of(chat, page.cursor.as_deref(), page.limit)?;
    ok(api.ops.list_members(caller.user, chat, page).await?)
}

async fn put_member(
    State(api): State<Api>,
    caller: Caller,
    Ids([chat, who]): Ids<2>,
    MaybeJson(membership): MaybeJson<Membership>,
) -> Answer<Value> {
    let (chat, who) = (named("chat", &chat)?, user_ref("user", &who)?);
    let role = membership.and_then(|membership| membership.role);
    api.ops.put_member(caller.user, chat, who, role).await?;
    ok(json!({}))
}

async fn delete_member(State(api): State<Api>, caller: Caller, Ids([chat, who]): Ids<2>) -> Answer<Value> {
    let (chat, who) = (named("chat", &chat)?, user_ref("user", &who)?);
    api.ops.delete_member(caller.user, chat, who).await?;
    ok(json!({}))
}

/// A title as it is stored: trimmed, not empty, not too long.
fn checked_title(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TITLE_CHARS {
        return Err(Refusal::bad_field("title", &format!("1 to {TITLE_CHARS} characters")));
    }
    Ok(text.to_owned())
}
