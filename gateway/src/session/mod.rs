//! Sessions: one task per socket, from hello to close.
//!
//! It protects the order of one session: its sends are checked and queued in the order in which they came, and after a
//! retryable refusal nothing of that chat passes until the refused send has come again or the chat was synced (R7). The
//! task never waits for the log while it could read or write its socket; what it waits for is bounded.

mod answer;
mod hello;
mod lane;
pub(crate) mod queue;
mod rate;
pub(crate) mod shared;
mod socket;
mod turns;

pub(crate) use socket::upgrade;
