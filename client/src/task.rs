//! The one task of a client: it owns the socket, the engine and everything that waits, and takes one thing at a time.
//!
//! It protects the app from the connection: messages and requests are taken while there is none, and go out when there
//! is. Whatever ends a connection, the engine is told before the next one begins. It never holds two connections, and
//! never waits for the app while it could talk to the server (until much waits for the app: see `outlet`).

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_protocol::client_frame::{Command as Asked, Hello, Request};
use tidings_protocol::server_frame::ServerFrame;
use tidings_protocol::{Body, ChatId, ChatSummary, ClientId, Refusal, UserCard};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::backoff::Jitter;
use crate::config::{ClientConfig, TokenSource};
use crate::connection::{Connection, Incoming};
use crate::engine::{Action, Engine, Taken};
use crate::error::SendError;
use crate::event::{ClientEvent, OfflineReason, Resume, Stored};
use crate::outlet::Outlet;
use crate::requests::{Reply, Requests};
use crate::verdict::{Ended, Next};

/// A connection that ended sooner than this after its welcome counts as a failure: the next one waits longer.
const SETTLED: Duration = Duration::from_secs(5);

/// What a handle asks.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send a message. The permit is its place in the outbox.
    Send(Box<Outgoing>),
    /// Ask over the socket.
    Ask(Box<Asked>, Reply),
    /// A chat that an HTTP answer named.
    Learn(Box<ChatSummary>),
    /// Where we are.
    Resume(oneshot::Sender<Resume>),
    /// Drop the connection and make a new one.
    Reconnect,
    /// End.
    Close(oneshot::Sender<Resume>),
}

/// A message and who waits for it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) chat: ChatId,
    pub(crate) client_id: ClientId,
    pub(crate) body: Body,
    pub(crate) reply: oneshot::Sender<Result<Stored, SendError>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// How the client is, for those who wait for it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Status {
    Offline,
    Online(UserCard),
    Stopped(OfflineReason),
}

/// Who waits for a message, and its place in the outbox.
type Waiting = (oneshot::Sender<Result<Stored, SendError>>, OwnedSemaphorePermit);

/// See the module.
pub(crate) struct Task {
    config: Arc<ClientConfig>,
    commands: mpsc::Receiver<Command>,
    outlet: Outlet,
    status: watch::Sender<Status>,
    engine: Engine,
    requests: Requests,
    /// Messages without an outcome.
    sends: HashMap<ClientId, Waiting>,
    jitter: Jitter,
    /// Connections in a row that did not last.
    failures: u32,
    /// The last token was refused.
    token_refused: bool,
}

/// One connection from hello on.
struct Talk {
    connection: Connection,
    /// Number of our `hello`.
    hello: u64,
    /// When `welcome` came.
    welcomed: Option<Instant>,
    /// `welcome` must be there by then.
    welcome_until: Instant,
    /// When anything was heard last.
    heard: Instant,
    /// The server is stopping: leave then.
    leave_at: Option<Instant>,
}

/// What woke the task.
enum Woken {
    Command(Option<Command>),
    Room,
    Timer,
}

impl Task {
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        commands: mpsc::Receiver<Command>,
        to_app: mpsc::Sender<ClientEvent>,
        status: watch::Sender<Status>,
    ) -> Self {
        // Clients of one process must not wait in step; the id of a device is random.
        let seed = config.device.0.as_u64_pair().1 ^ uuid::Uuid::new_v4().as_u64_pair().0;
        Self {
            engine: Engine::new(config.resume.clone(), seed),
            config,
            commands,
            outlet: Outlet::new(to_app),
            status,
            requests: Requests::default(),
            sends: HashMap::new(),
            jitter: Jitter::new(!seed),
            failures: 0,
            token_refused: false,
        }
    }

    /// Connects, talks, and connects again, until closed or told not to come back.
    pub(crate) async fn run(mut self) {
        let reason = loop {
            let ended = match self.one_connection().await {
                Ok(ended) | Err(ended) => ended,
            };
            self.engine.lost();
            self.requests.lost();
            let Some(wait) = self.wait_after(&ended) else { break ended.reason };
            self.status.send_replace(Status::Offline);
            tracing::debug!(reason = %ended.reason, wait_ms = wait.as_millis(), "offline");
            self.outlet.push(ClientEvent::Offline { reason: ended.reason, retry_in: Some(wait) });
            if let Err(ended) = self.meanwhile(tokio::time::sleep(wait)).await {
                break ended.reason;
            }
        };
        self.stop(reason).await;
    }

    /// How long to wait for the next connection; `None`: there is none.
    fn wait_after(&mut self, ended: &Ended) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        self.token_refused = ended.next == Next::NewToken;
        let earlier = self.failures - 1;
        match &ended.next {
            Next::Stop => None,
            Next::NewToken if matches!(self.config.token, TokenSource::Fixed(_)) => None,
            Next::Now | Next::NewToken if earlier == 0 => Some(Duration::ZERO),
            Next::Now | Next::NewToken => Some(self.jitter.backoff(earlier, Duration::ZERO)),
            Next::Backoff(at_least) => Some(self.jitter.backoff(earlier, *at_least)),
        }
    }

    /// Everybody who waits is told, and the app gets what waits for it.
    async fn stop(mut self, reason: OfflineReason) {
        tracing::debug!(%reason, "stopped");
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.refuse(command, &reason);
        }
        self.requests.stop();
        for (_, (reply, _)) in self.sends.drain() {
            // Whoever dropped the future does not want to know.
            let _ = reply.send(Err(SendError::Stopped(reason.clone())));
        }
        self.status.send_replace(Status::Stopped(reason.clone()));
        self.outlet.push(ClientEvent::Offline { reason, retry_in: None });
        while !self.outlet.is_empty() {
            self.outlet.room().await;
        }
    }

    fn refuse(&self, command: Command, reason: &OfflineReason) {
        match command {
            Command::Send(send) => {
                let _ = send.reply.send(Err(SendError::Stopped(reason.clone())));
            }
            Command::Ask(_, reply) => {
                let _ = reply.send(Err(crate::error::RequestError::Stopped));
            }
            Command::Resume(reply) | Command::Close(reply) => {
                let _ = reply.send(self.engine.resume());
            }
            Command::Learn(_) | Command::Reconnect => {}
        }
    }

    async fn one_connection(&mut self) -> Result<Ended, Ended> {
        let config = self.config.clone();
        let token = self.meanwhile(config.token.get(self.token_refused)).await?;
        let token = token.map_err(|error| Ended::backoff(OfflineReason::NoToken(error.to_string())))?;
        let connect = tokio::time::timeout(config.connect_timeout, Connection::open(&config.url));
        let connection = match self.meanwhile(connect).await? {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(Ended::backoff(OfflineReason::Connect(error.to_string()))),
            Err(_) => return Err(Ended::backoff(OfflineReason::Connect("no answer in time".to_owned()))),
        };
        let mut talk = self.hello(connection, token);
        let ended = loop {
            if let Err(ended) = self.step(&mut talk).await {
                break ended;
            }
            self.perform(&mut talk);
        };
        if talk.welcomed.is_some_and(|at| at.elapsed() >= SETTLED) {
            self.failures = 0;
        }
        if !matches!(ended.reason, OfflineReason::Broken(_) | OfflineReason::Closed(_)) {
            // Apart: the goodbye of a connection that is given up holds up nobody.
            tokio::spawn(talk.connection.close());
        }
        Ok(ended)
    }

    fn hello(&mut self, mut connection: Connection, token: String) -> Talk {
        let hello = self.engine.next_id();
        let command = Asked::Hello(Hello {
            token,
            device: self.config.device,
            since: self.engine.since(),
            client: Some(self.config.name.clone()),
        });
        connection.write(&Request { id: hello, command });
        let now = now();
        let welcome_until = now + self.config.connect_timeout;
        Talk { connection, hello, welcomed: None, welcome_until, heard: now, leave_at: None }
    }

    /// Takes the next thing, whatever it is.
    async fn step(&mut self, talk: &mut Talk) -> Result<(), Ended> {
        let reads = !self.outlet.is_full();
        let timer = self.next_wake(talk, reads);
        tokio::select! {
            incoming = talk.connection.next(), if reads => self.incoming(talk, incoming),
            woken = Self::woken(&mut self.commands, &mut self.outlet, timer) => {
                self.woke(woken)?;
                self.on_time(talk, reads)
            }
        }
    }

    fn next_wake(&self, talk: &Talk, reads: bool) -> Option<Instant> {
        let engine = talk.welcomed.and_then(|_| self.engine.next_wake());
        let welcome = talk.welcomed.is_none().then_some(talk.welcome_until);
        let silence = reads.then_some(talk.heard + self.config.silence);
        [engine, welcome, silence, talk.leave_at, self.requests.next_wake()].into_iter().flatten().min()
    }

    fn on_time(&mut self, talk: &mut Talk, reads: bool) -> Result<(), Ended> {
        let now = now();
        self.requests.expire(now);
        if talk.leave_at.is_some_and(|at| at <= now) {
            return Err(Ended { reason: OfflineReason::Drained, next: Next::Now });
        }
        if !reads {
            // What was not read may be long there.
            talk.heard = now;
        } else if talk.heard + self.config.silence <= now {
            return Err(Ended::backoff(OfflineReason::Silent));
        }
        let answered = match talk.welcomed {
            None => talk.welcome_until > now,
            Some(_) => self.engine.wake(now),
        };
        if answered { Ok(()) } else { Err(Ended::backoff(OfflineReason::Unanswered)) }
    }

    fn incoming(&mut self, talk: &mut Talk, incoming: Incoming) -> Result<(), Ended> {
        talk.heard = now();
        match incoming {
            Incoming::Text(text) => {
                for line in text.split('\n').filter(|line| !line.is_empty()) {
                    match ServerFrame::decode(line) {
                        Ok(Some(frame)) => self.frame(talk, frame)?,
                        Ok(None) => {}
                        Err(_) => return Err(Ended::backoff(OfflineReason::Garbage)),
                    }
                }
                Ok(())
            }
            Incoming::Life => Ok(()),
            Incoming::Garbage => Err(Ended::backoff(OfflineReason::Garbage)),
            Incoming::Closed(_) if talk.leave_at.is_some() => {
                Err(Ended { reason: OfflineReason::Drained, next: Next::Now })
            }
            Incoming::Closed(code) => Err(Ended::closed(code)),
            Incoming::Broken(error) => Err(Ended::backoff(OfflineReason::Broken(error))),
        }
    }

    fn frame(&mut self, talk: &mut Talk, frame: ServerFrame) -> Result<(), Ended> {
        let now = now();
        if talk.welcomed.is_none() {
            return match frame {
                ServerFrame::Welcome(welcome) if welcome.re == talk.hello => {
                    talk.welcomed = Some(now);
                    self.token_refused = false;
                    self.status.send_replace(Status::Online(welcome.user.clone()));
                    self.engine.welcome(welcome, now);
                    Ok(())
                }
                ServerFrame::Error(error) if error.re == talk.hello || error.re == 0 => {
                    let (code, message, retry_after_ms) = (error.code, error.message, error.retry_after_ms);
                    Err(Ended::refused(Refusal { code, message, retry_after_ms }, error.retry))
                }
                _ => Ok(()),
            };
        }
        match self.engine.frame(frame, now) {
            Taken::Done => {}
            Taken::Answer(re, frame) => self.requests.answered(re, *frame),
            Taken::Drain(wait, window) => {
                talk.leave_at = Some(now + wait + self.jitter.within(window));
            }
            Taken::NewToken => return Err(Ended { reason: OfflineReason::TokenRefused, next: Next::NewToken }),
        }
        Ok(())
    }

    /// Does what the engine wants, and asks what the app wants to know.
    fn perform(&mut self, talk: &mut Talk) {
        for action in self.engine.take_actions() {
            match action {
                Action::Ask(request) => talk.connection.write(&request),
                Action::Tell(event) => self.outlet.push(event),
                Action::Settled(client_id, outcome) => {
                    if let Some((reply, permit)) = self.sends.remove(&client_id) {
                        drop(permit);
                        // Whoever dropped the future does not want to know.
                        let _ = reply.send(outcome.map_err(SendError::Refused));
                    }
                }
            }
        }
        if talk.welcomed.is_some() && talk.leave_at.is_none() {
            while let Some(request) = self.requests.start(|| self.engine.next_id()) {
                talk.connection.write(&request);
            }
        }
    }

    /// Waits for `work` without a connection, taking what comes from the app.
    async fn meanwhile<F: Future>(&mut self, work: F) -> Result<F::Output, Ended> {
        let mut work = pin!(work);
        loop {
            let timer = self.requests.next_wake();
            tokio::select! {
                done = &mut work => return Ok(done),
                woken = Self::woken(&mut self.commands, &mut self.outlet, timer) => {
                    self.woke(woken)?;
                    self.requests.expire(now());
                }
            }
        }
    }

    async fn woken(commands: &mut mpsc::Receiver<Command>, outlet: &mut Outlet, timer: Option<Instant>) -> Woken {
        let alarm = async {
            match timer {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => Woken::Command(command),
            () = outlet.room() => Woken::Room,
            () = alarm => Woken::Timer,
        }
    }

    fn woke(&mut self, woken: Woken) -> Result<(), Ended> {
        let now = now();
        match woken {
            Woken::Room | Woken::Timer => {}
            Woken::Command(None) => return Err(Ended::stop(OfflineReason::Stopped)),
            Woken::Command(Some(command)) => match command {
                Command::Send(send) => {
                    let Outgoing { chat, client_id, body, reply, permit } = *send;
                    self.sends.insert(client_id, (reply, permit));
                    self.engine.push(chat, client_id, body, now);
                }
                Command::Ask(asked, reply) => self.requests.push(*asked, reply, now, self.config.request_timeout),
                Command::Learn(summary) => self.engine.learn(&summary),
                Command::Resume(reply) => {
                    let _ = reply.send(self.engine.resume());
                }
                Command::Reconnect => {
                    return Err(Ended {
                        reason: OfflineReason::Broken("the app asked for a new connection".to_owned()),
                        next: Next::Now,
                    });
                }
                Command::Close(reply) => {
                    let _ = reply.send(self.engine.resume());
                    return Err(Ended::stop(OfflineReason::Stopped));
                }
            },
        }
        Ok(())
    }
}

/// The runtime's clock, so that tests can turn it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
