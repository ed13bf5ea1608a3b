//! What is stored, and by which rule: storage traits, one per concern, and their implementations.
//!
//! Rows of `messages`, `chat_heads`, `members` and `user_chats` are functions of the log (R10): every cell has one
//! source and one clock (the `seq` of the event that it comes from), so writing the same events again, in any order,
//! by two workers at once, gives the same rows. The table event x cell is [`rules`]. Directory rows (users, handles,
//! refresh tokens) are written by handlers and are the truth themselves.
//!
//! This crate never reads the log and never decides what is allowed.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod directory;
pub mod error;
pub mod history;
pub mod progress;
pub mod rules;
pub mod sqlite;
pub mod user_chats;

pub use directory::DirectoryStore;
pub use error::StoreError;
pub use history::HistoryStore;
pub use progress::{Progress, ProgressStore};
pub use sqlite::SqliteStore;
pub use user_chats::UserChatsStore;
