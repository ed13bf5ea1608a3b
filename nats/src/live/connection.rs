//! One connection, from the greeting to its end.
//!
//! One task does everything, so nothing is locked over an await and order is plain: what is heard goes to the
//! [`Delivery`] in the order of the wire; wishes go out in bounded chunks, and a `PING` behind them; its `PONG` says
//! that the server knows them all. While the reader is behind, the socket is not read, and silence then is not held
//! against the server. This file never reconnects: it says why it ended.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::classify::{Heard, LEADER_ADVISORY, classify};
use super::delivery::Delivery;
use super::dial::{Dialed, Info};
use super::error::LostError;
use super::item::{Interruption, LiveItem};
use super::reader::Shared;
use super::servers::Servers;
use super::wire::{Frame, Op, Parser};

/// Most bytes of lines that wait to be written; further wishes wait as wishes.
const OUT_BYTES: usize = 64 * 1024;
/// Less room than this in the read buffer, and a new one is taken.
const MIN_READ_BYTES: usize = 4 * 1024;
/// Silent pings after which the connection is given up.
const MAX_MISSED_PINGS: u32 = 2;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ended {
    /// We were told to stop.
    Stopped,
    /// Nobody receives any more.
    ReceiverGone,
    /// It must be made again.
    Lost(LostError),
}

/// What the `PONG` of an open `PING` says.
#[derive(Debug, PartialEq, Eq)]
enum Ping {
    Alive,
    /// The server knows all wishes up to this version.
    Confirm(u64),
}

pub(super) struct Connection<'a> {
    pub(super) shared: &'a Shared,
    pub(super) delivery: &'a mut Delivery,
    pub(super) servers: &'a mut Servers,
    pub(super) stop: &'a CancellationToken,
    pub(super) ping_interval: Duration,
    pub(super) read_buffer_bytes: usize,
    /// A connection before this one was confirmed: say [`Interruption::Reconnected`] once this one is.
    pub(super) announce: bool,
}

/// What belongs to the one connection and ends with it.
struct Wire {
    parser: Parser,
    buffer: BytesMut,
    /// The buffer grew for a large message and shall shrink again.
    grown: bool,
    out: BytesMut,
    /// Open pings, oldest first: one to see whether the server lives, one to confirm.
    pings: VecDeque<Ping>,
    ping_due: bool,
    /// Pings of the server that want an answer.
    pongs_owed: u64,
    /// The version that the newest confirming ping stood behind.
    asked: Option<u64>,
    /// Anything was read since the last tick.
    heard: bool,
    missed: u32,
    /// The server's last words, which often tell why it closed.
    last_words: Option<String>,
}

impl Connection<'_> {
    /// Runs until it ends. Everything wished for is told to the server first.
    pub(super) async fn run(&mut self, dialed: Dialed) -> Ended {
        let Dialed { stream, info, parser, buffer } = dialed;
        self.servers.learn(&info.connect_urls);
        let mut wire = Wire::new(parser, buffer);
        match self.talk(stream, &mut wire).await {
            Ok(ended) => ended,
            Err(LostError::Closed) => Ended::Lost(match wire.last_words {
                Some(text) => LostError::Dismissed { text },
                None => LostError::Closed,
            }),
            Err(lost) => Ended::Lost(lost),
        }
    }

    async fn talk(&mut self, mut stream: TcpStream, wire: &mut Wire) -> Result<Ended, LostError> {
        let (mut reader, mut writer) = stream.split();
        let mut tick = interval_at(Instant::now() + self.ping_interval, self.ping_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.hear(wire)?;
            self.fill_out(wire);
            wire.make_room(self.read_buffer_bytes);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Ended::Stopped),
                progress = self.delivery.progress() => if progress.is_err() {
                    return Ok(Ended::ReceiverGone);
                },
                _ = tick.tick() => self.tick(wire)?,
                written = writer.write_buf(&mut wire.out), if !wire.out.is_empty() => {
                    written.map_err(|source| LostError::Write { source })?;
                }
                () = self.shared.changed.notified() => {}
                read = reader.read_buf(&mut wire.buffer), if !self.delivery.is_stalled() => {
                    let bytes = read.map_err(|source| LostError::Read { source })?;
                    if bytes == 0 {
                        return Err(LostError::Closed);
                    }
                    wire.heard = true;
                    self.shared.counters.read_bytes.fetch_add(bytes as u64, Relaxed);
                }
            }
        }
    }

    /// Takes every whole operation out of the buffer, unless the reader is behind.
    fn hear(&mut self, wire: &mut Wire) -> Result<(), LostError> {
        while !self.delivery.is_stalled() {
            let next = wire.parser.next(&mut wire.buffer);
            let Some(op) = next.map_err(|source| LostError::Wire { source })? else {
                break;
            };
            match op {
                Op::Msg(frame) => self.message(frame),
                Op::Ping => wire.pongs_owed += 1,
                Op::Pong => self.pong(wire),
                Op::Info(json) => self.info(&json)?,
                Op::Err(text) => self.complaint(wire, text),
                Op::Ok => {}
            }
        }
        Ok(())
    }

    fn message(&mut self, frame: Frame) {
        let counters = &self.shared.counters;
        let bytes = frame.payload().len() + frame.headers().len();
        match classify(frame) {
            Heard::Event(event) => self.delivery.push(LiveItem::Event(event), bytes),
            Heard::Leader(stream) => {
                tracing::info!(stream, "stream has a new leader");
                let leader = Interruption::Leader { stream };
                self.delivery.push(LiveItem::Interrupted(leader), 0);
            }
            Heard::Ignored => {
                counters.ignored.fetch_add(1, Relaxed);
            }
            Heard::Malformed => {
                counters.malformed.fetch_add(1, Relaxed);
            }
        }
    }

    fn pong(&mut self, wire: &mut Wire) {
        let Some(Ping::Confirm(version)) = wire.pings.pop_front() else {
            return;
        };
        self.shared.confirm(version);
        if std::mem::take(&mut self.announce) {
            let reconnected = LiveItem::Interrupted(Interruption::Reconnected);
            self.delivery.push(reconnected, 0);
        }
    }

    fn info(&mut self, json: &[u8]) -> Result<(), LostError> {
        let Ok(info) = Info::parse(json) else {
            tracing::warn!("info of the server cannot be read, passed over");
            return Ok(());
        };
        self.servers.learn(&info.connect_urls);
        if info.ldm {
            // Alone it serves on until it stops: leaving early would only make the gap longer.
            if self.servers.has_another() {
                return Err(LostError::LameDuck);
            }
            tracing::warn!(server = info.server_name, "only server is about to stop");
        }
        Ok(())
    }

    fn complaint(&self, wire: &mut Wire, text: String) {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("permissions violation for subscription")
            || lower.starts_with("maximum subscriptions exceeded")
        {
            tracing::error!(text, "server refused a subscription");
            self.shared.refuse();
        } else {
            tracing::warn!(text, "server complained");
        }
        wire.last_words = Some(text);
    }

    /// Puts behind `out` what there is to say, as far as there is room.
    fn fill_out(&self, wire: &mut Wire) {
        while wire.pongs_owed > 0 && wire.out.len() < OUT_BYTES {
            wire.pongs_owed -= 1;
            wire.out.extend_from_slice(b"PONG\r\n");
        }
        if std::mem::take(&mut wire.ping_due) {
            wire.ping(Ping::Alive);
        }
        let told = {
            let mut desired = self.shared.desired.lock();
            desired.write_changes(&mut wire.out, OUT_BYTES);
            desired.is_told().then(|| desired.version())
        };
        let confirming = wire.pings.iter().any(|ping| matches!(ping, Ping::Confirm(_)));
        if told.is_some() && wire.asked != told && !confirming {
            wire.asked = told;
            wire.ping(Ping::Confirm(told.unwrap_or_default()));
        }
    }

    /// Once per ping interval: is there still somebody?
    fn tick(&self, wire: &mut Wire) -> Result<(), LostError> {
        if self.delivery.is_stalled() {
            return Ok(());
        }
        if std::mem::take(&mut wire.heard) || wire.pings.is_empty() {
            wire.missed = 0;
        } else {
            wire.missed += 1;
        }
        if wire.missed >= MAX_MISSED_PINGS {
            return Err(LostError::Silent);
        }
        wire.ping_due = !wire.pings.contains(&Ping::Alive);
        Ok(())
    }
}

impl Wire {
    fn new(parser: Parser, buffer: BytesMut) -> Self {
        let mut out = BytesMut::new();
        out.extend_from_slice(b"SUB ");
        out.extend_from_slice(LEADER_ADVISORY);
        out.extend_from_slice(b"> 1\r\n");
        Self {
            parser,
            buffer,
            grown: false,
            out,
            pings: VecDeque::new(),
            ping_due: false,
            pongs_owed: 0,
            asked: None,
            heard: false,
            missed: 0,
            last_words: None,
        }
    }

    fn ping(&mut self, ping: Ping) {
        self.out.extend_from_slice(b"PING\r\n");
        self.pings.push_back(ping);
    }

    /// Room for the next read. A buffer that grew for one large message is given back.
    fn make_room(&mut self, read_buffer_bytes: usize) {
        let len = self.buffer.len();
        self.grown |= self.buffer.capacity() > 2 * read_buffer_bytes;
        if self.grown && len < read_buffer_bytes / 2 && self.buffer.capacity() < read_buffer_bytes {
            let mut smaller = BytesMut::with_capacity(read_buffer_bytes);
            smaller.extend_from_slice(&self.buffer);
            self.buffer = smaller;
            self.grown = false;
        } else if self.buffer.capacity() - len < MIN_READ_BYTES {
            // Never asks for more than the first size, so that an unshared buffer is used again where it is.
            let wanted = read_buffer_bytes.saturating_sub(len).max(MIN_READ_BYTES);
            self.buffer.reserve(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::wire::MAX_MESSAGE_BYTES;

    const READ_BUFFER_BYTES: usize = 64 * 1024;

    /// Reads `messages` of `bytes` each, one after the other, and keeps none of them.
    fn read(wire: &mut Wire, messages: usize, bytes: usize) {
        for _ in 0..messages {
            let mut left = format!("MSG a 1 {bytes}\r\n").into_bytes();
            left.resize(left.len() + bytes, b'x');
            left.extend_from_slice(b"\r\n");
            let mut left = &left[..];
            while !left.is_empty() {
                wire.make_room(READ_BUFFER_BYTES);
                let room = wire.buffer.capacity() - wire.buffer.len();
                assert!(room >= MIN_READ_BYTES);
                let read = room.min(left.len());
                wire.buffer.extend_from_slice(&left[..read]);
                left = &left[read..];
                let heard = wire.parser.next(&mut wire.buffer);
                assert_eq!(heard.is_ok_and(|op| op.is_some()), left.is_empty());
            }
        }
    }

    #[test]
    fn an_unshared_read_buffer_is_used_again_and_never_grows() {
        let buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
        let mut wire = Wire::new(Parser::default(), buffer);
        for _ in 0..1_000 {
            read(&mut wire, 1, 1_000);
            assert!(wire.buffer.capacity() <= READ_BUFFER_BYTES);
        }
        assert!(!wire.grown);
    }

    #[test]
    fn room_for_a_large_message_is_given_back() {
        let buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
        let mut wire = Wire::new(Parser::default(), buffer);
        read(&mut wire, 1, MAX_MESSAGE_BYTES);
        assert!(wire.grown);
        read(&mut wire, 1, 100);
        assert!(!wire.grown);
        for _ in 0..1_000 {
            read(&mut wire, 1, 1_000);
            assert!(wire.buffer.capacity() <= READ_BUFFER_BYTES);
        }
    }
}
