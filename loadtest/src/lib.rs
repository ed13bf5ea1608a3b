//! The load harness. Today it replays channel logs: every line of a file goes through a real server, one user and one
//! socket per nick, and what comes back (history both ways, every client's live view) is compared with the file.
//!
//! It protects nothing but the truth of its verdict: it never repairs, sorts or leaves out what it compares, and what it
//! could not see is a difference or "target unavailable", never "equal". It knows the server by its public protocol
//! only.

pub mod cli;
pub mod generate;
pub mod line;
pub mod replay;
