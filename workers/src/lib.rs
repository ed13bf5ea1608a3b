//! The workers: readers of the log that turn it into rows and pointers, one folder each, one input and one output each.
//!
//! | worker | reads | writes | progress |
//! |---|---|---|---|
//! | [`history`] | `CHAT_<n>` | rows by chat | in the store, with the rows (R11) |
//! | [`pointers`] | `CHAT_<n>` | inboxes (R15) | a record in the bucket `PROGRESS` |
//! | [`user_chats`] | `INBOX_<n>` | rows by user | in the store, with the rows (R11) |
//!
//! They protect that what is acked reaches everybody who was a member and stays readable: every event becomes a row and
//! is covered by a pointer, in whatever order processes die. Per stream one process works and others stand by (R9); two
//! at once for a moment are harmless. Nothing blocks and nothing vanishes (R12): a failure is waited out, an event that
//! does not read gets its row and a dead letter.
//!
//! A worker never answers a client, never writes what a handler writes, and never deletes anything.

mod error;
pub mod history;
pub mod pointers;
mod run;
pub mod settings;
pub mod user_chats;

pub use error::WorkerError;
pub use run::dead::dead_header;
pub use run::stats::Stats;
pub use run::supervise::WorkerHandle;
pub use settings::{PointerSettings, RowSettings, WorkersSettings};

#[cfg(test)]
mod tests;
