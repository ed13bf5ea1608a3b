//! The handle: what an app holds of its client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidings_protocol::client_frame::{Chats, Command as Asked, History, Ping, Read};
use tidings_protocol::limits::BODY_BYTES;
use tidings_protocol::server_frame::{ChatList, Page, Pong, ServerFrame};
use tidings_protocol::{Body, ChatId, ChatSummary, ClientId, ErrorCode, Refusal, Role, Seq, UserCard, UserId};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::config::ClientConfig;
use crate::error::{RequestError, SendError};
use crate::event::{ClientEvent, OfflineReason, Resume, Stored};
use crate::http::{Api, Http, HttpError};
use crate::requests::REQUESTS_WAITING;
use crate::task::{Command, Outgoing, Status, Task};

/// A connection to a Tidings server that mends itself, with an outbox. Clones are handles to the same client; it ends
/// with [`Client::close`] or when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    /// Places in the outbox.
    outbox: Arc<Semaphore>,
    config: Arc<ClientConfig>,
    status: watch::Receiver<Status>,
    api: Api,
}

/// The events of a [`Client`]. Dropping it means that the app wants none.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<ClientEvent>);

impl Events {
    /// The next event; `None` once the client has stopped and everything was told.
    pub async fn recv(&mut self) -> Option<ClientEvent> {
        self.0.recv().await
    }

    /// The next event if there is one already.
    pub fn try_recv(&mut self) -> Option<ClientEvent> {
        self.0.try_recv().ok()
    }
}

/// A message on its way: a future of its place in the log, or of the final refusal. Dropping it does not take the
/// message back.
#[derive(Debug)]
#[must_use = "the outcome tells whether the message is stored"]
pub struct Sending {
    client_id: ClientId,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Waits(oneshot::Receiver<Result<Stored, SendError>>),
    NotTaken(SendError),
}

impl Sending {
    /// The message's own name (R6), as in its event.
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }
}

impl Future for Sending {
    type Output = Result<Stored, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.outcome {
            Outcome::NotTaken(error) => Poll::Ready(Err(error.clone())),
            Outcome::Waits(waits) => Pin::new(waits)
                .poll(cx)
                .map(|outcome| outcome.unwrap_or(Err(SendError::Stopped(OfflineReason::Stopped)))),
        }
    }
}

impl Client {
    /// A client that begins to connect at once, in a task of its own on the current runtime. It goes on until it is
    /// closed, or until the server says not to come back ([`ClientEvent::Offline`] without `retry_in`).
    pub fn connect(config: ClientConfig) -> (Self, Events) {
        let api = Http::new(&config.url).with_token(config.token.clone());
        Self::connect_sharing(config, api)
    }

    /// The same with an HTTP client that others share: thousands of clients in one process need one pool.
    pub fn connect_sharing(config: ClientConfig, api: Api) -> (Self, Events) {
        let config = Arc::new(config);
        // Each message has its place in the outbox, so the channel is never full of them; the rest is requests.
        let (commands, taken) = mpsc::channel(config.outbox_messages + REQUESTS_WAITING);
        let (to_app, events) = mpsc::channel(config.events.max(1));
        let (to_status, status) = watch::channel(Status::Offline);
        let outbox = Arc::new(Semaphore::new(config.outbox_messages));
        tokio::spawn(Task::new(config.clone(), taken, to_app, to_status).run());
        (Self { commands, outbox, config, status, api }, Events(events))
    }

    /// Waits until the client is connected.
    ///
    /// # Errors
    /// Why it has stopped, when it has.
    pub async fn online(&self) -> Result<UserCard, OfflineReason> {
        let mut status = self.status.clone();
        let known = status.wait_for(|status| *status != Status::Offline).await;
        match known.map(|status| status.clone()) {
            Ok(Status::Online(user)) => Ok(user),
            Ok(Status::Stopped(reason)) => Err(reason),
            Ok(Status::Offline) | Err(_) => Err(OfflineReason::Stopped),
        }
    }

    /// Sends a message. Messages to one chat are stored in the order of these calls, each once, whatever fails
    /// meanwhile; the future resolves when it is on disk, or refused for good.
    pub fn send(&self, chat: ChatId, body: Body) -> Sending {
        let client_id = ClientId::generate();
        let outcome = match unsendable(&body) {
            Some(refusal) => Outcome::NotTaken(SendError::Refused(refusal)),
            None => self.hand_over(chat, client_id, body),
        };
        Sending { client_id, outcome }
    }

    fn hand_over(&self, chat: ChatId, client_id: ClientId, body: Body) -> Outcome {
        let (reply, waits) = oneshot::channel();
        match self.outbox.clone().try_acquire_owned() {
            Err(_) => Outcome::NotTaken(SendError::OutboxFull { max: self.config.outbox_messages }),
            Ok(permit) => {
                let outgoing = Outgoing { chat, client_id, body, reply, permit };
                match self.commands.try_send(Command::Send(Box::new(outgoing))) {
                    Ok(()) => Outcome::Waits(waits),
                    Err(mpsc::error::TrySendError::Closed(_)) => Outcome::NotTaken(SendError::Stopped(self.stopped())),
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        Outcome::NotTaken(SendError::OutboxFull { max: self.config.outbox_messages })
                    }
                }
            }
        }
    }

    fn stopped(&self) -> OfflineReason {
        match &*self.status.borrow() {
            Status::Stopped(reason) => reason.clone(),
            _ => OfflineReason::Stopped,
        }
    }

    /// A page of history.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn history(&self, history: History) -> Result<Page, RequestError> {
        match self.ask(Asked::History(history)).await? {
            ServerFrame::Page(page) => Ok(page),
            _ => Err(RequestError::WrongAnswer),
        }
    }

    /// A page of the list of chats, newest first; `cursor` is the `more` of the page before.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn chats(&self, cursor: Option<String>, limit: Option<u64>) -> Result<ChatList, RequestError> {
        match self.ask(Asked::Chats(Chats { cursor, limit })).await? {
            ServerFrame::ChatList(list) => Ok(list),
            _ => Err(RequestError::WrongAnswer),
        }
    }

    /// Moves the own read position.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn read(&self, chat: ChatId, seq: Seq) -> Result<(), RequestError> {
        match self.ask(Asked::Read(Read { chat, seq })).await? {
            ServerFrame::Ok(_) => Ok(()),
            _ => Err(RequestError::WrongAnswer),
        }
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn ping(&self) -> Result<Pong, RequestError> {
        match self.ask(Asked::Ping(Ping {})).await? {
            ServerFrame::Pong(pong) => Ok(pong),
            _ => Err(RequestError::WrongAnswer),
        }
    }

    async fn ask(&self, asked: Asked) -> Result<ServerFrame, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(Command::Ask(Box::new(asked), reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RequestError::TooMany,
            mpsc::error::TrySendError::Closed(_) => RequestError::Stopped,
        })?;
        answer.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// The HTTP calls, with this client's tokens.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Opens the direct chat with `with`, or meets it.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn create_direct(&self, with: UserId) -> Result<ChatSummary, HttpError> {
        let chat = self.api.create_direct(with).await?;
        self.learn(&chat).await;
        Ok(chat)
    }

    /// Makes a group. The same `client_id` makes it once.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn create_group(
        &self,
        client_id: ClientId,
        title: &str,
        members: &[UserId],
    ) -> Result<ChatSummary, HttpError> {
        let chat = self.api.create_group(client_id, title, members).await?;
        self.learn(&chat).await;
        Ok(chat)
    }

    /// Adds a member, or with `role` also sets the role.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn add_member(&self, chat: ChatId, user: UserId, role: Option<Role>) -> Result<(), HttpError> {
        self.api.put_member(chat, user, role).await
    }

    /// Removes a member; oneself: leaves.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn remove_member(&self, chat: ChatId, user: UserId) -> Result<(), HttpError> {
        self.api.delete_member(chat, user).await
    }

    async fn learn(&self, chat: &ChatSummary) {
        // A client that has stopped needs to know nothing.
        let _ = self.commands.send(Command::Learn(Box::new(chat.clone()))).await;
    }

    /// Where this client is now, for the next one of the same installation. It counts events that were told, also
    /// those that still wait in [`Events`]: an app that is interrupted keeps this after it has taken them.
    pub async fn resume(&self) -> Option<Resume> {
        let (reply, resume) = oneshot::channel();
        self.commands.send(Command::Resume(reply)).await.ok()?;
        resume.await.ok()
    }

    /// Drops the connection and makes a new one at once: for an app that knows that the network has changed.
    pub async fn reconnect(&self) {
        // A client that has stopped has no connection.
        let _ = self.commands.send(Command::Reconnect).await;
    }

    /// Ends the client. Messages without an outcome end with [`SendError::Stopped`]. Gives what
    /// [`Client::resume`] gives, unless it had stopped before.
    pub async fn close(self) -> Option<Resume> {
        let (reply, resume) = oneshot::channel();
        self.commands.send(Command::Close(reply)).await.ok()?;
        resume.await.ok()
    }
}

/// What every server refuses. Told here, because a frame beyond the limit would end the connection for all messages.
fn unsendable(body: &Body) -> Option<Refusal> {
    if body.len() > BODY_BYTES {
        return Some(Refusal::new(ErrorCode::TooLarge, format!("body: at most {BODY_BYTES} bytes")));
    }
    (!body.is_object()).then(|| Refusal::bad_field("body", "must be an object"))
}
