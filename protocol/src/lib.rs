//! The words Tidings speaks: ids, events, frames, codes, tokens and cursors, and the pure state machine that keeps a
//! client whole (`sync`).
//!
//! This crate protects the formats. Every stored or sent form has one type here, is versioned, and has samples in
//! `testdata/` that today's code must read. It never does I/O, never looks at a clock and never spawns a task, so
//! everything in it can be tested by calling it.

pub mod body;
pub mod chat;
pub mod client_frame;
pub mod code;
pub mod cursor;
pub mod event;
pub mod ids;
pub mod inbox;
pub mod limits;
pub mod server_frame;
pub mod shard;
pub mod since;
pub mod sync;
pub mod timestamp;

pub use body::Body;
pub use chat::{ChatKind, ChatSummary, Entry, Newest, Role, UserCard};
pub use code::{CloseCode, ErrorCode, Refusal, Retry};
pub use event::{Event, EventKind};
pub use ids::{ChatId, ClientId, DeviceId, MsgId, SessionId, UserId};
pub use inbox::{InboxEvent, Pointer};
pub use since::Since;
pub use timestamp::Timestamp;

/// The place of an event in its stream: unique and growing within a stream, the same for everybody (R1). From 1.
pub type Seq = u64;
