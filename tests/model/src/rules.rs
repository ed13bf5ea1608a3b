//! The switches: the rules of DESIGN.md, and the readings of them that the model showed to be needed.

/// One switch for each rule; on in [`Rules::all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// R2: receivers compare `prev` with the last `seq` they delivered, and drop what is not newer.
    pub gap_rule: bool,
    /// R5: an event stored after its deadline is void, and nobody acks after the deadline.
    pub void_events: bool,
    /// R6: a client syncs before it retries, and a retry is appended only after a look at the log.
    pub look_before_retry: bool,
    /// R7: one group in flight per lane, and `out_of_turn` after a refusal.
    pub one_group_in_flight: bool,
    /// R8: gateways compare what they delivered with the tail of the log.
    pub tail_check: bool,
    /// R13: an answer is the store up to its watermark and the log after it.
    pub read_your_writes: bool,
    /// R14: a token covers only pointers that were delivered in full.
    pub token_after_delivery: bool,
    /// R15: pointers are events of the inbox's log; off, they are signals that may drop.
    pub pointers_in_log: bool,
}

impl Rules {
    /// Every rule on: the design as it stands.
    #[must_use]
    pub fn all() -> Self {
        Self {
            gap_rule: true,
            void_events: true,
            look_before_retry: true,
            one_group_in_flight: true,
            tail_check: true,
            read_your_writes: true,
            token_after_delivery: true,
            pointers_in_log: true,
        }
    }
}

/// Places where the text of the design can be read in two ways and only one of them holds; on is the
/// reading that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    /// R5, R6: the deadline counts from the moment a gateway accepts a command (before R6's look),
    /// not from the moment its group is published.
    pub deadline_from_acceptance: bool,
    /// Gap rule for clients: a `prev` that `sent` gave is no gap only when every message that the
    /// client sent to the chat before that one is acknowledged, because a gateway sends none of them
    /// back and answers may come in another order.
    pub own_prev_when_settled: bool,
    /// Gap rule for clients: in a chat that is not whole an event moves nothing; the `sync` asks
    /// after the `last` at which wholeness was lost.
    pub event_waits_for_sync: bool,
    /// Gap rule for clients: "not whole" is kept with the token and outlives the connection; the next
    /// `welcome` does not name a chat again whose pointers the token covers.
    pub not_whole_is_kept: bool,
    /// R7: a client sends nothing new to a chat behind an unanswered `sync` of that chat, because
    /// the `sync` takes `out_of_turn` off before the client has heard of the refusal.
    pub no_send_behind_sync: bool,
}

impl Readings {
    /// Every place read in the way that holds.
    #[must_use]
    pub fn all() -> Self {
        Self {
            deadline_from_acceptance: true,
            own_prev_when_settled: true,
            event_waits_for_sync: true,
            not_whole_is_kept: true,
            no_send_behind_sync: true,
        }
    }
}
