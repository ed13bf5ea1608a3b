//! One socket: open, frames in, frames out.
//!
//! Reading and writing go on at the same time in one task: a server that does not take what we write until we have read
//! its answers cannot lock us up. What waits to be written is bounded by the engine's requests under way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use tidings_protocol::client_frame::{Request, SUBPROTOCOL};
use tidings_protocol::limits::{FRAME_BYTES, REQUESTS_PER_FRAME};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Read buffer of a socket: thousands of clients in one process hold little each.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Longest message from a server: a full page with room for its frame, and joined events.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What came.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Frames, separated by line feeds.
    Text(Utf8Bytes),
    /// A sign of life.
    Life,
    /// Something that the protocol does not have.
    Garbage,
    /// The server closed; its code, if it gave one.
    Closed(Option<u16>),
    /// The connection broke.
    Broken(String),
}

/// See the module.
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Requests not yet handed to the socket, as JSON.
    waiting: VecDeque<String>,
    /// Something was handed to the socket and not yet flushed.
    dirty: bool,
}

impl Connection {
    /// Opens the socket. `url` is that of the server, `http://` or `ws://`.
    pub(crate) async fn open(url: &str) -> Result<Self, Error> {
        let mut request = ws_url(url).into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (socket, _) = connect_async_with_config(request, Some(config), true).await?;
        Ok(Self { socket, waiting: VecDeque::new(), dirty: false })
    }

    /// Writes a request as soon as the socket takes it.
    pub(crate) fn write(&mut self, request: &Request) {
        match request.encode() {
            Ok(text) => self.waiting.push_back(text),
            // Ids, numbers, and bodies that are JSON already: there is nothing in it that cannot be written.
            Err(error) => tracing::error!(%error, "request not encoded"),
        }
    }

    /// Writes what waits and brings what comes. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Incoming {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Says goodbye. The other side need not hear it.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            let _ = std::future::poll_fn(|cx| self.poll_write(cx)).await;
            let _ = self.socket.close(None).await;
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), goodbye).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Incoming::Broken(error.to_string()));
        }
        let message = ready!(Pin::new(&mut self.socket).poll_next(cx));
        Poll::Ready(match message {
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                // The pong waits in the socket until it is flushed.
                self.dirty = true;
                Incoming::Life
            }
            Some(Ok(Message::Close(frame))) => Incoming::Closed(frame.map(|frame| frame.code.into())),
            Some(Ok(Message::Binary(_) | Message::Frame(_))) | Some(Err(Error::Utf8(_) | Error::Capacity(_))) => {
                Incoming::Garbage
            }
            Some(Err(error)) => Incoming::Broken(error.to_string()),
            None => Incoming::Closed(None),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if !self.waiting.is_empty() {
                ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
                let text = self.join();
                Pin::new(&mut self.socket).start_send(Message::text(text))?;
                self.dirty = true;
            }
            if self.dirty {
                ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
                self.dirty = false;
            }
            if self.waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// As many requests as one message takes.
    fn join(&mut self) -> String {
        let mut text = self.waiting.pop_front().unwrap_or_default();
        for _ in 1..REQUESTS_PER_FRAME {
            match self.waiting.front() {
                Some(next) if text.len() + 1 + next.len() <= FRAME_BYTES => {
                    text.push('\n');
                    text.push_str(next);
                    self.waiting.pop_front();
                }
                _ => break,
            }
        }
        text
    }
}

fn ws_url(url: &str) -> String {
    let base = url.trim_end_matches('/');
    let base = match base.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => base.to_owned(),
    };
    format!("{base}/v1/ws")
}

#[cfg(test)]
mod tests {
    use super::ws_url;

    #[test]
    fn the_socket_has_the_servers_address() {
        assert_eq!(ws_url("http://127.0.0.1:8080/"), "ws://127.0.0.1:8080/v1/ws");
        assert_eq!(ws_url("https://chat.example"), "wss://chat.example/v1/ws");
        assert_eq!(ws_url("ws://[::1]:1"), "ws://[::1]:1/v1/ws");
    }
}
