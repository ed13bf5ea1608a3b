//! A session's sends on their way into the log, one after the other up to the queue of the publisher.
//!
//! Checking a send may have to read (who is a member of a cold chat). So that a second send cannot pass the first
//! meanwhile, one is checked at a time; once checked it is queued at once, and its answer is awaited apart.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tidings_protocol::Refusal;
use tidings_protocol::client_frame::Send as SendRequest;

use super::answer::{Answer, Answering};
use super::rate::SendRate;
use super::turns::Turns;
use crate::http::ops::Stored;
use crate::ops::{Ops, Sender};

/// A request to send.
pub(crate) struct Asked {
    pub(crate) re: u64,
    pub(crate) send: SendRequest,
}

type Checked = (Asked, Result<Option<Stored>, Refusal>);

/// One session's lane.
pub(crate) struct SendLane {
    ops: Arc<Ops>,
    sender: Sender,
    rate: SendRate,
    pub(crate) turns: Turns,
    /// Not yet checked. The session stops reading its socket before this grows beyond what it takes at once.
    waiting: VecDeque<Asked>,
    checking: Option<BoxFuture<'static, Checked>>,
}

impl SendLane {
    pub(crate) fn new(ops: Arc<Ops>, sender: Sender, rate: SendRate) -> Self {
        Self { ops, sender, rate, turns: Turns::default(), waiting: VecDeque::new(), checking: None }
    }

    /// Sends not yet queued.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.checking.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&mut self, asked: Asked) {
        self.waiting.push_back(asked);
    }

    /// The next send that is checked. Pending for ever on an empty lane. Dropping it loses nothing.
    pub(crate) async fn checked(&mut self) -> Checked {
        std::future::poll_fn(|cx| {
            if self.checking.is_none()
                && let Some(asked) = self.waiting.pop_front()
            {
                self.checking = Some(self.check(asked));
            }
            let Some(checking) = &mut self.checking else { return std::task::Poll::Pending };
            let checked = std::task::ready!(Pin::new(checking).poll(cx));
            self.checking = None;
            if self.waiting.is_empty() {
                self.waiting = VecDeque::new();
            }
            std::task::Poll::Ready(checked)
        })
        .await
    }

    fn check(&mut self, asked: Asked) -> BoxFuture<'static, Checked> {
        let (ops, sender) = (self.ops.clone(), self.sender);
        let wait = self.rate.take(Instant::now());
        Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let checked = ops.check_send(sender, &asked.send).await;
            (asked, checked)
        })
    }

    /// Takes a checked send on: its answer at once, or a future that brings it.
    pub(crate) fn go_on(&mut self, (asked, checked): Checked) -> Result<Answering, Box<Answer>> {
        let Asked { re, send } = asked;
        let (chat, client_id) = (send.chat, send.client_id);
        let answer = move |result| Answer::Sent { re, chat, client_id, result };
        let turn = match self.turns.begin(chat, client_id) {
            Ok(turn) => turn,
            Err(refusal) => return Err(Box::new(Answer::Refused { re, refusal })),
        };
        match checked {
            Ok(Some(stored)) => Err(Box::new(answer(Ok(stored)))),
            Err(refusal) => Err(Box::new(answer(Err(refusal)))),
            Ok(None) => match self.ops.queue_send(self.sender, &send, Some(turn)) {
                Err(refusal) => Err(Box::new(answer(Err(refusal)))),
                Ok(pending) => {
                    let ops = self.ops.clone();
                    Ok(Box::pin(async move { answer(ops.finish_send(pending).await) }))
                }
            },
        }
    }
}
