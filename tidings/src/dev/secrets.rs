//! The secrets of one installation, made at its first start and kept in `secrets.json` (readable by its owner only).
//!
//! Never made anew when the file is there but cannot be read: every token and the password of the nats-server would
//! change under the feet of those who hold them.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use rand::Rng;
use rand::distr::{Distribution, Uniform};
use serde::Deserialize;

use super::data::{DataError, write_private};
use crate::settings::Secret;

/// Name of the file in the data folder.
const FILE_NAME: &str = "secrets.json";

/// 256 bits, the length HS256 asks for.
const KEY_BYTES: usize = 32;

/// Letters of the demo password: none that look like another one, so it can be read out.
const DEMO_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Keys and passwords of this installation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// Signs and checks access tokens (HS256), also those of `tidings token`.
    pub(crate) token_key: Secret,
    /// Of the user `tidings` on the child nats-server: the loopback address is open to every user of the machine.
    pub(crate) nats_password: Secret,
    /// Of the demo users.
    pub(crate) demo_password: Secret,
}

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretsError {
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] DataError),
    /// The file is there and cannot be read.
    #[error("could not read the secrets in {}", path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is damaged. What is in it is not quoted.
    #[error("{} is damaged: put the original back; it is never made anew, all tokens would end", path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
    },
}

impl Secrets {
    /// The secrets in the data folder `data`; made when there are none yet.
    ///
    /// # Errors
    /// [`SecretsError`] when the file cannot be read or written.
    pub(crate) fn load_or_make(data: &Path) -> Result<Self, SecretsError> {
        match Self::load(data) {
            Err(SecretsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let made = Self::make();
                write_private(&data.join(FILE_NAME), made.to_json().as_bytes())?;
                Ok(made)
            }
            outcome => outcome,
        }
    }

    /// The secrets in the data folder `data`.
    ///
    /// # Errors
    /// [`SecretsError`] when there are none or they cannot be read.
    pub(crate) fn load(data: &Path) -> Result<Self, SecretsError> {
        let path = data.join(FILE_NAME);
        let text = fs::read_to_string(&path).map_err(|source| SecretsError::Read { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|_| SecretsError::Damaged { path })
    }

    fn make() -> Self {
        let mut random = rand::rng();
        let mut key = || {
            random.random::<[u8; KEY_BYTES]>().iter().fold(String::new(), |mut hex, byte| {
                // Writing to a String cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        Self {
            token_key: Secret::new(key()),
            nats_password: Secret::new(key()),
            demo_password: Secret::new(demo_password()),
        }
    }

    fn to_json(&self) -> String {
        format!(
            "{:#}\n",
            serde_json::json!({
                "token_key": self.token_key.reveal(),
                "nats_password": self.nats_password.reveal(),
                "demo_password": self.demo_password.reveal(),
            })
        )
    }
}

/// Three groups of five letters, 74 bits.
fn demo_password() -> String {
    let letters = Uniform::new(0, DEMO_LETTERS.len()).expect("there is at least one letter");
    let mut random = rand::rng();
    let mut group = || (0..5).map(|_| char::from(DEMO_LETTERS[letters.sample(&mut random)])).collect::<String>();
    [group(), group(), group()].join("-")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{FILE_NAME, Secrets, SecretsError};

    #[test]
    fn secrets_are_made_once_and_then_kept() {
        let home = tempfile::tempdir().unwrap();
        let made = Secrets::load_or_make(home.path()).unwrap();
        let kept = Secrets::load_or_make(home.path()).unwrap();
        assert_eq!(made.token_key, kept.token_key);
        assert_eq!(made.nats_password, kept.nats_password);
        assert_eq!(made.demo_password, kept.demo_password);
        assert_eq!(made.token_key.reveal().len(), 64);
        assert_ne!(made.token_key, made.nats_password);
        assert_eq!(made.demo_password.reveal().len(), 17);
        let mode = fs::metadata(home.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn two_installations_share_no_secret() {
        let (one, other) = (Secrets::make(), Secrets::make());
        assert_ne!(one.token_key, other.token_key);
        assert_ne!(one.nats_password, other.nats_password);
        assert_ne!(one.demo_password, other.demo_password);
    }

    #[test]
    fn a_damaged_file_is_neither_replaced_nor_quoted() {
        let home = tempfile::tempdir().unwrap();
        for damage in [r#"{"token_key":"hush-hush"}"#, r#"{"token_key":"hush-hush"#, ""] {
            fs::write(home.path().join(FILE_NAME), damage).unwrap();
            let refusal = Secrets::load_or_make(home.path()).unwrap_err();
            assert!(matches!(refusal, SecretsError::Damaged { .. }), "{refusal}");
            assert!(!format!("{refusal} {refusal:?}").contains("hush"));
            assert_eq!(fs::read_to_string(home.path().join(FILE_NAME)).unwrap(), damage);
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let made = Secrets::make();
        let printed = format!("{made:?}");
        assert!(!printed.contains(made.token_key.reveal()), "{printed}");
        assert!(!printed.contains(made.demo_password.reveal()), "{printed}");
    }
}
