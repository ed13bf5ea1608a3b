//! The live reader: what the log republishes, heard by one connection of its own, made for very many subjects.
//!
//! It protects R8 and the price of a connection. *Never silently short*: republish is at-most-once, so whenever a hole is
//! possible (a connection made again, a reader too slow, a stream with a new leader) an [`Interruption`] stands in the
//! channel in the place of what may be missing, and whoever reads checks all tails. *Cheap*: a subscription is an id, a
//! number and three flags in one map; all events come through one bounded channel; of the headers only six are looked
//! at, in the raw block; payloads are slices of the read buffer.
//!
//! What is subscribed is a wish, kept here and told to every new connection. Callers never block: a wish is noted, the
//! task tells the server, [`LiveReader::confirmed`] waits for the server's word. That word is of one server only: others
//! of a cluster may learn of it a little later, which is why R8 looks twice after a new subscription.
//!
//! It never publishes, never reads the log, never repairs a gap, and keeps nothing of what it has handed on. No TLS yet:
//! a server that requires it is refused.
//!
//! Figures: `cargo run --release -p tidings-nats --example live_rate`. On two cores with other work on them: 38 bytes of
//! memory per subscription with 100,000 of them and 61 with 1,000,000; 100,000 confirmed in 0.13 to 0.19 s; 325 to 466
//! thousand events of 256 bytes per second from socket to receiver.

mod classify;
mod connection;
mod delivery;
mod desired;
mod dial;
mod error;
mod headers;
mod item;
mod reader;
mod servers;
mod settings;
mod stats;
#[cfg(test)]
mod tests;
pub mod wire;

use async_trait::async_trait;

pub use error::{DialError, LiveError};
pub use item::{Interruption, LiveEvent, LiveItem, LiveSubject, StreamTag};
pub use reader::start;
pub use settings::LiveSettings;
pub use stats::LiveStats;

/// Listens to subjects; what it hears comes out of the channel that was made with it.
#[async_trait]
pub trait LiveReader: Send + Sync {
    /// Wishes for a subject, once however often it is asked for (count users of a subject elsewhere). Returns at once.
    ///
    /// # Errors
    /// [`LiveError::TooManySubscriptions`], [`LiveError::Stopped`].
    fn subscribe(&self, subject: LiveSubject) -> Result<(), LiveError>;

    /// Takes the wish back. Returns at once; events already on their way may still come.
    fn unsubscribe(&self, subject: LiveSubject);

    /// Waits until the server has answered a round trip that stands behind all wishes made so far, on whatever
    /// connection. At once when that has happened. Callers share round trips.
    ///
    /// # Errors
    /// [`LiveError::Refused`] when the server refused any subscription on this connection, [`LiveError::NotConfirmed`] or
    /// [`LiveError::Unavailable`] after `confirm_timeout_ms`, [`LiveError::Stopped`].
    async fn confirmed(&self) -> Result<(), LiveError>;

    /// The counters.
    fn stats(&self) -> LiveStats;
}
