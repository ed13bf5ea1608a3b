//! What a client says: one JSON object per request, several separated by line feeds in one text frame.
//!
//! Decoding is two looks: first `id` and `type`, so that a refusal can name the request, then the fields of the type.
//! Unknown fields are ignored; an unknown type is `unknown_type`.

use serde::{Deserialize, Serialize};

use crate::{Body, ChatId, ClientId, DeviceId, ErrorCode, Refusal, Seq};

/// The subprotocol of `GET /v1/ws`.
pub const SUBPROTOCOL: &str = "tidings.v1";

/// One request.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Chosen by the client; the answer carries it as `re`. 0 when the client gave none.
    pub id: u64,
    /// What is asked.
    pub command: Command,
}

/// What is asked.
#[derive(Clone, PartialEq, Serialize, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// The first frame.
    Hello(Hello),
    /// Send a message.
    Send(Send),
    /// The run of events right after a place.
    Sync(Sync),
    /// A page of history.
    History(History),
    /// A page of the list of chats.
    Chats(Chats),
    /// Own read position.
    Read(Read),
    /// Are you there.
    Ping(Ping),
}

/// Fields of `hello`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Hello {
    /// Access token.
    pub token: String,
    /// This installation.
    pub device: DeviceId,
    /// Resume token, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Name and version of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// Fields of `send`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Send {
    /// Where to.
    pub chat: ChatId,
    /// The same in every retry (R6).
    pub client_id: ClientId,
    /// The message.
    pub body: Body,
    /// Whether this send was tried before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// For a retry: newest `seq` up to which the chat was known whole when it was first sent, or since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<Seq>,
}

/// Fields of `sync`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Sync {
    /// Which chat.
    pub chat: ChatId,
    /// The place after which the run begins.
    pub after: Seq,
}

/// Fields of `history`: at most one of `before`, `after`, `around` and `cursor`; none means the newest page.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct History {
    /// Which chat.
    pub chat: ChatId,
    /// Entries before this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// Entries after this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Entries on both sides of this place, itself included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Seq>,
    /// From an earlier page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 100, 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Fields of `chats`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Chats {
    /// From an earlier page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 100, 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Fields of `read`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Read {
    /// Which chat.
    pub chat: ChatId,
    /// The newest event read.
    pub seq: Seq,
}

/// `ping` has no fields.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Ping {}

/// A request that could not be read: what to answer, and to which `id` (0 when even that could not be read).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRequest {
    /// The request's `id`.
    pub id: u64,
    /// Why.
    pub refusal: Refusal,
}

impl Request {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// [`BadRequest`] with `bad_frame`, `unknown_type` or `bad_field`.
    pub fn decode(text: &str) -> Result<Self, BadRequest> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(default)]
            id: u64,
            #[serde(rename = "type", borrow)]
            kind: std::borrow::Cow<'a, str>,
        }
        if !text.trim_start().starts_with('{') {
            return Err(BadRequest { id: 0, refusal: Refusal::new(ErrorCode::BadFrame, "a request is a JSON object") });
        }
        let head: Head<'_> = serde_json::from_str(text).map_err(|error| BadRequest {
            id: 0,
            refusal: Refusal::new(ErrorCode::BadFrame, format!("no request: {error}")),
        })?;
        let id = head.id;
        let command = match &*head.kind {
            "hello" => fields(text, id).map(Command::Hello)?,
            "send" => fields(text, id).map(Command::Send)?,
            "sync" => fields(text, id).map(Command::Sync)?,
            "history" => fields(text, id).map(Command::History)?,
            "chats" => fields(text, id).map(Command::Chats)?,
            "read" => fields(text, id).map(Command::Read)?,
            "ping" => Command::Ping(Ping {}),
            _ => {
                let refusal = Refusal::new(ErrorCode::UnknownType, "this server does not know that type");
                return Err(BadRequest { id, refusal });
            }
        };
        Ok(Self { id, command })
    }

    /// The JSON text, without a line feed.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Out<'a> {
            id: u64,
            #[serde(flatten)]
            command: &'a Command,
        }
        serde_json::to_string(&Out { id: self.id, command: &self.command })
    }
}

fn fields<'a, T: Deserialize<'a>>(text: &'a str, id: u64) -> Result<T, BadRequest> {
    serde_json::from_str(text)
        .map_err(|error| BadRequest { id, refusal: Refusal::new(ErrorCode::BadField, error.to_string()) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn requests_read_back_as_written() {
        let chat = ChatId(uuid::Uuid::from_u128(5));
        let body = Body::of(&serde_json::json!({"text": "hi", "deep": [1, {"a": null}]})).unwrap();
        let send = Send { chat, client_id: ClientId(uuid::Uuid::from_u128(6)), body, retry: true, after_seq: Some(4) };
        for command in [
            Command::Send(send),
            Command::Sync(Sync { chat, after: 3 }),
            Command::History(History {
                chat,
                before: Some(9),
                after: None,
                around: None,
                cursor: None,
                limit: Some(2),
            }),
            Command::Chats(Chats::default()),
            Command::Read(Read { chat, seq: 1 }),
            Command::Ping(Ping {}),
        ] {
            let request = Request { id: 8, command };
            assert_eq!(Request::decode(&request.encode().unwrap()).unwrap(), request);
        }
    }

    #[test]
    fn what_is_no_request_says_why() {
        let code = |text: &str| {
            let bad = Request::decode(text).unwrap_err();
            (bad.id, bad.refusal.code)
        };
        assert_eq!(code("{"), (0, ErrorCode::BadFrame));
        assert_eq!(code(r#"[7,"ping"]"#), (0, ErrorCode::BadFrame));
        assert_eq!(code("[]"), (0, ErrorCode::BadFrame));
        assert_eq!(code("{}"), (0, ErrorCode::BadFrame));
        assert_eq!(code(r#"{"id":3,"type":"dance"}"#), (3, ErrorCode::UnknownType));
        assert_eq!(code(r#"{"id":4,"type":"send"}"#), (4, ErrorCode::BadField));
        assert_eq!(code(r#"{"id":5,"type":"sync","chat":"x","after":1}"#), (5, ErrorCode::BadField));
    }
}
