//! The rule table.
pub mod user_chat;
