//! After `hello`: what is trusted of what was kept, and what is asked first (R14, R6).

use std::collections::HashMap;
use std::time::Instant;

use tidings_protocol::server_frame::Welcome;
use tidings_protocol::{ChatId, Seq};

use super::Engine;
use crate::event::ClientEvent;

impl Engine {
    /// `welcome` came: chats with open sends are synced first, chats that may be short then.
    pub(crate) fn welcome(&mut self, welcome: Welcome, now: Instant) {
        self.me = Some(welcome.user.id);
        self.since = welcome.since.or(self.since.take());
        self.online = true;
        let listed: HashMap<ChatId, Seq> = welcome.chats.iter().map(|line| (line.id, line.newest.seq)).collect();
        let (resumed, stale) = (welcome.resumed, welcome.stale);
        let kept: Vec<ChatId> = self.chats.keys().copied().collect();
        self.tell(ClientEvent::Online { user: welcome.user, resumed, stale });
        for id in kept {
            let Some(chat) = self.chats.get_mut(&id) else { continue };
            let short = chat.outbox.needs_sync();
            let steps = match listed.get(&id) {
                _ if stale => chat.sync.distrust(),
                Some(newest) if resumed || chat.sync.last().is_none_or(|last| last == *newest) => {
                    chat.sync.summary(*newest)
                }
                None if resumed => chat.sync.resume(),
                _ => chat.sync.distrust(),
            };
            let asked = if short { chat.sync.ask() } else { Vec::new() };
            self.follow(id, steps);
            self.follow(id, asked);
            self.turn(id);
        }
        for line in welcome.chats {
            self.learn(&line);
            self.tell(ClientEvent::Chat(line));
        }
        self.go_on(now);
    }
}
