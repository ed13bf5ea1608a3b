//! The socket of one session: one task that reads requests, writes what the queue holds, pings, and says goodbye.
//!
//! Bounds: requests under way ([`ANSWERS`]) stop the reading of the socket, so a client that asks faster than it is
//! answered waits in its own send buffer; the queue of frames closes a session that does not read ("too slow"); bad
//! frames are answered and counted ([`BAD_FRAMES`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use tidings_nats::Owner;
use tidings_protocol::client_frame::{BadRequest, Command as Asked, Hello, Request, SUBPROTOCOL};
use tidings_protocol::limits::{FRAME_BYTES, REQUESTS_PER_FRAME};
use tidings_protocol::server_frame::{Drain, ErrorFrame, Pong, ServerFrame, Tick};
use tidings_protocol::{CloseCode, ErrorCode, Refusal, Seq};
use tokio::time::MissedTickBehavior;

use super::answer::{Answer, Answering, text_of};
use super::hello::{Greeted, close, greet};
use super::lane::{Asked as AskedSend, SendLane};
use super::rate::SendRate;
use super::{answer, shared::SessionShared};
use crate::core::Core;
use crate::fanout::hub::Command;
use crate::http::ConnectionSlot;
use crate::ops::Sender;

/// Requests of one session under way at once.
const ANSWERS: usize = 64;
/// Frames that are no requests before a session is closed.
const BAD_FRAMES: u32 = 20;
/// Read buffer of a socket: an idle session holds little.
const READ_BUFFER_BYTES: usize = 1_024;
/// A message longer than this ends the connection; one between [`FRAME_BYTES`] and this is answered `too_large`.
const MESSAGE_BYTES_MAX: usize = 2 * FRAME_BYTES;

/// `GET /v1/ws`: refuses when full, else upgrades. The session keeps the connection's `slot` as long as it lasts.
pub(crate) fn upgrade(
    core: Arc<Core>,
    upgrade: WebSocketUpgrade,
    slot: Option<ConnectionSlot>,
) -> Result<Response, Refusal> {
    if core.draining.is_cancelled() || core.open.load(Ordering::Relaxed) >= core.settings.max_sessions {
        return Err(Refusal::new(ErrorCode::Overloaded, "no room for another session here").after_ms(2_000));
    }
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(core.settings.queue_bytes.max(2 * 1024 * 1024) * 2)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| {
        let tracker = core.sessions.clone();
        tracker.track_future(async move {
            serve(core, socket).await;
            drop(slot);
        })
    }))
}

async fn serve(core: Arc<Core>, mut socket: WebSocket) {
    core.open.fetch_add(1, Ordering::Relaxed);
    // Only the client's part has a time-out: who waits because the log is slow is not sent away for good.
    let within = Duration::from_millis(core.settings.hello_timeout_ms);
    match tokio::time::timeout(within, first_frame(&mut socket)).await {
        Ok(Some((re, hello))) => {
            if let Some(greeted) = greeted(&core, &mut socket, re, &hello).await {
                let session = greeted.shared.id;
                Session::new(core.clone(), greeted).run(socket).await;
                close(&core, session).await;
            }
        }
        Ok(None) => {}
        Err(_) => goodbye(&mut socket, CloseCode::NoHello).await,
    }
    core.open.fetch_sub(1, Ordering::Relaxed);
}

/// The first frame. `None`: answered and closed.
async fn first_frame(socket: &mut WebSocket) -> Option<(u64, Hello)> {
    loop {
        let text = match socket.recv().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => {
                let refusal = Refusal::new(ErrorCode::BadFrame, "frames are text");
                refuse(socket, 0, refusal, CloseCode::NoHello).await;
                return None;
            }
            Some(Err(error)) => {
                if let Some(code) = broken(&error) {
                    goodbye(socket, code).await;
                }
                return None;
            }
            Some(Ok(Message::Close(_))) | None => return None,
        };
        if text.len() > FRAME_BYTES {
            refuse(socket, 0, too_large(), CloseCode::NoHello).await;
            return None;
        }
        let request = match Request::decode(&text) {
            Ok(request) => request,
            Err(BadRequest { id, refusal }) => {
                refuse(socket, id, refusal, CloseCode::NoHello).await;
                return None;
            }
        };
        let Asked::Hello(hello) = request.command else {
            let refusal = Refusal::new(ErrorCode::Unauthenticated, "the first frame is hello");
            refuse(socket, request.id, refusal, CloseCode::NoHello).await;
            return None;
        };
        return Some((request.id, hello));
    }
}

/// Answers hello. `None`: refused and closed.
async fn greeted(core: &Core, socket: &mut WebSocket, re: u64, hello: &Hello) -> Option<Greeted> {
    match greet(core, re, hello).await {
        Ok(greeted) => Some(greeted),
        Err(refusal) => {
            let code = match refusal.code {
                ErrorCode::Unauthenticated | ErrorCode::TokenExpired => CloseCode::TokenRefused,
                _ => CloseCode::Overloaded,
            };
            refuse(socket, re, refusal, code).await;
            None
        }
    }
}

/// The close code for what the WebSocket layer itself refuses; `None` for a connection that is gone.
fn broken(error: &axum::Error) -> Option<CloseCode> {
    use tokio_tungstenite::tungstenite::Error;
    let error = std::error::Error::source(error)?.downcast_ref::<Error>()?;
    match error {
        Error::Capacity(_) => Some(CloseCode::TooLarge),
        Error::Utf8(_) | Error::Protocol(_) => Some(CloseCode::BadFrames),
        _ => None,
    }
}

fn too_large() -> Refusal {
    Refusal::new(ErrorCode::TooLarge, format!("a frame has at most {FRAME_BYTES} bytes"))
}

async fn refuse(socket: &mut WebSocket, re: u64, refusal: Refusal, code: CloseCode) {
    if let Some(text) = text_of(&ServerFrame::Error(ErrorFrame::of(re, refusal))) {
        // A socket that is gone needs no answer.
        let _ = socket.send(Message::Text(text)).await;
    }
    goodbye(socket, code).await;
}

async fn goodbye(socket: &mut WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.number(), reason: Utf8Bytes::from_static(code.reason()) };
    let _ = tokio::time::timeout(Duration::from_secs(2), socket.send(Message::Close(Some(frame)))).await;
}

/// Why a session ends.
enum End {
    /// The client closed, or its connection is gone.
    Gone,
    /// We close it.
    Close(CloseCode),
}

/// One session after its hello.
struct Session {
    core: Arc<Core>,
    shared: Arc<SessionShared>,
    lane: SendLane,
    answers: FuturesUnordered<Answering>,
    bad_frames: u32,
    /// When anything was heard last.
    heard: Instant,
    /// The place that the newest token given out names.
    told: Seq,
    /// When the access token ends.
    expires_in: Duration,
}

impl Session {
    fn new(core: Arc<Core>, greeted: Greeted) -> Self {
        let Greeted { shared, claims } = greeted;
        let mut word = [0u8; 8];
        word.copy_from_slice(&shared.id.as_bytes()[..8]);
        let sender = Sender { user: shared.user, session: Some(shared.id), owner: Owner(u64::from_be_bytes(word)) };
        let rate = SendRate::new(core.settings.sends_per_second, core.settings.sends_burst, Instant::now());
        let left_ms = claims.expires_at.millis().saturating_sub(crate::ops::now().millis());
        Self {
            lane: SendLane::new(core.ops.clone(), sender, rate),
            answers: FuturesUnordered::new(),
            bad_frames: 0,
            heard: Instant::now(),
            told: shared.since_seq(),
            expires_in: Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)),
            core,
            shared,
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let end = self.talk(&mut socket).await;
        if let End::Close(code) = end {
            goodbye(&mut socket, code).await;
        }
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> End {
        let mut ping = tokio::time::interval(Duration::from_millis(self.core.settings.ping_interval_ms));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let core = self.core.clone();
        let shared = self.shared.clone();
        let expired = tokio::time::sleep(self.expires_in);
        tokio::pin!(expired);
        loop {
            let takes_more = self.answers.len() + self.lane.len() < ANSWERS;
            let step = tokio::select! {
                () = shared.queue.ready() => self.write(socket).await,
                message = socket.recv(), if takes_more => self.message(message),
                checked = self.lane.checked(), if !self.lane.is_empty() => {
                    match self.lane.go_on(checked) {
                        Ok(answering) => { self.answers.push(answering); Ok(()) }
                        Err(answer) => self.answer(*answer).await,
                    }
                }
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.answer(answer).await,
                _ = ping.tick() => self.ping(socket).await,
                () = core.draining.cancelled() => return self.drain(socket).await,
                () = &mut expired => Err(End::Close(CloseCode::TokenRefused)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Writes what waits. A socket that does not take it in time is gone.
    async fn write(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        if let Some(code) = self.shared.queue.closed() {
            return Err(End::Close(code));
        }
        let within = Duration::from_millis(self.core.settings.write_timeout_ms);
        while let Some(message) = self.shared.queue.take(self.core.settings.join_bytes) {
            tokio::select! {
                sent = tokio::time::timeout(within, socket.send(Message::Text(message))) => match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(End::Gone),
                    Err(_) => return Err(End::Close(CloseCode::TooSlow)),
                },
                code = self.shared.queue.until_closed() => return Err(End::Close(code)),
            }
        }
        Ok(())
    }

    fn message(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => self.text(&text),
            Some(Ok(Message::Binary(_))) => self.bad_frame(0, Refusal::new(ErrorCode::BadFrame, "frames are text")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Err(error)) => Err(broken(&error).map_or(End::Gone, End::Close)),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), End> {
        if text.len() > FRAME_BYTES {
            return self.bad_frame(0, too_large());
        }
        for (count, line) in text.split('\n').filter(|line| !line.trim().is_empty()).enumerate() {
            if count == REQUESTS_PER_FRAME {
                return self.bad_frame(0, Refusal::new(ErrorCode::TooLarge, "too many requests in one frame"));
            }
            match Request::decode(line) {
                Ok(request) => self.request(request),
                Err(BadRequest { id, refusal }) => self.bad_frame(id, refusal)?,
            }
        }
        Ok(())
    }

    fn bad_frame(&mut self, re: u64, refusal: Refusal) -> Result<(), End> {
        if refusal.code == ErrorCode::BadFrame {
            self.bad_frames += 1;
        }
        if self.bad_frames >= BAD_FRAMES {
            return Err(End::Close(CloseCode::BadFrames));
        }
        self.push(&ServerFrame::Error(ErrorFrame::of(re, refusal)));
        Ok(())
    }

    fn request(&mut self, request: Request) {
        let (re, ops, user) = (request.id, self.core.ops.clone(), self.shared.user);
        match request.command {
            Asked::Send(send) => self.lane.push(AskedSend { re, send }),
            Asked::Sync(asked) => self.answers.push(answer::sync(ops, user, re, asked)),
            Asked::History(asked) => self.answers.push(answer::history(ops, user, re, asked)),
            Asked::Chats(asked) => self.answers.push(answer::chats(ops, user, re, asked)),
            Asked::Read(asked) => self.answers.push(answer::read(ops, user, self.shared.id, re, asked)),
            Asked::Ping(_) => {
                let since = self.newer_token();
                self.push(&ServerFrame::Pong(Pong { re, server_time: crate::ops::now(), since }));
            }
            Asked::Hello(_) => {
                let refusal = Refusal::new(ErrorCode::Already, "this session has said hello");
                self.push(&ServerFrame::Error(ErrorFrame::of(re, refusal)));
            }
        }
    }

    async fn answer(&mut self, answer: Answer) -> Result<(), End> {
        let mut attach = None;
        match &answer {
            Answer::Sent { chat, client_id, result, .. } => {
                self.lane.turns.end(*chat, *client_id, result.as_ref().map(|_| ()));
            }
            Answer::Synced { chat, result: Ok(synced), .. } if !synced.limited => {
                self.lane.turns.synced(*chat);
                attach = synced.attach_from.map(|from| (*chat, from));
            }
            _ => {}
        }
        self.push(&answer.into_frame());
        if let Some((chat, from)) = attach {
            let command = Command::Attach { session: self.shared.id, chat, from };
            if self.core.hub.send(command).await.is_err() {
                return Err(End::Close(CloseCode::Draining));
            }
        }
        Ok(())
    }

    fn push(&self, frame: &ServerFrame) {
        if let Some(text) = text_of(frame) {
            self.shared.push(text);
        }
    }

    /// A token newer than the last one given out.
    fn newer_token(&mut self) -> Option<String> {
        let place = self.shared.since();
        if place.seq <= self.told {
            return None;
        }
        self.told = place.seq;
        self.core.token(self.shared.user, place)
    }

    async fn ping(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        if self.heard.elapsed() > Duration::from_millis(self.core.settings.ping_interval_ms * 5 / 2) {
            return Err(End::Close(CloseCode::Silent));
        }
        if let Some(since) = self.newer_token() {
            self.push(&ServerFrame::Tick(Tick { since }));
        }
        let within = Duration::from_millis(self.core.settings.write_timeout_ms);
        match tokio::time::timeout(within, socket.send(Message::Ping(axum::body::Bytes::new()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(CloseCode::TooSlow)),
        }
    }

    /// Says where and when to go, finishes what is under way for a moment of its own within the window, and closes.
    async fn drain(&mut self, socket: &mut WebSocket) -> End {
        let window_ms = self.core.settings.drain_window_ms;
        self.push(&ServerFrame::Drain(Drain { reconnect_after_ms: 0, window_ms }));
        let mine = Duration::from_millis(rand::rng().random_range(0..=window_ms));
        let until = tokio::time::Instant::now() + mine;
        let shared = self.shared.clone();
        loop {
            let step = tokio::select! {
                () = shared.queue.ready() => self.write(socket).await,
                message = socket.recv() => match message {
                    // What still comes is not begun: the client sends it again elsewhere.
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
                    _ => Ok(()),
                },
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.answer(answer).await,
                () = tokio::time::sleep_until(until), if self.answers.is_empty() => Err(End::Close(CloseCode::Draining)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }
}
