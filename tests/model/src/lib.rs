//! The delivery model: log, gateway, session and client as one small transition system, explored
//! completely by stateright.
//!
//! It protects the contract's second point ("once, in one order, for everybody; an acked message is in
//! every answer after the ack; a client that missed something is repaired or told"): with all rules of
//! DESIGN.md on, every bounded world in `tests/delivery` keeps every property of [`properties`]; with
//! any one rule off a shortest counterexample is found. It is the reference for the pure sync and
//! repair code in `protocol/`, and never the other way round: a change there starts here.
//!
//! | rule | switch in [`rules::Rules`] | what breaks without it |
//! |---|---|---|
//! | R2 gap rule | `gap_rule` | a lost live copy is skipped by the next one: [`properties::WHOLE`]; a repeated one is shown twice: [`properties::LOG_ORDER`] |
//! | R5 void events | `void_events` | a copy from a paused server lands after the window forgot its id: [`properties::ONCE`] |
//! | R6 look before retry | `look_before_retry` | a retry after the window is appended again: [`properties::ONCE`] |
//! | R7 one group in flight | `one_group_in_flight` | a later group passes an earlier one: [`properties::DEVICE_ORDER`] |
//! | R8 tail check | `tail_check` | the last live copy and its pointer are lost, nobody looks: [`properties::COMPLETE`] |
//! | R13 read your writes | `read_your_writes` | a slow history worker hides an acked message: [`properties::ANSWER`] |
//! | R14 token | `token_after_delivery` | a token passes a pointer nobody delivered: [`properties::TOKEN`] |
//! | R15 inbox | `pointers_in_log` | a chat nobody watches moves, the signal drops: [`properties::COMPLETE`] |
//!
//! [`rules::Readings`] are places where the text can be read in two ways; each has its own
//! counterexample for the reading that does not hold.
//!
//! What is modelled: message ids and the dedupe window, deadlines and void events, lanes and groups,
//! copies that sit in a paused server and outlive their gateway, lost answers, refusals, `out_of_turn`;
//! warm chats, republished copies that drop or repeat, pointers, wakes, tail checks; hello with and
//! without a token, the gap rule for clients, paged syncs, the outbox; gateways that die, connections
//! that break while the gateway lives on.
//!
//! What is not: several streams and splits, expiry and max age (`prev` going back), membership and
//! `left_seq`, roles, `n` and unread counts, several devices of a user, halved batches, the bounds of
//! queues and of R6's look, R14's "read before anything else" as two steps (a hello is one step), a
//! log that cannot be read (`stale`), clocks that differ by more than half a deadline. Frames of one
//! connection are handed over in the step that sends them: one that is lost on the way is a connection
//! that breaks before that step, and a refusal the client has not heard yet is modelled as such.
//!
//! Read [`state`], then [`actions`], then the private modules `append` (R5, R6, R7), `live` (R2, R8,
//! R15) and `client` (R13, R14).

pub mod actions;
mod append;
mod client;
mod live;
mod lookup;
pub mod properties;
pub mod rules;
pub mod setup;
pub mod state;
