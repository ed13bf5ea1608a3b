//! The operations on a real store: what each gives, refuses and ends.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use async_trait::async_trait;
use tidings_protocol::{ErrorCode, Refusal, Timestamp, UserId};
use tidings_schema::directory::{Credentials, RefreshHash, RefreshRow, RefreshUse, Registered, UserRow};
use tidings_schema::{DirectoryStore, SqliteStore, StoreError};
use uuid::Uuid;

use super::grant::refresh_hash;
use super::testing::{FROM, PASSWORD, bench, keys, login, verifier};
use super::*;
use crate::tokens::{AppTokenSettings, Claims, Origin};

fn settings() -> AuthSettings {
    AuthSettings::default()
}

fn code<T>(result: Result<T, Refusal>) -> Option<ErrorCode> {
    result.err().map(|refusal| refusal.code)
}

fn refresh(token: &str) -> Refresh {
    Refresh { refresh: token.to_owned() }
}

fn register(handle: &str, password: &str, name: &str) -> Register {
    let [handle, password, name] = [handle, password, name].map(str::to_owned);
    Register { handle, password, name }
}

#[tokio::test]
async fn a_new_account_can_log_in_and_its_tokens_name_it() {
    let bench = bench(&settings());
    let made = bench.accounts.register(register("@Alice", PASSWORD, " Alice A. "), FROM).await.unwrap();
    assert_eq!((made.user.handle.as_deref(), made.user.name.as_str()), (Some("alice"), "Alice A."));
    let again = bench.accounts.login(login("ALICE", PASSWORD), FROM).await.unwrap();
    assert_eq!(again.user, made.user);
    assert_ne!(again.refresh, made.refresh);
    let verifier = verifier(&AppTokenSettings::default(), false).await;
    let claims = verifier.verify(&again.access).unwrap();
    assert_eq!((claims.user, claims.expires_at), (made.user.id, again.access_expires_at));
    assert_eq!(claims.origin, Origin::Account);
    assert_eq!(bench.accounts.identify(&claims).await.unwrap(), made.user);
    let left = again.access_expires_at.millis() - now().millis();
    assert!((899_000 - 5_000..=900_000).contains(&left), "{left}");
    assert!(!format!("{again:?}").contains(&again.refresh));
}

#[tokio::test]
async fn bad_fields_and_taken_handles_make_no_account() {
    let bench = bench(&settings());
    bench.register("alice").await;
    let long = "x".repeat(257);
    for (handle, password, name, expected) in [
        ("a", PASSWORD, "A", ErrorCode::BadField),
        ("al ice", PASSWORD, "A", ErrorCode::BadField),
        ("bob", "1234567", "B", ErrorCode::BadField),
        ("bob", &long, "B", ErrorCode::BadField),
        ("bob", PASSWORD, " ", ErrorCode::BadField),
        ("bob", PASSWORD, &long, ErrorCode::BadField),
        ("bob", PASSWORD, "B\nB", ErrorCode::BadField),
        ("Alice", PASSWORD, "A", ErrorCode::Already),
    ] {
        let answer = bench.accounts.register(register(handle, password, name), FROM).await;
        assert_eq!(code(answer), Some(expected), "{handle} {name}");
    }
    assert_eq!(bench.store.user_by_handle("bob").await.unwrap(), None);
}

#[tokio::test]
async fn two_who_register_one_handle_at_once_are_told_apart() {
    let bench = bench(&settings());
    let one = bench.accounts.register(register("carol", PASSWORD, "C"), FROM);
    let other = bench.accounts.register(register("carol", PASSWORD, "C"), FROM);
    let (one, other) = tokio::join!(one, other);
    let verdicts = [code(one), code(other)];
    assert!(verdicts == [None, Some(ErrorCode::Already)] || verdicts == [Some(ErrorCode::Already), None]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_handle_read_the_same() {
    let bench = bench(&settings());
    bench.register("alice").await;
    let wrong = bench.accounts.login(login("alice", "wrong password"), FROM).await.unwrap_err();
    let unknown = bench.accounts.login(login("nobody", PASSWORD), FROM).await.unwrap_err();
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.code, ErrorCode::Unauthenticated);
    let long = bench.accounts.login(login("alice", &"x".repeat(257)), FROM).await;
    assert_eq!(code(long), Some(ErrorCode::BadField));
}

#[tokio::test]
async fn guessing_is_slowed_per_handle_and_per_address() {
    let slow = Duration::from_secs(3600);
    let limits = AuthSettings {
        handle_attempts: 2,
        handle_attempt_every: slow,
        address_attempts: 6,
        address_attempt_every: slow,
        ..settings()
    };
    let bench = bench(&limits);
    bench.register("alice").await;
    for _ in 0..2 {
        let wrong = bench.accounts.login(login("alice", "wrong password"), FROM).await;
        assert_eq!(code(wrong), Some(ErrorCode::Unauthenticated));
    }
    let refused = bench.accounts.login(login("alice", PASSWORD), FROM).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.retry_after_ms.unwrap() > 3_500_000);
    // One registration and three log-ins came from here, two more may, right or wrong.
    for _ in 0..2 {
        let unknown = bench.accounts.login(login("nobody", PASSWORD), FROM).await;
        assert_eq!(code(unknown), Some(ErrorCode::Unauthenticated));
    }
    let refused = bench.accounts.login(login("carol", PASSWORD), FROM).await;
    assert_eq!(code(refused), Some(ErrorCode::RateLimited));
    let elsewhere = bench.accounts.login(login("carol", PASSWORD), [10, 0, 0, 9].into()).await;
    assert_eq!(code(elsewhere), Some(ErrorCode::Unauthenticated));
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_second_use_ends_the_log_in() {
    let bench = bench(&settings());
    let first = bench.register("alice").await;
    let other = bench.accounts.login(login("alice", PASSWORD), FROM).await.unwrap();
    let second = bench.accounts.refresh(refresh(&first.refresh)).await.unwrap();
    let third = bench.accounts.refresh(refresh(&second.refresh)).await.unwrap();
    assert_eq!(third.user, first.user);
    let reused = bench.accounts.refresh(refresh(&first.refresh)).await;
    assert_eq!(code(reused), Some(ErrorCode::Unauthenticated));
    let after = bench.accounts.refresh(refresh(&third.refresh)).await;
    assert_eq!(code(after), Some(ErrorCode::Unauthenticated), "the newest of the family has ended too");
    assert!(bench.accounts.refresh(refresh(&other.refresh)).await.is_ok(), "another log-in goes on");
}

#[tokio::test]
async fn refresh_tokens_that_are_none_or_too_old() {
    let bench = bench(&settings());
    let user = bench.register("alice").await.user;
    for (token, expected) in
        [("", ErrorCode::BadField), (&*"x".repeat(257), ErrorCode::BadField), ("invented", ErrorCode::Unauthenticated)]
    {
        assert_eq!(code(bench.accounts.refresh(refresh(token)).await), Some(expected));
    }
    let row = RefreshRow { user: user.id, family: Uuid::new_v4(), expires_at: Timestamp(now().millis() - 1) };
    bench.store.put_refresh(refresh_hash("old"), row).await.unwrap();
    assert_eq!(code(bench.accounts.refresh(refresh("old")).await), Some(ErrorCode::TokenExpired));
    let gone = RefreshRow { user: UserId::generate(), expires_at: Timestamp(now().millis() + 60_000), ..row };
    bench.store.put_refresh(refresh_hash("gone"), gone).await.unwrap();
    assert_eq!(code(bench.accounts.refresh(refresh("gone")).await), Some(ErrorCode::Unauthenticated));
}

#[tokio::test]
async fn logging_out_ends_one_log_in_and_may_be_repeated() {
    let bench = bench(&settings());
    let first = bench.register("alice").await;
    let other = bench.accounts.login(login("alice", PASSWORD), FROM).await.unwrap();
    for _ in 0..2 {
        bench.accounts.logout(Logout { refresh: first.refresh.clone() }).await.unwrap();
    }
    assert_eq!(code(bench.accounts.refresh(refresh(&first.refresh)).await), Some(ErrorCode::Unauthenticated));
    assert!(bench.accounts.refresh(refresh(&other.refresh)).await.is_ok());
}

#[tokio::test]
async fn a_new_password_ends_all_log_ins_but_gives_a_new_one() {
    let bench = bench(&settings());
    let old = bench.register("alice").await;
    let change =
        |password: &str, new: &str| ChangePassword { password: password.to_owned(), new_password: new.to_owned() };
    let user = old.user.id;
    let wrong = bench.accounts.change_password(user, change("wrong one", "battery staple"), FROM).await;
    assert_eq!(code(wrong), Some(ErrorCode::NotAllowed));
    let short = bench.accounts.change_password(user, change(PASSWORD, "short"), FROM).await;
    assert_eq!(code(short), Some(ErrorCode::BadField));
    let new = bench.accounts.change_password(user, change(PASSWORD, "battery staple"), FROM).await.unwrap();
    assert_eq!(new.user, old.user);
    let gone = bench.accounts.refresh(refresh(&old.refresh)).await;
    assert_eq!(code(gone), Some(ErrorCode::Unauthenticated));
    assert!(bench.accounts.refresh(refresh(&new.refresh)).await.is_ok());
    let before = bench.accounts.login(login("alice", PASSWORD), FROM).await;
    assert_eq!(code(before), Some(ErrorCode::Unauthenticated));
    assert!(bench.accounts.login(login("alice", "battery staple"), FROM).await.is_ok());
}

fn claims(user: UserId, name: &str, origin: Origin) -> Claims {
    let expires_at = Timestamp(now().millis() + 60_000);
    Claims { user, handle: None, name: name.to_owned(), expires_at, origin }
}

#[tokio::test]
async fn a_user_of_the_app_is_made_once_and_keeps_what_is_changed_here() {
    let bench = bench(&settings());
    let user = UserId::from_token("app", "42");
    let card = bench.accounts.identify(&claims(user, "Ann", Origin::App)).await.unwrap();
    assert_eq!((card.id, card.handle.as_deref(), card.name.as_str()), (user, None, "Ann"));
    assert!(bench.store.users(&[user]).await.unwrap()[0].is_some());
    let change = ChangeProfile { name: Some("Anna".to_owned()) };
    assert_eq!(bench.accounts.change_profile(user, change).await.unwrap().name, "Anna");
    let again = bench.accounts.identify(&claims(user, "Ann", Origin::App)).await.unwrap();
    assert_eq!(again.name, "Anna");
    let password = ChangePassword { password: PASSWORD.to_owned(), new_password: PASSWORD.to_owned() };
    let none = bench.accounts.change_password(user, password, FROM).await;
    assert_eq!(code(none), Some(ErrorCode::NotAllowed));
}

#[tokio::test]
async fn a_development_token_is_the_account_with_that_handle_if_there_is_one() {
    let bench = bench(&settings());
    let alice = bench.register("alice").await.user;
    let named = |subject: &str| {
        let user = UserId::from_token("tidings-dev", subject);
        claims(user, subject, Origin::Development { subject: subject.to_owned() })
    };
    assert_eq!(bench.accounts.identify(&named("alice")).await.unwrap(), alice);
    let dora = bench.accounts.identify(&named("Dora the first")).await.unwrap();
    assert_eq!(dora.id, UserId::from_token("tidings-dev", "Dora the first"));
    assert_eq!((dora.handle, dora.name.as_str()), (None, "Dora the first"));
}

#[tokio::test]
async fn accounts_that_come_along_are_made_once() {
    let bench = bench(&settings());
    let first = bench.accounts.ensure_account(register("bob", PASSWORD, "Bob")).await.unwrap();
    let again = bench.accounts.ensure_account(register("bob", "another one", "B.")).await.unwrap();
    assert_eq!(again, first);
    assert!(bench.accounts.login(login("bob", PASSWORD), FROM).await.is_ok());
}

/// A store that cannot be reached, or whose log-ins are ended by somebody else whenever a refresh token is stored.
struct Troubled(Option<Arc<SqliteStore>>);

impl Troubled {
    fn inner(&self) -> Result<&SqliteStore, StoreError> {
        let pulled = || StoreError::Unavailable { step: "testing", source: "pulled the plug".into() };
        self.0.as_deref().ok_or_else(pulled)
    }
}

#[async_trait]
impl DirectoryStore for Troubled {
    async fn register(&self, user: &UserRow, hash: &str) -> Result<Registered, StoreError> {
        self.inner()?.register(user, hash).await
    }
    async fn ensure_user(&self, user: &UserRow) -> Result<UserRow, StoreError> {
        self.inner()?.ensure_user(user).await
    }
    async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<UserRow>>, StoreError> {
        self.inner()?.users(ids).await
    }
    async fn user_by_handle(&self, handle: &str) -> Result<Option<UserRow>, StoreError> {
        self.inner()?.user_by_handle(handle).await
    }
    async fn set_name(&self, user: UserId, name: &str) -> Result<bool, StoreError> {
        self.inner()?.set_name(user, name).await
    }
    async fn credentials(&self, handle: &str) -> Result<Option<Credentials>, StoreError> {
        self.inner()?.credentials(handle).await
    }
    async fn credentials_of(&self, user: UserId) -> Result<Option<Credentials>, StoreError> {
        self.inner()?.credentials_of(user).await
    }
    async fn set_password(&self, user: UserId, hash: &str) -> Result<bool, StoreError> {
        self.inner()?.set_password(user, hash).await
    }
    async fn put_refresh(&self, hash: RefreshHash, row: RefreshRow) -> Result<(), StoreError> {
        self.inner()?.end_family(row.family).await?;
        self.inner()?.put_refresh(hash, row).await
    }
    async fn use_refresh(&self, hash: RefreshHash) -> Result<RefreshUse, StoreError> {
        self.inner()?.use_refresh(hash).await
    }
    async fn end_family(&self, family: Uuid) -> Result<(), StoreError> {
        self.inner()?.end_family(family).await
    }
}

#[tokio::test]
async fn a_log_in_that_ends_while_it_is_refreshed_stays_ended() {
    let bench = bench(&settings());
    let first = bench.register("alice").await;
    let troubled = Arc::new(Troubled(Some(bench.store.clone())));
    let elsewhere = Accounts::new(troubled, keys(), &settings()).unwrap();
    let meanwhile = elsewhere.refresh(refresh(&first.refresh)).await;
    assert_eq!(code(meanwhile), Some(ErrorCode::Unauthenticated));
    let other = bench.accounts.login(login("alice", PASSWORD), FROM).await.unwrap();
    assert!(bench.accounts.refresh(refresh(&other.refresh)).await.is_ok());
}

#[tokio::test]
async fn a_store_that_is_down_is_said_to_be_down_and_costs_no_attempts() {
    let limits = AuthSettings { handle_attempts: 1, ..settings() };
    let accounts = Accounts::new(Arc::new(Troubled(None)), keys(), &limits).unwrap();
    let unavailable = Some(ErrorCode::StoreUnavailable);
    for _ in 0..3 {
        let refusal = accounts.login(login("alice", PASSWORD), FROM).await.unwrap_err();
        assert_eq!((Some(refusal.code), refusal.retry_after_ms), (unavailable, Some(1_000)));
    }
    assert_eq!(code(accounts.register(register("alice", PASSWORD, "A"), FROM).await), unavailable);
    assert_eq!(code(accounts.refresh(refresh("any")).await), unavailable);
    assert_eq!(code(accounts.logout(Logout { refresh: "any".to_owned() }).await), unavailable);
    let user = UserId::generate();
    assert_eq!(code(accounts.identify(&claims(user, "A", Origin::App)).await), unavailable);
    assert!(accounts.identify(&claims(user, "A", Origin::Account)).await.is_ok());
    let named = UserRef::Id(user);
    assert_eq!(code(named.resolve(accounts.store()).await), unavailable);
}

#[tokio::test]
async fn users_are_resolved_in_their_order_or_named_as_missing() {
    let bench = bench(&settings());
    let (alice, bob) = (bench.register("alice").await.user.id, bench.register("bob").await.user.id);
    let refs: Vec<UserRef> =
        [bob.to_string(), "@alice".to_owned(), bob.to_string()].map(|text| text.parse().unwrap()).into();
    let ids = UserRef::resolve_all(&refs, &*bench.store).await.unwrap();
    assert_eq!(ids, [bob, alice, bob]);
    let cards = bench.accounts.users(&refs).await.unwrap();
    assert_eq!(cards.iter().map(|card| card.id).collect::<Vec<_>>(), [bob, alice]);
    let missing: UserRef = "@nobody".parse().unwrap();
    let refusal = missing.resolve(&*bench.store).await.unwrap_err();
    assert_eq!((refusal.code, refusal.message.as_str()), (ErrorCode::NoSuchUser, "there is no user @nobody"));
}
