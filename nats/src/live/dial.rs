//! From an address to a connection that has said hello both ways.

use std::time::Duration;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::DialError;
use super::servers::Address;
use super::wire::{Op, Parser};
use crate::settings::NatsSettings;

/// What we use of a server's `INFO`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) server_name: String,
    headers: bool,
    tls_required: bool,
    /// Other servers of the cluster, `host:port`.
    pub(super) connect_urls: Vec<String>,
    /// Lame duck mode: the server stops soon and asks everybody to leave.
    pub(super) ldm: bool,
}

impl Info {
    pub(super) fn parse(json: &[u8]) -> Result<Self, DialError> {
        serde_json::from_slice(json).map_err(|source| DialError::Info { source })
    }
}

/// Our half of the greeting.
#[derive(Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    echo: bool,
    headers: bool,
    no_responders: bool,
    /// 1: the server may send `INFO` at any time, which tells of new servers and of lame duck mode.
    protocol: u8,
    lang: &'static str,
    version: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
}

/// A connection after the greeting.
#[derive(Debug)]
pub(super) struct Dialed {
    pub(super) stream: TcpStream,
    pub(super) info: Info,
    pub(super) parser: Parser,
    /// What came behind the greeting.
    pub(super) buffer: BytesMut,
}

/// Connects and greets, within `connect_timeout_ms`.
pub(super) async fn dial(
    address: &Address,
    settings: &NatsSettings,
    read_buffer_bytes: usize,
) -> Result<Dialed, DialError> {
    let waited_ms = settings.connect_timeout_ms;
    let greeting = greet(address, settings, read_buffer_bytes);
    tokio::time::timeout(Duration::from_millis(waited_ms), greeting)
        .await
        .map_err(|_| DialError::TimedOut { waited_ms })?
}

async fn greet(address: &Address, settings: &NatsSettings, read_buffer_bytes: usize) -> Result<Dialed, DialError> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|source| DialError::Connect { source })?;
    stream.set_nodelay(true).map_err(|source| DialError::Connect { source })?;
    let mut parser = Parser::default();
    let mut buffer = BytesMut::with_capacity(read_buffer_bytes);
    let mut info = match next_op(&mut stream, &mut parser, &mut buffer).await? {
        Op::Info(json) => Info::parse(&json)?,
        Op::Err(text) => return Err(DialError::Refused { text }),
        Op::Msg(_) | Op::Ping | Op::Pong | Op::Ok => return Err(unexpected()),
    };
    if info.tls_required {
        return Err(DialError::TlsRequired);
    }
    if !info.headers {
        return Err(DialError::NoHeaders);
    }
    stream.write_all(&hello(settings)?).await.map_err(|source| DialError::Greeting { source })?;
    loop {
        match next_op(&mut stream, &mut parser, &mut buffer).await? {
            Op::Pong => break,
            Op::Err(text) => return Err(DialError::Refused { text }),
            Op::Ping => stream.write_all(b"PONG\r\n").await.map_err(|source| DialError::Greeting { source })?,
            Op::Info(json) => info = Info::parse(&json)?,
            Op::Ok => {}
            Op::Msg(_) => return Err(unexpected()),
        }
    }
    Ok(Dialed { stream, info, parser, buffer })
}

/// `CONNECT` and a `PING` whose answer says that it was accepted.
fn hello(settings: &NatsSettings) -> Result<Vec<u8>, DialError> {
    let connect = Connect {
        verbose: false,
        pedantic: false,
        tls_required: false,
        echo: false,
        headers: true,
        no_responders: false,
        protocol: 1,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        name: "tidings-live",
        user: settings.user.as_deref(),
        pass: settings.password.as_deref(),
        auth_token: settings.token.as_deref(),
    };
    let mut line = b"CONNECT ".to_vec();
    serde_json::to_writer(&mut line, &connect).map_err(|source| DialError::Info { source })?;
    line.extend_from_slice(b"\r\nPING\r\n");
    Ok(line)
}

async fn next_op(stream: &mut TcpStream, parser: &mut Parser, buffer: &mut BytesMut) -> Result<Op, DialError> {
    loop {
        let parsed = parser.next(buffer);
        if let Some(op) = parsed.map_err(|source| DialError::Wire { source })? {
            return Ok(op);
        }
        let read = stream.read_buf(buffer).await;
        if read.map_err(|source| DialError::Greeting { source })? == 0 {
            return Err(DialError::Greeting { source: std::io::ErrorKind::UnexpectedEof.into() });
        }
    }
}

fn unexpected() -> DialError {
    DialError::Wire { source: super::wire::WireError::UnknownOperation }
}
