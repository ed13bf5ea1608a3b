//! Bounds of the protocol, each with its unit in its name. A client learns the ones it needs from `welcome`.

use serde::{Deserialize, Serialize};

/// Longest frame from a client, and longest HTTP body where nothing else is said. More is `too_large`.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Longest body of one message, as JSON text.
pub const BODY_BYTES: usize = 32 * 1024;
/// Most entries or lines in one page.
pub const PAGE_ITEMS: usize = 100;
/// Entries or lines in a page when no limit is asked for.
pub const PAGE_DEFAULT_ITEMS: usize = 50;
/// Most JSON bytes of entries in one `synced` or `page`.
pub const PAGE_BYTES: usize = 1024 * 1024;
/// Longest preview in a chat list.
pub const PREVIEW_CHARS: usize = 100;
/// Longest title of a group.
pub const TITLE_CHARS: usize = 200;
/// Longest name of a user.
pub const NAME_CHARS: usize = 100;
/// Shortest and longest handle.
pub const HANDLE_CHARS: std::ops::RangeInclusive<usize> = 2..=32;
/// Shortest and longest password, in bytes.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=256;
/// Most members of a chat.
pub const CHAT_MEMBERS: usize = 10_000;
/// Longest body of `POST /v1/chats`: 10,000 member ids of 39 bytes and a title.
pub const CREATE_BYTES: usize = 512 * 1024;
/// Most users in one `GET /v1/users?ids=`.
pub const USERS_PER_LOOKUP: usize = 100;
/// Requests in one frame, separated by line feeds.
pub const REQUESTS_PER_FRAME: usize = 100;

/// What `welcome` tells a client of the bounds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Limits {
    /// [`FRAME_BYTES`].
    pub max_frame_bytes: u64,
    /// [`BODY_BYTES`].
    pub max_body_bytes: u64,
    /// [`PAGE_ITEMS`].
    pub max_page_items: u64,
    /// [`CHAT_MEMBERS`].
    pub max_chat_members: u64,
    /// How often the server pings.
    pub ping_interval_ms: u64,
}

impl Limits {
    /// The bounds of this version.
    pub fn current(ping_interval_ms: u64) -> Self {
        Self {
            max_frame_bytes: FRAME_BYTES as u64,
            max_body_bytes: BODY_BYTES as u64,
            max_page_items: PAGE_ITEMS as u64,
            max_chat_members: CHAT_MEMBERS as u64,
            ping_interval_ms,
        }
    }
}
