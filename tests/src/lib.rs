//! What the end-to-end tests are told with: a running Tidings, people, their sockets and calls, and waiting on
//! conditions.
//!
//! It protects the tests from each other and the machine from the tests: every server has a folder and ports of its own,
//! every test has people of its own, and nothing that was started outlives the test process, however it ends. It never
//! waits for time to pass, only for a condition, and it never repairs what it tests: a socket that breaks is broken.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test that asked for it")]

pub mod examples;
pub mod http;
pub mod people;
pub mod replay;
pub mod server;
pub mod stories;
pub mod wait;
pub mod wire;

pub use http::Answer;
pub use people::Person;
pub use server::{Ended, Tidings};
pub use wait::{PATIENCE, until, within};
pub use wire::Wire;

/// A client id for a send or a new group (UUIDv7).
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
