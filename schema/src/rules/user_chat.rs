//! Which inbox event sets which cell of a user's list (R10), as pure code.
//!
//! | event | cells of the chat | read position |
//! |---|---|---|
//! | pointer | all, when its `seq` is newer than the row's | up to `own` |
//! | read | none | up to it |
//!
//! A read position only moves up: the higher `seq` wins, its `n` goes with it (and decides among equals). It never moves
//! because somebody else wrote something.

use tidings_protocol::Pointer;
use tidings_protocol::inbox::Position;

use crate::user_chats::UserChatWrite;

/// What is kept of a user's chat: the cells of both clocks.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UserChat {
    /// The newest pointer as stored; `None` before the first, when the chat is in no list.
    pub pointer: Option<Pointer>,
    /// The own read position; 0 when nothing was read.
    pub read: Position,
}

impl UserChat {
    /// Takes in one write.
    pub fn apply(&mut self, write: &UserChatWrite) {
        match write {
            UserChatWrite::Pointer { pointer, .. } => {
                if self.pointer.as_ref().is_none_or(|old| pointer.seq > old.seq) {
                    self.pointer = Some(stored_pointer(pointer));
                }
                if let Some(own) = pointer.own {
                    self.read = later(self.read, own);
                }
            }
            UserChatWrite::Read { read, .. } => {
                let position = Position { seq: read.seq, n: read.n };
                self.read = later(self.read, position);
            }
        }
    }
}

/// The pointer without what speaks of its own range (`first`, `own`, `chat_changed`): the rest is of its `seq`.
pub fn stored_pointer(pointer: &Pointer) -> Pointer {
    Pointer { first: pointer.seq, own: None, chat_changed: false, ..pointer.clone() }
}

/// The higher of two read positions.
pub fn later(a: Position, b: Position) -> Position {
    if (b.seq, b.n) > (a.seq, a.n) { b } else { a }
}
