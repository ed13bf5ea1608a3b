//! The calls that need a token.

use hyper::Method;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_protocol::chat::MemberCard;
use tidings_protocol::client_frame::{History, Send};
use tidings_protocol::{Body, ChatId, ChatSummary, Entry, ErrorCode, Role, Seq, Timestamp, UserCard, UserId};

use super::{Grant, Http, HttpError};
use crate::config::TokenSource;
use crate::event::Stored;

/// The server over HTTP, as somebody.
#[derive(Clone, Debug)]
pub struct Api {
    http: Http,
    token: TokenSource,
}

/// A page of history.
#[derive(Clone, PartialEq, Deserialize, Debug)]
pub struct HttpPage {
    /// Oldest first.
    pub items: Vec<Entry>,
    /// Leads to older entries.
    pub older: Option<String>,
    /// Leads to newer entries.
    pub newer: Option<String>,
    /// The log could not be read: newer messages may be missing.
    #[serde(default)]
    pub stale: bool,
}

/// A page of a chat's members.
#[derive(Clone, PartialEq, Eq, Deserialize, Debug)]
pub struct Members {
    /// By user id.
    pub members: Vec<MemberCard>,
    /// Leads to the rest.
    pub more: Option<String>,
}

#[derive(Deserialize)]
struct Lines {
    chats: Vec<ChatSummary>,
    more: Option<String>,
}

#[derive(Deserialize)]
struct Users {
    users: Vec<UserCard>,
}

/// The body stays as it was written, byte for byte.
#[derive(Serialize)]
struct PutMessage<'a> {
    body: &'a Body,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_seq: Option<Seq>,
}

#[derive(Deserialize)]
struct Put {
    seq: Seq,
    at: Timestamp,
    duplicate: bool,
}

type NoBody = ();

impl Api {
    pub(super) fn new(http: Http, token: TokenSource) -> Self {
        Self { http, token }
    }

    /// The same server as somebody else, over the same connections.
    #[must_use]
    pub fn with_token(&self, token: TokenSource) -> Self {
        Self { http: self.http.clone(), token }
    }

    /// The calls that need no token.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// One call; a refused token is replaced once, if the source has another.
    async fn call<A: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        asked: Option<&A>,
    ) -> Result<T, HttpError> {
        let token = self.token.get(false).await.map_err(HttpError::Token)?;
        let outcome = self.http.call(method.clone(), path, Some(&token), asked).await;
        let refused = |error: &HttpError| {
            let code = error.refusal().map(|refusal| refusal.code);
            matches!(code, Some(ErrorCode::Unauthenticated | ErrorCode::TokenExpired))
        };
        match outcome {
            Err(error) if refused(&error) && matches!(self.token, TokenSource::Callback(_)) => {
                let token = self.token.get(true).await.map_err(HttpError::Token)?;
                self.http.call(method, path, Some(&token), asked).await
            }
            outcome => outcome,
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.call::<NoBody, T>(Method::GET, path, None).await
    }

    /// Who we are.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn me(&self) -> Result<UserCard, HttpError> {
        self.get("/v1/me").await
    }

    /// Somebody, by id or `@handle`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn user(&self, id_or_handle: &str) -> Result<UserCard, HttpError> {
        self.get(&format!("/v1/users/{}", escaped(id_or_handle))).await
    }

    /// Up to 100 people at once.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<UserCard>, HttpError> {
        let ids: Vec<String> = ids.iter().map(UserId::to_string).collect();
        Ok(self.get::<Users>(&format!("/v1/users?ids={}", ids.join(","))).await?.users)
    }

    /// Changes the own password; ends all other log-ins.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn change_password(&self, password: &str, new_password: &str) -> Result<Grant, HttpError> {
        let asked = json!({"password": password, "new_password": new_password});
        self.call(Method::POST, "/v1/auth/password", Some(&asked)).await
    }

    /// A page of the list of chats, newest first, and the cursor of the next.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn chats(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<ChatSummary>, Option<String>), HttpError> {
        let mut path = format!("/v1/chats?limit={limit}");
        if let Some(cursor) = cursor {
            path.push_str(&format!("&cursor={}", escaped(cursor)));
        }
        let lines: Lines = self.get(&path).await?;
        Ok((lines.chats, lines.more))
    }

    /// One chat.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn chat(&self, chat: ChatId) -> Result<ChatSummary, HttpError> {
        self.get(&format!("/v1/chats/{chat}")).await
    }

    /// Opens the direct chat with `with`, or meets it.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn create_direct(&self, with: UserId) -> Result<ChatSummary, HttpError> {
        self.call(Method::POST, "/v1/chats", Some(&json!({"kind": "direct", "with": with}))).await
    }

    /// Makes a group. The same `client_id` makes it once.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn create_group(
        &self,
        client_id: tidings_protocol::ClientId,
        title: &str,
        members: &[UserId],
    ) -> Result<ChatSummary, HttpError> {
        let asked = json!({"kind": "group", "client_id": client_id, "title": title, "members": members});
        self.call(Method::POST, "/v1/chats", Some(&asked)).await
    }

    /// Gives a group another title.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn rename(&self, chat: ChatId, title: &str) -> Result<ChatSummary, HttpError> {
        self.call(Method::PATCH, &format!("/v1/chats/{chat}"), Some(&json!({"title": title}))).await
    }

    /// A page of a chat's members.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn members(&self, chat: ChatId, cursor: Option<&str>, limit: usize) -> Result<Members, HttpError> {
        let mut path = format!("/v1/chats/{chat}/members?limit={limit}");
        if let Some(cursor) = cursor {
            path.push_str(&format!("&cursor={}", escaped(cursor)));
        }
        self.get(&path).await
    }

    /// Adds a member, or with `role` also sets the role.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn put_member(&self, chat: ChatId, user: UserId, role: Option<Role>) -> Result<(), HttpError> {
        let asked = role.map(|role| json!({"role": role}));
        let path = format!("/v1/chats/{chat}/members/{user}");
        let _: IgnoredAny = self.call(Method::PUT, &path, asked.as_ref()).await?;
        Ok(())
    }

    /// Removes a member; oneself: leaves.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn delete_member(&self, chat: ChatId, user: UserId) -> Result<(), HttpError> {
        let path = format!("/v1/chats/{chat}/members/{user}");
        let _: IgnoredAny = self.call::<NoBody, _>(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// A page of history.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn history(&self, history: &History) -> Result<HttpPage, HttpError> {
        let places = [
            history.before.map(|seq| format!("before={seq}")),
            history.after.map(|seq| format!("after={seq}")),
            history.around.map(|seq| format!("around={seq}")),
            history.cursor.as_deref().map(|cursor| format!("cursor={}", escaped(cursor))),
            history.limit.map(|limit| format!("limit={limit}")),
        ];
        let query: Vec<String> = places.into_iter().flatten().collect();
        self.get(&format!("/v1/chats/{}/messages?{}", history.chat, query.join("&"))).await
    }

    /// Sends without a socket. Idempotent by itself for two minutes, with `retry` and `after_seq` for ever.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn put_message(&self, send: &Send) -> Result<Stored, HttpError> {
        let asked = PutMessage { body: &send.body, retry: send.retry, after_seq: send.after_seq };
        let path = format!("/v1/chats/{}/messages/{}", send.chat, send.client_id);
        let Put { seq, at, duplicate } = self.call(Method::PUT, &path, Some(&asked)).await?;
        Ok(Stored { chat: send.chat, client_id: send.client_id, seq, at, duplicate })
    }

    /// Moves the own read position.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn read(&self, chat: ChatId, seq: Seq) -> Result<(), HttpError> {
        let path = format!("/v1/chats/{chat}/read");
        let _: IgnoredAny = self.call(Method::PUT, &path, Some(&json!({"seq": seq}))).await?;
        Ok(())
    }
}

/// A text as part of a path or query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@');
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_means_something_in_an_address_is_escaped() {
        assert_eq!(escaped("@alice"), "@alice");
        assert_eq!(escaped("a/b?c=d&e é"), "a%2Fb%3Fc%3Dd%26e%20%C3%A9");
    }
}
