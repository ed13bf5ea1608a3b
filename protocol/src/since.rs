//! The resume token (R14): a position in the user's inbox, opaque to clients.
//!
//! It holds user, stream, the stream's epoch, position and log time. It is no secret and gives no right: a gateway
//! takes it only together with an access token of the same user.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Seq, UserId};

const VERSION: u8 = 1;
const BODY_LEN: usize = 1 + 16 + 2 + 8 + 8 + 8;
const CHECK_LEN: usize = 4;

/// A position in a user's inbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// Whose inbox.
    pub user: UserId,
    /// Which `INBOX_<n>` stream holds it.
    pub stream: u16,
    /// The stream's identity (its creation time): another epoch, another log.
    pub epoch: u64,
    /// Every inbox event up to here was taken in.
    pub seq: Seq,
    /// Log time of that position, in milliseconds since 1970.
    pub time_ms: i64,
}

/// The text is no resume token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a resume token")]
pub struct BadSince;

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BODY_LEN + CHECK_LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.user.as_bytes());
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.time_ms.to_be_bytes());
        f.write_str(&seal(bytes))
    }
}

impl FromStr for Since {
    type Err = BadSince;

    fn from_str(text: &str) -> Result<Self, BadSince> {
        let bytes = unseal(text).ok_or(BadSince)?;
        let fields: &[u8; BODY_LEN] = bytes.as_slice().try_into().map_err(|_| BadSince)?;
        if fields[0] != VERSION {
            return Err(BadSince);
        }
        let word = |at: usize| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&fields[at..at + 8]);
            word
        };
        let user = Uuid::from_slice(&fields[1..17]).map_err(|_| BadSince)?;
        Ok(Self {
            user: UserId(user),
            stream: u16::from_be_bytes([fields[17], fields[18]]),
            epoch: u64::from_be_bytes(word(19)),
            seq: u64::from_be_bytes(word(27)),
            time_ms: i64::from_be_bytes(word(35)),
        })
    }
}

/// Base64 of the bytes and four bytes of their hash, so that a damaged or invented text is told from a real one.
pub(crate) fn seal(mut bytes: Vec<u8>) -> String {
    let check = Sha256::digest(&bytes);
    bytes.extend_from_slice(&check[..CHECK_LEN]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes under a sealed text, when it is one.
pub(crate) fn unseal(text: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let body_len = bytes.len().checked_sub(CHECK_LEN)?;
    let check = bytes.split_off(body_len);
    (Sha256::digest(&bytes)[..CHECK_LEN] == check[..]).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let since =
            Since { user: UserId(Uuid::from_u128(7)), stream: 3, epoch: 9, seq: 1 << 40, time_ms: 1_700_000_000_000 };
        let text = since.to_string();
        assert_eq!(text.parse::<Since>().unwrap(), since);
        assert_eq!("".parse::<Since>(), Err(BadSince));
        assert_eq!("abc".parse::<Since>(), Err(BadSince));
        for at in 0..text.len() {
            let mut broken = text.clone().into_bytes();
            broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(String::from_utf8(broken).unwrap().parse::<Since>(), Ok(since));
        }
    }
}
