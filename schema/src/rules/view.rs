//! Head and members of one chat together, kept true by its events: what a gateway knows of a warm chat.

use tidings_protocol::{ChatId, Event, Seq};

use super::{Effect, HeadFold, MemberSet};

/// A chat as of [`HeadFold::seq`]. To start from rows, read the head first and the members after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChatView {
    /// Place, numbers, title, newest message.
    pub head: HeadFold,
    /// Who is and was in it.
    pub members: MemberSet,
}

impl ChatView {
    /// A chat before its first event.
    pub fn new(chat: ChatId) -> Self {
        Self { head: HeadFold::default(), members: MemberSet::new(chat) }
    }

    /// Takes in one event and says what it comes to for its member; `None`: the head had it already.
    pub fn apply(&mut self, seq: Seq, event: &Event) -> Option<Effect> {
        let effect = self.members.apply(&self.head, seq, event);
        self.head.apply(seq, event, effect).then_some(effect)
    }
}
