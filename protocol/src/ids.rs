//! Typed ids. A chat id cannot be passed where a user id is meant.
//!
//! All ids are UUIDs, written as hyphenated lower-case strings in JSON. Chats, media and our own users are UUIDv7;
//! a user known only by an app's token is UUIDv5 of issuer and subject; a direct chat is UUIDv5 of its two users
//! (R1), so that opening it twice meets itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Name space of users made from an app's token: `v5(TOKEN_USERS, issuer "\n" sub)`.
const TOKEN_USERS: Uuid = Uuid::from_u128(0x0b3f_4d6e_7a51_5c0e_9a44_71d1_96e2_0001);
/// Name space of direct chats: `v5(DIRECT_CHATS, smaller user's 16 bytes, larger user's 16 bytes)`.
const DIRECT_CHATS: Uuid = Uuid::from_u128(0x0b3f_4d6e_7a51_5c0e_9a44_71d1_96e2_0002);
/// Name space of group chats: `v5(GROUP_CHATS, caller's 16 bytes, client id's 16 bytes)`.
const GROUP_CHATS: Uuid = Uuid::from_u128(0x0b3f_4d6e_7a51_5c0e_9a44_71d1_96e2_0003);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes, as stored and as hashed.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map($name)
            }
        }
    };
}

id!(
    /// A chat, direct or group.
    ChatId
);
id!(
    /// A person or a bot.
    UserId
);
id!(
    /// One installation of an app. Chosen by the client, kept across reconnects.
    DeviceId
);
id!(
    /// One connected socket. Made by the gateway at hello.
    SessionId
);
id!(
    /// A client's own name for one send (UUIDv7), the same in every retry (R6).
    ClientId
);

impl ChatId {
    /// A new chat id (UUIDv7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The one direct chat of two users, whoever opens it (R1).
    pub fn direct(a: UserId, b: UserId) -> Self {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        Self(of_two(&DIRECT_CHATS, low.as_bytes(), high.as_bytes()))
    }

    /// The group that `creator` makes under `client_id`: repeating the call meets the same chat.
    pub fn group(creator: UserId, client_id: ClientId) -> Self {
        Self(of_two(&GROUP_CHATS, creator.as_bytes(), client_id.as_bytes()))
    }
}

impl UserId {
    /// A new user id (UUIDv7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The user whom an app's token names: UUIDv5 of issuer and subject.
    pub fn from_token(issuer: &str, subject: &str) -> Self {
        Self(Uuid::new_v5(&TOKEN_USERS, format!("{issuer}\n{subject}").as_bytes()))
    }
}

impl SessionId {
    /// A new session id (random).
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl DeviceId {
    /// A new device id (random).
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl ClientId {
    /// A new client id (UUIDv7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

fn of_two(space: &Uuid, a: &[u8; 16], b: &[u8; 16]) -> Uuid {
    let mut name = [0u8; 32];
    name[..16].copy_from_slice(a);
    name[16..].copy_from_slice(b);
    Uuid::new_v5(space, &name)
}

/// The `Nats-Msg-Id` of an append: 32 hex digits of a SHA-256 over what makes it unique (R6).
///
/// The sender is part of it, so nobody can swallow another's message by guessing its `client_id`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MsgId(String);

impl MsgId {
    /// The id under which a send of `sender` to `chat` as `client_id` is stored at most once.
    pub fn of_send(sender: UserId, chat: ChatId, client_id: ClientId) -> Self {
        Self::of_parts(&[b"send", sender.as_bytes(), chat.as_bytes(), client_id.as_bytes()])
    }

    /// A fresh id for an append that is not a client's send (membership, settings): retried under the same id.
    pub fn random() -> Self {
        Self::of_parts(&[b"once", Uuid::new_v4().as_bytes()])
    }

    /// The id to append under once `void_seq` has been found to hold this id with a void event (R5).
    pub fn after_void(&self, void_seq: crate::Seq) -> Self {
        Self::of_parts(&[b"void", self.0.as_bytes(), &void_seq.to_be_bytes()])
    }

    /// The text that goes into the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut text = String::with_capacity(32);
        for byte in &digest[..16] {
            use fmt::Write;
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    #[test]
    fn a_direct_chat_is_the_same_from_both_sides() {
        assert_eq!(ChatId::direct(user(1), user(2)), ChatId::direct(user(2), user(1)));
        assert_ne!(ChatId::direct(user(1), user(2)), ChatId::direct(user(1), user(3)));
    }

    #[test]
    fn made_ids_are_fixed_for_ever() {
        assert_eq!(ChatId::direct(user(1), user(2)).to_string(), "60ae0182-a329-5f3f-8ca7-8d029e37df1f");
        assert_eq!(UserId::from_token("app", "alice").to_string(), "111e90ab-fdc4-5e92-824a-e23960542c5e");
        let id = MsgId::of_send(user(1), ChatId(Uuid::from_u128(2)), ClientId(Uuid::from_u128(3)));
        assert_eq!(id.as_str(), "6106fb63c455e117484ff483a28517c4");
    }

    #[test]
    fn nobody_shares_a_message_id_with_another_sender() {
        let chat = ChatId(Uuid::from_u128(9));
        let client = ClientId(Uuid::from_u128(7));
        assert_ne!(MsgId::of_send(user(1), chat, client), MsgId::of_send(user(2), chat, client));
        let id = MsgId::of_send(user(1), chat, client);
        assert_ne!(id.after_void(5), id);
        assert_ne!(id.after_void(5), id.after_void(6));
    }
}
