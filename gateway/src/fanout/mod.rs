//! Fan-out: from one live subscription per warm chat and per connected user to the sockets of this gateway.
//!
//! It protects the contract's second point on this side of the log: what a session gets of a chat is the chat's log from
//! the session's place on, each event once, in order, without a hole (R2, R8, R15). One task, the hub, owns all of it;
//! there are no locks between its parts and nothing in it waits for a socket or for the log. Frames are encoded once.
//!
//! It never pushes what is not on disk, and never decides who may read: sessions are attached by operations that
//! checked it, and taken off by the events that end it.

pub(crate) mod event;
pub(crate) mod hub;
mod inboxes;
pub(crate) mod jobs;
pub(crate) mod progress;
pub(crate) mod stats;
pub(crate) mod tail;
pub(crate) mod warm;
mod warmth;
