//! The rule table: which event sets which cell, as pure code. One place for every worker, gateway and store.
//!
//! | event | `messages` | head: `seq` `ord` | `n` | newest message | kind, creator | title | members | `members` row |
//! |---|---|---|---|---|---|---|---|---|
//! | created, first of its chat | a row | move | | | set | set | count | one for each, role by `Created::role_of` |
//! | created, later | a row | move | | | | | | |
//! | member_added, of nobody's member | a row | move | | | | | +1 | role, `joined_seq`; `left_seq` cleared |
//! | member_removed, member_left, of a member | a row | move | | | | | -1 | no role, `left_seq` |
//! | role_changed, of a member | a row | move | | | | | | role |
//! | the same of anybody else, or in a direct chat | a row | move | | | | | | |
//! | renamed, of a group | a row | move | | | | set | | |
//! | message | a row | move | +1 | set | | | | |
//! | unreadable, unknown kind or version | a row | move | | | | | | |
//! | void (R5) | never reaches a fold | | | | | | | |
//!
//! Everything here is a function of the log (R10): no clock, no randomness, no I/O but [`look_up`] and
//! [`ChatFold::load`], which fetch rows for the pure code. A fold that meets an event again does nothing.

mod change;
mod chat;
mod head;
mod members;
mod stored_event;
pub mod user_chat;
mod view;

pub use change::{Change, Effect};
pub use chat::{ChatFold, Found, look_up};
pub use head::HeadFold;
pub use members::MemberSet;
pub use stored_event::StoredEvent;
pub use view::ChatView;

#[cfg(test)]
mod tests;
