//! One HTTP call on a connection of its own (version 1.0, so the answer ends with the connection), written out, so that
//! a test can send what no library would.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The document; a string when it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The document of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// A refusal has this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
    }
}

/// One call; `body` is sent as it is.
///
/// # Errors
/// When the server cannot be reached or goes away before it has answered.
pub async fn call(
    base: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&[u8]>,
) -> io::Result<Answer> {
    let host = base.strip_prefix("http://").unwrap_or(base);
    let mut request = format!("{method} {path} HTTP/1.0\r\nhost: {host}\r\n");
    if let Some(token) = token {
        request += &format!("authorization: Bearer {token}\r\n");
    }
    if let Some(body) = body {
        request += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    request += "\r\n";
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(&bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    read(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off"))
}

fn read(answer: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if length.is_some_and(|length| length != body.len()) {
        return None;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body_value = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
    Some(Answer { status, head: head.to_owned(), body: body_value })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn an_answer_that_broke_off_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a\": 1}";
        let answer = read(whole).unwrap();
        assert_eq!((answer.status, answer.body["a"].as_u64()), (200, Some(1)));
        assert!(read(&whole[..whole.len() - 1]).is_none());
        assert!(read(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
