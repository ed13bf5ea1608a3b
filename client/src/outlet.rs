//! Events on their way to the app. The app may be slow: what does not fit in its channel waits here, and the client
//! reads no more from its socket while much waits. An app that dropped its receiver wants no events.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::event::ClientEvent;

/// Events that wait here before the socket is not read any more. One frame more may come on top: at most a page.
const BEHIND: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outlet {
    to_app: Option<mpsc::Sender<ClientEvent>>,
    waiting: VecDeque<ClientEvent>,
}

impl Outlet {
    pub(crate) fn new(to_app: mpsc::Sender<ClientEvent>) -> Self {
        Self { to_app: Some(to_app), waiting: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, event: ClientEvent) {
        if self.to_app.is_some() {
            self.waiting.push_back(event);
            self.pass_on();
        }
    }

    /// Whether the app is far behind.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= BEHIND
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for room and uses it. Pending for ever when nothing waits. Dropping the future loses nothing.
    pub(crate) async fn room(&mut self) {
        match &self.to_app {
            Some(to_app) if !self.waiting.is_empty() => {
                if to_app.reserve().await.is_err() {
                    self.to_app = None;
                }
                self.pass_on();
            }
            _ => std::future::pending().await,
        }
    }

    fn pass_on(&mut self) {
        while !self.waiting.is_empty() {
            let wanted = match self.to_app.as_ref().map(mpsc::Sender::try_reserve) {
                Some(Ok(room)) => {
                    if let Some(event) = self.waiting.pop_front() {
                        room.send(event);
                    }
                    true
                }
                Some(Err(mpsc::error::TrySendError::Full(()))) => return,
                Some(Err(mpsc::error::TrySendError::Closed(()))) | None => false,
            };
            if !wanted {
                self.waiting = VecDeque::new();
                self.to_app = None;
            }
        }
    }
}
