//! Send a message: membership, then one append; the ack says that it is on disk.
//!
//! It protects the order and the once of a device's messages. The append is queued in the order in which a session
//! sent (`queue`, which does not wait), and answered later (`PendingSend`). A marked retry is searched in the log before
//! it is appended again (R6): never a blind append.

use tidings_nats::{Append, Owner, PendingAppend, Subject, Turn};
use tidings_protocol::client_frame::Send as SendRequest;
use tidings_protocol::{ErrorCode, Event, EventKind, MsgId, Refusal, SessionId, Timestamp, UserId};

use super::{Ops, append_refusal, encode, now, owner_of};
use crate::http::ops::{Stored, check_body};

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) user: UserId,
    /// The session, which gets the answer instead of the event.
    pub(crate) session: Option<SessionId>,
    /// Whose share of the queue it takes.
    pub(crate) owner: Owner,
}

/// A send that is queued.
pub(crate) struct PendingSend {
    subject: Subject,
    at: Timestamp,
    append: PendingAppend,
}

impl Ops {
    /// Checks that a send may be made. For a retry: the place of the stored one, when it is there already.
    pub(crate) async fn check_send(&self, sender: Sender, send: &SendRequest) -> Result<Option<Stored>, Refusal> {
        check_body(&send.body)?;
        self.reads.membership(send.chat, sender.user).await?.require_member()?;
        if !send.retry {
            return Ok(None);
        }
        let Some(after_seq) = send.after_seq else {
            return Err(Refusal::bad_field("after_seq", "a retry says up to where the chat was known"));
        };
        let found = self.reads.find_own(send.chat, sender.user, send.client_id, after_seq).await?;
        match found {
            Some(entry) if entry.event.body != send.body => {
                Err(Refusal::new(ErrorCode::Conflict, "another body was sent under this client_id"))
            }
            Some(entry) => Ok(Some(Stored { seq: entry.seq, at: entry.event.at, duplicate: true })),
            None => Ok(None),
        }
    }

    /// Queues the append, in the order of the calls.
    pub(crate) fn queue_send(
        &self,
        sender: Sender,
        send: &SendRequest,
        turn: Option<Turn>,
    ) -> Result<PendingSend, Refusal> {
        self.require_room()?;
        let at = now();
        let event = Event::new(EventKind::Message, sender.user, Some(send.client_id), at, send.body.clone());
        let msg_id = MsgId::of_send(sender.user, send.chat, send.client_id);
        let subject = Subject::chat(send.chat);
        let mut append = Append::new(subject, sender.owner, Some(msg_id), encode(&event)?);
        append.session = sender.session;
        append.retry = send.retry;
        append.turn = turn;
        let append = self.publisher.submit(append).map_err(append_refusal)?;
        Ok(PendingSend { subject, at, append })
    }

    /// Waits until it is on disk.
    pub(crate) async fn finish_send(&self, pending: PendingSend) -> Result<Stored, Refusal> {
        let appended = pending.append.await.map_err(append_refusal)?;
        let mut at = pending.at;
        if appended.duplicate {
            at = self.reads.at_of(pending.subject, appended.seq).await?.unwrap_or(at);
        }
        Ok(Stored { seq: appended.seq, at, duplicate: appended.duplicate })
    }

    /// The same in one step, for calls without a session.
    pub(super) async fn send_now(&self, user: UserId, send: SendRequest) -> Result<Stored, Refusal> {
        let sender = Sender { user, session: None, owner: owner_of(user) };
        if let Some(stored) = self.check_send(sender, &send).await? {
            return Ok(stored);
        }
        let pending = self.queue_send(sender, &send, None)?;
        self.finish_send(pending).await
    }
}
