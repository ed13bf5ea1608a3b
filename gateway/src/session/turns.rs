//! Whose turn it is in each chat (R7): after a retryable refusal, a session's later sends to that chat are refused with
//! `out_of_turn` until the refused one comes again or the chat is synced. Otherwise a pipelined second message would pass
//! the first.

use std::collections::HashMap;

use tidings_nats::Turn;
use tidings_protocol::{ChatId, ClientId, ErrorCode, Refusal, Retry};

/// Chats with sends under way or refused, in one session. Above it sends to further chats are refused as `overloaded`.
const CHATS: usize = 1_000;

#[derive(Debug, Default)]
struct ChatTurn {
    turn: Turn,
    in_flight: usize,
    /// The first send that was refused and has not come again.
    refused: Option<ClientId>,
}

/// One session's turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    chats: HashMap<ChatId, ChatTurn>,
}

impl Turns {
    /// A send begins. Its turn goes with the append, so that what is queued behind a refused one is refused as well.
    pub(crate) fn begin(&mut self, chat: ChatId, client_id: ClientId) -> Result<Turn, Refusal> {
        if self.chats.len() >= CHATS && !self.chats.contains_key(&chat) {
            return Err(Refusal::new(ErrorCode::Overloaded, "sends to too many chats at once").after_ms(200));
        }
        let state = self.chats.entry(chat).or_default();
        if let Some(refused) = state.refused {
            if refused != client_id {
                return Err(Refusal::new(ErrorCode::OutOfTurn, "an earlier send to this chat was refused"));
            }
            state.refused = None;
            state.turn = Turn::new();
        }
        state.in_flight += 1;
        Ok(state.turn.clone())
    }

    /// A send that began has its answer.
    pub(crate) fn end(&mut self, chat: ChatId, client_id: ClientId, answer: Result<(), &Refusal>) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        state.in_flight = state.in_flight.saturating_sub(1);
        if let Err(refusal) = answer {
            let passes = matches!(refusal.code.retry(), Retry::Now | Retry::Backoff | Retry::AfterSync);
            if passes && refusal.code != ErrorCode::OutOfTurn && state.refused.is_none() {
                state.refused = Some(client_id);
            }
        }
        self.forget_settled(chat);
    }

    /// The chat was synced to its end: the session knows what is stored.
    pub(crate) fn synced(&mut self, chat: ChatId) {
        if let Some(state) = self.chats.get_mut(&chat)
            && state.refused.take().is_some()
        {
            state.turn = Turn::new();
        }
        self.forget_settled(chat);
    }

    fn forget_settled(&mut self, chat: ChatId) {
        if self.chats.get(&chat).is_some_and(|state| state.in_flight == 0 && state.refused.is_none()) {
            self.chats.remove(&chat);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use uuid::Uuid;

    use super::*;

    #[test]
    fn nothing_passes_a_refused_send_until_it_comes_again_or_the_chat_is_synced() {
        let (mut turns, chat) = (Turns::default(), ChatId(Uuid::from_u128(1)));
        let [first, second] = [1, 2].map(|n| ClientId(Uuid::from_u128(n)));
        let busy = Refusal::new(ErrorCode::Overloaded, "");
        turns.begin(chat, first).unwrap();
        turns.end(chat, first, Err(&busy));
        assert_eq!(turns.begin(chat, second).unwrap_err().code, ErrorCode::OutOfTurn);
        turns.begin(chat, first).unwrap();
        turns.end(chat, first, Ok(()));
        turns.begin(chat, second).unwrap();
        turns.end(chat, second, Err(&busy));
        turns.synced(chat);
        turns.begin(chat, first).unwrap();
        turns.end(chat, first, Ok(()));
        assert!(turns.chats.is_empty());
    }

    #[test]
    fn a_final_refusal_blocks_nothing() {
        let (mut turns, chat) = (Turns::default(), ChatId(Uuid::from_u128(1)));
        turns.begin(chat, ClientId(Uuid::nil())).unwrap();
        turns.end(chat, ClientId(Uuid::nil()), Err(&Refusal::new(ErrorCode::NotMember, "")));
        assert!(turns.begin(chat, ClientId(Uuid::from_u128(2))).is_ok());
    }
}
