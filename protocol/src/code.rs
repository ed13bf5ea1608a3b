//! Error codes and close codes. They are part of the protocol: the code and `retry` decide what a client does, the
//! message is for people and free to change.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $retry:ident, $status:literal;)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl ErrorCode {
            /// All codes, in the order of the documents.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the client should do about it.
            pub fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)* }
            }

            /// The HTTP status that goes with it.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

codes! {
    /// Not JSON, not an object, not UTF-8 text, or no `type`.
    BadFrame = "bad_frame", Never, 400;
    /// A frame type that this server does not know.
    UnknownType = "unknown_type", Never, 400;
    /// A field is missing, of the wrong shape, too long, or points nowhere.
    BadField = "bad_field", Never, 400;
    /// The frame or body is longer than the limit.
    TooLarge = "too_large", Never, 413;
    /// No token, or not one of ours.
    Unauthenticated = "unauthenticated", RefreshToken, 401;
    /// The token was right once.
    TokenExpired = "token_expired", RefreshToken, 401;
    /// The user is no member of that chat.
    NotMember = "not_member", Never, 403;
    /// There is no such chat, or the user may not know of it.
    NoSuchChat = "no_such_chat", Never, 404;
    /// There is no such user.
    NoSuchUser = "no_such_user", Never, 404;
    /// No such page or call.
    NoSuchCall = "no_such_call", Never, 404;
    /// A member, but the role does not allow it.
    NotAllowed = "not_allowed", Never, 403;
    /// The same `client_id` was used with another body.
    Conflict = "conflict", Never, 409;
    /// Too many requests from this session or user.
    RateLimited = "rate_limited", Backoff, 429;
    /// The server has no room at this moment.
    Overloaded = "overloaded", Backoff, 503;
    /// The log cannot be reached.
    LogUnavailable = "log_unavailable", Backoff, 503;
    /// The store cannot be reached and the answer needs it.
    StoreUnavailable = "store_unavailable", Backoff, 503;
    /// Too much happened since: sync the chat, then see whether the send is in it.
    SyncRequired = "sync_required", AfterSync, 409;
    /// The append may or may not have happened: sync and see.
    OutcomeUnknown = "outcome_unknown", AfterSync, 503;
    /// An earlier send of this session to this chat was refused and has not come again.
    OutOfTurn = "out_of_turn", AfterSync, 409;
    /// It is so already: a second hello, a taken handle.
    Already = "already", Never, 409;
    /// A mistake of ours. The message names the request in our log.
    Internal = "internal", Backoff, 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a client does after a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Asking again gives the same answer.
    Never,
    /// Ask again at once.
    Now,
    /// Ask again after a growing, jittered wait, not before `retry_after_ms`.
    Backoff,
    /// Sync the chat first.
    AfterSync,
    /// Get a new token first.
    RefreshToken,
}

/// A refusal on its way to a client: the one form into which every error of a request is turned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Why.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Not before this many milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal with the code's own retry rule.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// The same, with a wait.
    #[must_use]
    pub fn after_ms(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }

    /// `bad_field`, naming the field.
    pub fn bad_field(field: &str, why: &str) -> Self {
        Self::new(ErrorCode::BadField, format!("{field}: {why}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

/// Why a socket was closed. The range carries the verdict: 4000-4099 reconnect now, 4100-4199 with back-off,
/// 4200-4299 with a new token, 4300-4399 not as you are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseCode {
    /// This gateway stops; others (or its successor) take you.
    Draining,
    /// The session's queue was full: reconnect and resume.
    TooSlow,
    /// The gateway is full.
    Overloaded,
    /// No frame, not even a pong, for too long.
    Silent,
    /// The token was refused or has expired.
    TokenRefused,
    /// No `hello` within its time, or something else before it.
    NoHello,
    /// Too many frames that are no frames.
    BadFrames,
    /// Frames beyond any limit.
    TooLarge,
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Draining => 4100,
            Self::TooSlow => 4101,
            Self::Overloaded => 4102,
            Self::Silent => 4103,
            Self::TokenRefused => 4200,
            Self::NoHello => 4300,
            Self::BadFrames => 4301,
            Self::TooLarge => 4302,
        }
    }

    /// The text beside it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::TooSlow => "too slow",
            Self::Overloaded => "overloaded",
            Self::Silent => "silent",
            Self::TokenRefused => "token refused",
            Self::NoHello => "no hello",
            Self::BadFrames => "bad frames",
            Self::TooLarge => "too large",
        }
    }
}
