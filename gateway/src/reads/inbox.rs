//! A user's own inbox beyond what the user_chats worker has written: newer pointers and read positions.

use std::collections::HashMap;

use tidings_nats::{LogEvent, Subject};
use tidings_protocol::inbox::{InboxKind, Position};
use tidings_protocol::{ChatId, InboxEvent, Pointer, Refusal, Seq, UserId};

use super::{Reads, USER_CHATS, store_refusal};

/// What inbox events say of one chat.
#[derive(Clone, Debug, Default)]
pub(crate) struct InboxNews {
    /// The newest pointer.
    pub(crate) pointer: Option<Pointer>,
    /// The highest own position, of reads and of own sends in pointers.
    pub(crate) read: Position,
}

/// What a stretch of an inbox says, by chat.
pub(crate) type Overlay = HashMap<ChatId, InboxNews>;

impl InboxNews {
    fn move_read(&mut self, to: Position) {
        if to.seq > self.read.seq {
            self.read = to;
        }
    }
}

/// Adds one inbox event to an overlay.
pub(crate) fn add(overlay: &mut Overlay, event: &LogEvent) {
    let Ok(event) = InboxEvent::decode(&event.payload) else { return };
    match event.kind {
        InboxKind::Pointer(pointer) => {
            let news = overlay.entry(pointer.chat).or_default();
            if let Some(own) = pointer.own {
                news.move_read(own);
            }
            if news.pointer.as_ref().is_none_or(|known| known.seq <= pointer.seq) {
                news.pointer = Some(*pointer);
            }
        }
        InboxKind::Read(read) => {
            overlay.entry(read.chat).or_default().move_read(Position { seq: read.seq, n: read.n });
        }
        InboxKind::Unknown => {}
    }
}

impl Reads {
    /// Everything of the user's inbox up to here is in the rows.
    pub(crate) async fn inbox_watermark(&self, user: UserId) -> Result<Seq, Refusal> {
        let stream = self.log.shards().stream_of(&Subject::inbox(user)).to_string();
        let progress = self.progress().progress(USER_CHATS, &stream).await.map_err(store_refusal)?;
        Ok(progress.map_or(0, |progress| progress.seq))
    }

    /// What the inbox says after `after`.
    pub(crate) async fn overlay(&self, user: UserId, after: Seq) -> Result<Overlay, Refusal> {
        let mut overlay = Overlay::new();
        let scan = self.each_after(Subject::inbox(user), after, |event| {
            add(&mut overlay, &event);
            true
        });
        scan.await?;
        Ok(overlay)
    }
}
