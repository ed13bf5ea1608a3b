//! What the live reader costs: `cargo run --release -p tidings-nats --example live_rate [messages] [subscriptions]`.
//!
//! Prints the parser's rate alone, the rate from a socket to the receiver of the channel (the sender is a thread of this
//! process, so both share the machine), and the memory that subscriptions add to the process. Needs no nats-server.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tidings_nats::live::wire::{Op, Parser};
use tidings_nats::live::{LiveItem, LiveReader, LiveSettings, LiveSubject, start};
use tidings_nats::settings::NatsSettings;
use tidings_protocol::ChatId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

const PAYLOAD_BYTES: usize = 256;
const CHATS: u128 = 1_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let messages = numbers.next().transpose()?.unwrap_or(2_000_000);
    let subscriptions = numbers.next().transpose()?.unwrap_or(100_000);
    let lines = lines();
    parser_rate(&lines, messages)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(socket_rate(lines, messages))?;
    runtime.block_on(subscription_cost(subscriptions))
}

fn chat(n: u128) -> LiveSubject {
    LiveSubject::Chat(ChatId(Uuid::from_u128(n << 64 | 7)))
}

/// One message for each chat, with all the headers that a republished event has.
fn lines() -> Vec<u8> {
    let payload = "x".repeat(PAYLOAD_BYTES);
    let mut lines = Vec::new();
    for n in 0..CHATS {
        let headers = format!(
            "NATS/1.0\r\nNats-Msg-Id: 6106fb63c455e117484ff483a28517c4\r\nTidings-Deadline: 4102444800000\r\n\
             Tidings-Session: {}\r\nNats-Batch-Id: {}\r\nNats-Batch-Sequence: 12\r\nNats-Stream: CHAT_0\r\n\
             Nats-Subject: chat.12.{}\r\nNats-Sequence: {}\r\nNats-Time-Stamp: 2026-01-02T03:04:05.678901234Z\r\n\
             Nats-Last-Sequence: {n}\r\n\r\n",
            Uuid::nil(),
            Uuid::nil(),
            Uuid::nil(),
            n + 1,
        );
        let total = headers.len() + payload.len();
        let line = format!("HMSG {} {n} {} {total}\r\n", chat(n), headers.len());
        lines.extend_from_slice(line.as_bytes());
        lines.extend_from_slice(headers.as_bytes());
        lines.extend_from_slice(payload.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

fn parser_rate(lines: &[u8], messages: u64) -> Result<(), Failure> {
    let mut parser = Parser::default();
    let mut parsed = 0u64;
    let mut payload_bytes = 0;
    let began = Instant::now();
    while parsed < messages {
        let mut buffer = BytesMut::from(lines);
        while let Some(op) = parser.next(&mut buffer)? {
            if let Op::Msg(frame) = op {
                payload_bytes += frame.into_payload().len();
                parsed += 1;
            }
        }
    }
    print_rate("parser alone", parsed, began.elapsed());
    assert_eq!(payload_bytes as u64, parsed * PAYLOAD_BYTES as u64);
    Ok(())
}

async fn socket_rate(lines: Vec<u8>, messages: u64) -> Result<(), Failure> {
    let (go, started) = sync_channel::<()>(1);
    let repeats = messages.div_ceil(u64::try_from(CHATS)?);
    let port = serve(move |stream| {
        wait(&started);
        for _ in 0..repeats {
            if stream.write_all(&lines).is_err() {
                return;
            }
        }
    })?;
    let (live, mut items, stop) = reader(port)?;
    live.confirmed().await?;
    go.send(())?;
    let began = Instant::now();
    let wanted = repeats * u64::try_from(CHATS)?;
    let mut heard = 0;
    while heard < wanted {
        match items.recv().await {
            Some(LiveItem::Event(_)) => heard += 1,
            other => return Err(format!("{other:?} instead of an event").into()),
        }
    }
    print_rate("socket to receiver", heard, began.elapsed());
    stop.cancel();
    Ok(())
}

async fn subscription_cost(subscriptions: u64) -> Result<(), Failure> {
    let port = serve(|_| ())?;
    let (live, _items, stop) = reader(port)?;
    live.confirmed().await?;
    let before = resident_bytes()?;
    let began = Instant::now();
    for n in 0..subscriptions {
        live.subscribe(chat(n.into()))?;
    }
    let noted = began.elapsed();
    live.confirmed().await?;
    let told = began.elapsed();
    let added = resident_bytes()?.saturating_sub(before);
    println!(
        "{subscriptions} subscriptions: noted in {} ms, confirmed after {} ms, {} bytes each of resident memory",
        noted.as_millis(),
        told.as_millis(),
        added / subscriptions.max(1),
    );
    stop.cancel();
    Ok(())
}

type Started = (Arc<dyn LiveReader>, tokio::sync::mpsc::Receiver<LiveItem>, CancellationToken);

fn reader(port: u16) -> Result<Started, Failure> {
    let nats = NatsSettings { servers: vec![format!("127.0.0.1:{port}")], ..NatsSettings::default() };
    let live = LiveSettings { stall_ms: 60_000, ..LiveSettings::default() };
    let stop = CancellationToken::new();
    let (live, items) = start(&nats, live, stop.clone(), &TaskTracker::new())?;
    Ok((live, items, stop))
}

/// A server of one connection that greets and answers pings; `send` runs beside that on a thread of its own.
fn serve(send: impl FnOnce(&mut TcpStream) + Send + 'static) -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"INFO {\"headers\":true}\r\n")?;
        let mut sending = stream.try_clone()?;
        let mut send = Some(send);
        let mut pings = 0;
        let mut line = String::new();
        let mut lines = BufReader::new(stream.try_clone()?);
        while lines.read_line(&mut line)? > 0 {
            if line == "PING\r\n" {
                pings += 1;
                stream.write_all(b"PONG\r\n")?;
            }
            line.clear();
            // The first ping is the greeting's, the second confirms: then the line is free for the messages.
            if pings == 2
                && let Some(send) = send.take()
            {
                send(&mut sending);
            }
        }
        Ok(())
    });
    Ok(port)
}

fn wait(started: &Receiver<()>) {
    // An error means that the reader has given up, which is said there.
    let _ = started.recv();
}

fn print_rate(what: &str, messages: u64, took: Duration) {
    let rate = messages as f64 / took.as_secs_f64();
    println!("{what}: {messages} messages of {PAYLOAD_BYTES} bytes in {} ms, {rate:.0}/s", took.as_millis());
}

/// Memory of this process that is in RAM.
fn resident_bytes() -> Result<u64, Failure> {
    const KIB: u64 = 1_024;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * KIB)
}
