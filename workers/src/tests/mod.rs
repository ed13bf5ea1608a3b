//! The workers against a real nats-server and SQLite: rows and pointers equal naive models, whatever is killed when.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod history;
mod model;
mod pointers;
mod pointers_faults;
mod rates;
mod script;
mod user_chats;
mod world;
