//! Accounts on a store in a folder of its own, for tests.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tidings_schema::SqliteStore;

use super::{Accounts, AuthSettings, Grant, Login, Register};
use crate::tokens::{AppTokenSettings, InstallKeys, Verifier};

pub(crate) const KEY: &[u8; 32] = b"the install's key, of thirty-two";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Bench {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<SqliteStore>,
    /// Removed when dropped, after the store.
    _folder: tempfile::TempDir,
}

pub(crate) fn keys() -> InstallKeys {
    InstallKeys::new(KEY).unwrap()
}

pub(crate) async fn verifier(app: &AppTokenSettings, dev: bool) -> Verifier {
    Verifier::start(keys(), app, dev).await.unwrap()
}

pub(crate) fn bench(settings: &AuthSettings) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tidings.db")).unwrap();
    let accounts = Arc::new(Accounts::new(store.clone(), keys(), settings).unwrap());
    Bench { accounts, store, _folder: folder }
}

impl Bench {
    pub(crate) async fn register(&self, handle: &str) -> Grant {
        let asked = Register { handle: handle.to_owned(), password: PASSWORD.to_owned(), name: handle.to_uppercase() };
        self.accounts.register(asked, FROM).await.unwrap()
    }
}

pub(crate) fn login(handle: &str, password: &str) -> Login {
    Login { handle: handle.to_owned(), password: password.to_owned() }
}
