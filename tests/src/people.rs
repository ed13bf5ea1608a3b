//! People: users with a token, and what they do over HTTP.

use serde_json::{Value, json};

use crate::http::{self, Answer};
use crate::{Wire, new_id};

/// Entries of a page when a whole history is read.
const PAGE: usize = 100;

/// A user of one server.
#[derive(Clone, Debug)]
pub struct Person {
    /// Where the server is.
    pub url: String,
    /// Access token.
    pub token: String,
    /// User id.
    pub id: String,
    /// The token's subject, and the name they show.
    pub name: String,
}

impl Person {
    /// Shows the token for the first time, which makes the user.
    pub async fn meet(url: &str, token: String, name: String) -> Self {
        let mut person = Self { url: url.to_owned(), token, id: String::new(), name };
        person.id = person.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
        person
    }

    /// One call.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    /// One call to a server that may be gone.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Answer> {
        let body = body.map(|body| body.to_string().into_bytes());
        http::call(&self.url, method, path, Some(&self.token), body.as_deref()).await
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// The direct chat with `other`.
    pub async fn direct(&self, other: &Self) -> Value {
        let body = json!({ "kind": "direct", "with": other.id });
        self.call("POST", "/v1/chats", Some(&body)).await.ok()
    }

    /// A new group of this person and `others`.
    pub async fn group(&self, title: &str, others: &[&Self]) -> Value {
        let members: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
        let body = json!({ "kind": "group", "client_id": new_id(), "title": title, "members": members });
        self.call("POST", "/v1/chats", Some(&body)).await.ok()
    }

    /// Sends a text and gives its `seq`.
    pub async fn say(&self, chat: &str, text: &str) -> u64 {
        self.put_message(chat, &new_id(), &json!({ "body": { "text": text } })).await.ok()["seq"].as_u64().unwrap()
    }

    /// `PUT` of a message under a client id.
    pub async fn put_message(&self, chat: &str, client_id: &str, message: &Value) -> Answer {
        self.call("PUT", &format!("/v1/chats/{chat}/messages/{client_id}"), Some(message)).await
    }

    /// The chat as this person's list has it.
    pub async fn summary(&self, chat: &str) -> Value {
        self.get(&format!("/v1/chats/{chat}")).await.ok()
    }

    /// One page of history: `query` is `limit=5&before=9` and the like.
    pub async fn page(&self, chat: &str, query: &str) -> Value {
        self.get(&format!("/v1/chats/{chat}/messages?{query}")).await.ok()
    }

    /// The whole history, oldest first, read from its end to its beginning.
    pub async fn history(&self, chat: &str) -> Vec<Value> {
        let mut entries: Vec<Value> = Vec::new();
        let mut query = format!("limit={PAGE}");
        loop {
            let mut page = self.page(chat, &query).await;
            let mut items = std::mem::take(page["items"].as_array_mut().unwrap());
            items.append(&mut entries);
            entries = items;
            match page["older"].as_str() {
                Some(cursor) => query = format!("limit={PAGE}&cursor={cursor}"),
                None => return entries,
            }
        }
    }

    /// A change to a member: `PUT` with a role, or without one.
    pub async fn put_member(&self, chat: &str, who: &Self, role: Option<&str>) -> Answer {
        let body = role.map(|role| json!({ "role": role }));
        self.call("PUT", &format!("/v1/chats/{chat}/members/{}", who.id), body.as_ref()).await
    }

    /// Removes `who`, or leaves.
    pub async fn remove(&self, chat: &str, who: &Self) -> Answer {
        self.call("DELETE", &format!("/v1/chats/{chat}/members/{}", who.id), None).await
    }

    /// A new title.
    pub async fn rename(&self, chat: &str, title: &str) -> Answer {
        self.call("PATCH", &format!("/v1/chats/{chat}"), Some(&json!({ "title": title }))).await
    }

    /// Read up to `seq`.
    pub async fn read(&self, chat: &str, seq: u64) -> Answer {
        self.call("PUT", &format!("/v1/chats/{chat}/read"), Some(&json!({ "seq": seq }))).await
    }

    /// A new device that has said hello, and what it was told.
    pub async fn hello(&self, since: Option<&str>) -> (Wire, Value) {
        let mut wire = Wire::connect(&self.url).await.unwrap();
        let welcome = wire.hello(&self.token, since).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (wire, welcome)
    }

    /// A new device.
    pub async fn online(&self) -> Wire {
        self.hello(None).await.0
    }
}
