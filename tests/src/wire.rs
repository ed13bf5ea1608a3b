//! A socket of the protocol, frame by frame: what is sent is exactly what the test says, what comes is kept in order.
//!
//! It never retries, reconnects or repairs; that is a client library's work and would hide what is tested.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::new_id;
use crate::wait::within;

/// A socket.
#[derive(Debug)]
pub struct Wire {
    socket: WebSocketStream<TcpStream>,
    /// Came while something else was waited for.
    kept: VecDeque<Value>,
    last_id: u64,
}

/// How a socket ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The server closed with this code.
    Closed(u16),
    /// The connection broke without a word.
    Broken,
}

impl Wire {
    /// Opens a socket; says nothing yet.
    ///
    /// # Errors
    /// When the server refuses it or is not there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let host = url.strip_prefix("http://").unwrap_or(url);
        let mut request = format!("ws://{host}/v1/ws").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("tidings.v1"));
        let stream = TcpStream::connect(host).await.map_err(Error::Io)?;
        stream.set_nodelay(true).map_err(Error::Io)?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self { socket, kept: VecDeque::new(), last_id: 0 })
    }

    /// Says hello as a new device.
    pub async fn hello(&mut self, token: &str, since: Option<&str>) -> Value {
        let device = uuid::Uuid::new_v4();
        let mut hello = json!({ "type": "hello", "token": token, "device": device, "client": "tests/1" });
        if let Some(since) = since {
            hello["since"] = since.into();
        }
        self.ask(hello).await
    }

    /// Sends a request with the next `id` and waits for its answer.
    pub async fn ask(&mut self, request: Value) -> Value {
        let id = self.post(request).await;
        self.answer(id).await
    }

    /// Sends a request with the next `id`.
    pub async fn post(&mut self, mut request: Value) -> u64 {
        self.last_id += 1;
        request["id"] = self.last_id.into();
        self.text(&request.to_string()).await;
        self.last_id
    }

    /// Sends a text message to a chat; gives the request's `id`.
    pub async fn post_text(&mut self, chat: &str, text: &str) -> u64 {
        self.post(send(chat, &new_id(), text)).await
    }

    /// Sends a text message to a chat and waits until it is on disk.
    pub async fn say(&mut self, chat: &str, text: &str) -> u64 {
        let sent = self.ask(send(chat, &new_id(), text)).await;
        assert_eq!(sent["type"], "sent", "{sent}");
        sent["seq"].as_u64().unwrap()
    }

    /// All events of a chat after `after`, in as many answers as it takes; attached to the chat from there on.
    pub async fn sync(&mut self, chat: &str, mut after: u64) -> Vec<Value> {
        let mut entries = Vec::new();
        loop {
            let mut synced = self.ask(json!({ "type": "sync", "chat": chat, "after": after })).await;
            assert_eq!(synced["type"], "synced", "{synced}");
            entries.append(synced["items"].as_array_mut().unwrap());
            after = entries.last().map_or(after, |last: &Value| last["seq"].as_u64().unwrap());
            if synced["limited"] == false {
                return entries;
            }
        }
    }

    /// A text frame as it is.
    pub async fn text(&mut self, text: &str) {
        within("a frame is sent", self.socket.send(Message::text(text.to_owned()))).await.unwrap();
    }

    /// A text frame of any bytes.
    pub async fn bytes_as_text(&mut self, bytes: Vec<u8>) {
        let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
        within("a frame is sent", self.socket.send(Message::Frame(frame))).await.unwrap();
    }

    /// A binary frame.
    pub async fn binary(&mut self, bytes: Vec<u8>) {
        within("a frame is sent", self.socket.send(Message::binary(bytes))).await.unwrap();
    }

    /// Bytes on the connection that are no whole frame.
    pub async fn raw(&mut self, bytes: &[u8]) {
        within("bytes are sent", self.socket.get_mut().write_all(bytes)).await.unwrap();
    }

    /// The answer to a request; what comes before it is kept.
    pub async fn answer(&mut self, id: u64) -> Value {
        self.take("an answer", |frame| frame["re"] == id).await
    }

    /// The next event of a chat; what comes before it is kept.
    pub async fn event(&mut self, chat: &str) -> Value {
        self.take("an event", |frame| frame["type"] == "event" && frame["chat"] == chat).await
    }

    /// The next text message of a chat: its text.
    pub async fn heard(&mut self, chat: &str) -> String {
        let is_message =
            |frame: &Value| frame["type"] == "event" && frame["chat"] == chat && frame["event"]["kind"] == "message";
        let frame = self.take("a message", is_message).await;
        frame["event"]["body"]["text"].as_str().unwrap().to_owned()
    }

    /// The next frame of a type that the server says by itself; what comes before it is kept.
    pub async fn said(&mut self, kind: &str) -> Value {
        self.take(kind, |frame| frame["type"] == kind && frame["re"].is_null()).await
    }

    /// The first frame, kept or coming, that is what is looked for.
    pub async fn take(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&is_it) {
            return self.kept.remove(at).unwrap();
        }
        let coming = async {
            loop {
                let frames = self.frames().await.unwrap_or_else(|end| unreachable!("{end:?} instead of {what}"));
                self.kept.extend(frames);
                if let Some(at) = self.kept.iter().position(&is_it) {
                    return self.kept.remove(at).unwrap();
                }
            }
        };
        tokio::time::timeout(crate::PATIENCE, coming)
            .await
            .unwrap_or_else(|_| unreachable!("waited in vain for {what}; came instead: {:?}", self.kept))
    }

    /// Everything that came and was not taken.
    pub fn rest(&mut self) -> Vec<Value> {
        self.kept.drain(..).collect()
    }

    /// The frames of the next message, or the end.
    ///
    /// # Errors
    /// How the socket ended.
    pub async fn frames(&mut self) -> Result<Vec<Value>, End> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(End::Broken, |frame| End::Closed(frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(End::Broken),
            }
        }
    }

    /// Waits for the end; what comes before it is kept.
    pub async fn end(&mut self) -> End {
        let ending = async {
            loop {
                match self.frames().await {
                    Ok(frames) => self.kept.extend(frames),
                    Err(end) => return end,
                }
            }
        };
        within("the end of a socket", ending).await
    }
}

/// A request to send a text.
pub fn send(chat: &str, client_id: &str, text: &str) -> Value {
    json!({ "type": "send", "chat": chat, "client_id": client_id, "body": { "text": text } })
}
