//! What the calls about chats ask of the rest of the gateway: one method per call of the HTTP table.
//!
//! The routes read and check the request (shape, lengths, whose cursor), the implementation decides what is allowed
//! and does it. Both the routes and sessions go through the same implementation, so the same rules hold on the
//! socket and over HTTP; what both have to check of a request (a page's place, a body) is checked by functions here.
//! Nothing in this file reads the log or a store.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tidings_protocol::chat::MemberCard;
use tidings_protocol::client_frame::{Chats, History, Send as SendRequest};
use tidings_protocol::cursor::{ChatsCursor, HistoryCursor, MembersCursor};
use tidings_protocol::limits::{BODY_BYTES, PAGE_DEFAULT_ITEMS, PAGE_ITEMS};
use tidings_protocol::{Body, ChatId, ChatSummary, ClientId, Entry, ErrorCode, Refusal, Role, Seq, Timestamp, UserId};

use crate::accounts::UserRef;

/// The calls about chats. `user` is always who asks, as the access token says.
#[async_trait]
pub trait ChatOps: Send + Sync {
    /// `GET /v1/chats`: a page of the caller's list.
    async fn list_chats(&self, user: UserId, page: ChatsQuery) -> Result<ChatsPage, Refusal>;

    /// `POST /v1/chats`: makes a chat, or meets the one that an earlier call made.
    async fn create_chat(&self, user: UserId, chat: CreateChat) -> Result<ChatSummary, Refusal>;

    /// `GET /v1/chats/{chat}`.
    async fn get_chat(&self, user: UserId, chat: ChatId) -> Result<ChatSummary, Refusal>;

    /// `PATCH /v1/chats/{chat}`: a new title (trimmed, not empty, not too long).
    async fn rename_chat(&self, user: UserId, chat: ChatId, title: String) -> Result<ChatSummary, Refusal>;

    /// `GET /v1/chats/{chat}/members`.
    async fn list_members(&self, user: UserId, chat: ChatId, page: MembersQuery) -> Result<MembersPage, Refusal>;

    /// `PUT /v1/chats/{chat}/members/{user}`: adds `who` as a member, or with `role` also sets the role.
    async fn put_member(&self, user: UserId, chat: ChatId, who: UserRef, role: Option<Role>) -> Result<(), Refusal>;

    /// `DELETE /v1/chats/{chat}/members/{user}`: removes `who`; oneself: leaves.
    async fn delete_member(&self, user: UserId, chat: ChatId, who: UserRef) -> Result<(), Refusal>;

    /// `GET /v1/chats/{chat}/messages`.
    async fn history(&self, user: UserId, chat: ChatId, page: HistoryQuery) -> Result<EntriesPage, Refusal>;

    /// `PUT /v1/chats/{chat}/messages/{client_id}`. Checks the body with [`check_body`], as the
    /// socket's `send` does.
    async fn put_message(&self, user: UserId, send: SendRequest) -> Result<Stored, Refusal>;

    /// `PUT /v1/chats/{chat}/read`: the caller's own read position.
    async fn put_read(&self, user: UserId, chat: ChatId, seq: Seq) -> Result<(), Refusal>;
}

/// A page of a list of chats, newest first.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub struct ChatsPage {
    /// The lines.
    pub chats: Vec<ChatSummary>,
    /// Leads to the rest.
    pub more: Option<String>,
    /// The log could not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// A page of a chat's members, by user id.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct MembersPage {
    /// The members.
    pub members: Vec<MemberCard>,
    /// Leads to the rest.
    pub more: Option<String>,
}

/// A page of history, oldest first.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub struct EntriesPage {
    /// The entries.
    pub items: Vec<Entry>,
    /// Leads to older ones.
    pub older: Option<String>,
    /// Leads to newer ones.
    pub newer: Option<String>,
    /// The log could not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// A message is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub struct Stored {
    /// Its place in the log.
    pub seq: Seq,
    /// As stored in the event.
    pub at: Timestamp,
    /// Whether an earlier try had stored it.
    pub duplicate: bool,
}

/// A chat to be made. A group's id is made of caller and `client_id`, a direct chat's of the two users (R1).
#[derive(Clone, PartialEq, Eq, Deserialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CreateChat {
    /// Two people.
    Direct {
        /// The other one.
        with: UserRef,
    },
    /// Any number of people.
    Group {
        /// The caller's name for the call.
        client_id: ClientId,
        /// Trimmed, not empty, not too long.
        title: String,
        /// Who else is in it from the start; may repeat, may name the caller.
        #[serde(default)]
        members: Vec<UserRef>,
    },
}

/// Where a page of a list of chats begins, and how long it is at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChatsQuery {
    /// After this line; `None` is the newest.
    pub cursor: Option<ChatsCursor>,
    /// 1 to [`PAGE_ITEMS`].
    pub limit: usize,
}

impl ChatsQuery {
    /// Checks what `user` asked for.
    ///
    /// # Errors
    /// `bad_field`: a limit out of bounds, an invented cursor, or one of another user's list.
    pub fn of(user: UserId, asked: &Chats) -> Result<Self, Refusal> {
        let cursor: Option<ChatsCursor> = cursor(asked.cursor.as_deref())?;
        if cursor.is_some_and(|cursor| cursor.user != user) {
            return Err(Refusal::bad_field("cursor", "of another list"));
        }
        Ok(Self { cursor, limit: page_limit(asked.limit)? })
    }
}

/// Where a page of members begins, and how long it is at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MembersQuery {
    /// After this user; `None` is the beginning.
    pub after: Option<UserId>,
    /// 1 to [`PAGE_ITEMS`].
    pub limit: usize,
}

impl MembersQuery {
    /// Checks what was asked for of `chat`.
    ///
    /// # Errors
    /// `bad_field`: a limit out of bounds, an invented cursor, or one of another chat.
    pub fn of(chat: ChatId, text: Option<&str>, limit: Option<u64>) -> Result<Self, Refusal> {
        let cursor: Option<MembersCursor> = cursor(text)?;
        if cursor.is_some_and(|cursor| cursor.chat != chat) {
            return Err(Refusal::bad_field("cursor", "of another chat"));
        }
        Ok(Self { after: cursor.map(|cursor| cursor.user), limit: page_limit(limit)? })
    }
}

/// Which page of a chat's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryQuery {
    /// Where it lies.
    pub place: HistoryPlace,
    /// 1 to [`PAGE_ITEMS`].
    pub limit: usize,
}

/// Where a page of history lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HistoryPlace {
    /// At the end.
    Newest,
    /// Right before this `seq`.
    Before(Seq),
    /// Right after this `seq`.
    After(Seq),
    /// On both sides of this `seq`, itself included.
    Around(Seq),
}

impl HistoryQuery {
    /// Checks what was asked for, on the socket or over HTTP.
    ///
    /// # Errors
    /// `bad_field`: more than one place, a limit out of bounds, an invented cursor, or one of another chat.
    pub fn of(asked: &History) -> Result<Self, Refusal> {
        let cursor: Option<HistoryCursor> = cursor(asked.cursor.as_deref())?;
        if cursor.is_some_and(|cursor| cursor.chat != asked.chat) {
            return Err(Refusal::bad_field("cursor", "of another chat"));
        }
        let places = [
            asked.before.map(HistoryPlace::Before),
            asked.after.map(HistoryPlace::After),
            asked.around.map(HistoryPlace::Around),
            cursor.map(HistoryPlace::of_cursor),
        ];
        let mut places = places.into_iter().flatten();
        let place = places.next().unwrap_or(HistoryPlace::Newest);
        if places.next().is_some() {
            let why = "at most one of before, after, around and cursor";
            return Err(Refusal::bad_field("before", why));
        }
        Ok(Self { place, limit: page_limit(asked.limit)? })
    }
}

impl HistoryPlace {
    fn of_cursor(cursor: HistoryCursor) -> Self {
        match cursor.direction {
            tidings_protocol::cursor::Direction::Older => Self::Before(cursor.seq),
            tidings_protocol::cursor::Direction::Newer => Self::After(cursor.seq),
        }
    }
}

/// The length of a page: 1 to [`PAGE_ITEMS`], [`PAGE_DEFAULT_ITEMS`] when none is asked for.
///
/// # Errors
/// `bad_field` out of these bounds.
pub fn page_limit(asked: Option<u64>) -> Result<usize, Refusal> {
    let Some(asked) = asked else {
        return Ok(PAGE_DEFAULT_ITEMS);
    };
    match usize::try_from(asked) {
        Ok(limit @ 1..=PAGE_ITEMS) => Ok(limit),
        _ => Err(Refusal::bad_field("limit", &format!("1 to {PAGE_ITEMS}"))),
    }
}

/// A message's body is a JSON object of at most [`BODY_BYTES`].
///
/// # Errors
/// `bad_field` when it is no object, `too_large`.
pub fn check_body(body: &Body) -> Result<(), Refusal> {
    if !body.is_object() {
        return Err(Refusal::bad_field("body", "must be an object"));
    }
    if body.len() > BODY_BYTES {
        return Err(Refusal::new(ErrorCode::TooLarge, format!("body: at most {BODY_BYTES} bytes")));
    }
    Ok(())
}

fn cursor<C: std::str::FromStr>(text: Option<&str>) -> Result<Option<C>, Refusal>
where
    C::Err: std::fmt::Display,
{
    let read = |text: &str| text.parse().map_err(|why: C::Err| Refusal::bad_field("cursor", &why.to_string()));
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tidings_protocol::cursor::Direction;

    use super::*;

    fn asked(chat: ChatId) -> History {
        History { chat, before: None, after: None, around: None, cursor: None, limit: None }
    }

    #[test]
    fn a_history_page_has_one_place_and_a_bounded_length() {
        let chat = ChatId::generate();
        let newest = HistoryQuery { place: HistoryPlace::Newest, limit: PAGE_DEFAULT_ITEMS };
        assert_eq!(HistoryQuery::of(&asked(chat)), Ok(newest));
        let around = HistoryQuery::of(&History { around: Some(7), limit: Some(100), ..asked(chat) });
        assert_eq!(around, Ok(HistoryQuery { place: HistoryPlace::Around(7), limit: 100 }));
        let cursor = HistoryCursor { chat, direction: Direction::Newer, seq: 9 }.to_string();
        let page = |chat| HistoryQuery::of(&History { cursor: Some(cursor.clone()), ..asked(chat) });
        assert_eq!(page(chat).unwrap().place, HistoryPlace::After(9));
        assert_eq!(page(ChatId::generate()).unwrap_err().code, ErrorCode::BadField);
        for bad in [
            History { before: Some(1), after: Some(1), ..asked(chat) },
            History { around: Some(1), cursor: Some(cursor.clone()), ..asked(chat) },
            History { cursor: Some("invented".to_owned()), ..asked(chat) },
            History { limit: Some(0), ..asked(chat) },
            History { limit: Some(101), ..asked(chat) },
        ] {
            assert_eq!(HistoryQuery::of(&bad).unwrap_err().code, ErrorCode::BadField, "{bad:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let (mine, other) = (UserId::generate(), UserId::generate());
        let cursor = ChatsCursor { user: mine, newest_seq: 4, chat: ChatId::generate() };
        let page = Chats { cursor: Some(cursor.to_string()), limit: Some(3) };
        assert_eq!(ChatsQuery::of(mine, &page), Ok(ChatsQuery { cursor: Some(cursor), limit: 3 }));
        assert_eq!(ChatsQuery::of(other, &page).unwrap_err().code, ErrorCode::BadField);
        let chat = ChatId::generate();
        let members = MembersCursor { chat, user: mine }.to_string();
        assert_eq!(MembersQuery::of(chat, Some(&members), None).unwrap().after, Some(mine));
        let elsewhere = MembersQuery::of(ChatId::generate(), Some(&members), None);
        assert_eq!(elsewhere.unwrap_err().code, ErrorCode::BadField);
    }

    #[test]
    fn a_body_is_an_object_of_bounded_length() {
        let text = |length: usize| Body::of(&serde_json::json!({ "t": "x".repeat(length) })).unwrap();
        assert_eq!(check_body(&text(BODY_BYTES - 8)), Ok(()));
        assert_eq!(check_body(&text(BODY_BYTES - 7)).unwrap_err().code, ErrorCode::TooLarge);
        assert_eq!(check_body(&Body::of(&[1]).unwrap()).unwrap_err().code, ErrorCode::BadField);
    }
}
