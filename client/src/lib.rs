//! The Rust client of Tidings: a connection that mends itself, an outbox, and the HTTP calls.
//!
//! It protects the app from everything that fails between it and the log. What [`Client::send`] took is stored once and
//! in order, or refused with a reason; what [`Events`] gives is each chat's log, each event once, in order, without a
//! hole. It never guesses: what may be missing is synced before the next event is told, what may be stored is looked
//! for before it is sent again. It keeps nothing on disk: [`Client::resume`] gives an app what to keep.
//!
//! Cheap enough for thousands in one process: one task per client, no threads of its own, small buffers.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tidings_client::{Client, ClientConfig, ClientEvent, TokenSource};
//!
//! let token = TokenSource::Fixed(std::env::var("TIDINGS_TOKEN")?);
//! let (client, mut events) = Client::connect(ClientConfig::new("http://127.0.0.1:8080", token));
//! let me = client.online().await?;
//! let chat = client.create_group(tidings_protocol::ClientId::generate(), "Notes", &[]).await?;
//! let body = tidings_protocol::Body::of(&serde_json::json!({"text": format!("I am {}", me.name)}))?;
//! let stored = client.send(chat.id, body).await?;
//! println!("on disk as number {}", stored.seq);
//! while let Some(event) = events.recv().await {
//!     if let ClientEvent::Event { seq, .. } = event {
//!         println!("somebody wrote number {seq}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod client;
mod config;
mod connection;
#[cfg(feature = "dev-tokens")]
mod dev_tokens;
mod engine;
mod error;
mod event;
mod http;
mod outlet;
mod requests;
mod task;
mod verdict;

pub use backoff::{BACKOFF_MAX, BACKOFF_MIN};
pub use client::{Client, Events, Sending};
pub use config::{ClientConfig, EVENTS, OUTBOX_MESSAGES, TokenCallback, TokenError, TokenSource};
#[cfg(feature = "dev-tokens")]
pub use dev_tokens::{DEV_ISSUER, DevTokenError, DevTokens};
pub use error::{RequestError, SendError};
pub use event::{ClientEvent, OfflineReason, Resume, Stored};
pub use http::{Api, Grant, Http, HttpError, HttpPage, Members};
pub use tidings_protocol as protocol;
