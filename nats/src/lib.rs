//! The log: subjects, streams, the group-commit publisher, reads, feeds for workers, leases, the live reader.
//!
//! This crate protects the first half of the contract: *acked means on disk*, each message once, in one order. Every
//! append of Tidings goes through [`Publisher`] and every read of the log through [`Log`], [`feed`] or [`live`], so the
//! rules about order, repeats, void events and gaps (R1, R2, R5, R6, R7, R8, R9) have one home. It knows the formats of
//! `tidings-protocol` only where a rule needs them (comparing two bodies under one id); it never touches the store,
//! never decides who may read what, and never deletes, recreates or alters a stream.

mod bucket;
pub mod clock;
pub mod connect;
pub mod feed;
pub mod headers;
pub mod lease;
pub mod live;
pub mod log;
pub mod publisher;
pub mod settings;
pub mod streams;
pub mod subjects;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use bucket::BucketError;
pub use clock::LogClock;
pub use connect::{ConnectError, connect};
pub use feed::{DurableFeed, Feed, FeedError, FeedEvent};
pub use lease::{Lease, LeaseError, LeaseSettings};
pub use log::{LastEvent, Log, LogError, LogEvent, LogRun, ReadMax};
pub use publisher::{Append, AppendError, Appended, Owner, PendingAppend, Publisher, Turn};
pub use settings::{NatsSettings, PublishSettings};
pub use streams::StreamState;
pub use subjects::{ShardMap, StreamName, Subject};
