//! The gateway: what apps speak to.
//!
//! Sessions on sockets and calls over HTTP come in here, are checked here (who, how much, how often), and become
//! appends to the log or reads of log and store. The gateway never writes what the log decides (messages, members,
//! lists: the workers do); the one thing it writes itself is the directory of people.

pub mod accounts;
pub mod http;
pub mod tokens;
