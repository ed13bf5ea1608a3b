//! Checks of people's rows: handles are unique, tokens are used once, also when many try at once.

use std::sync::Arc;

use tidings_protocol::{Timestamp, UserId};
use uuid::Uuid;

use super::Store;
use crate::StoreError;
use crate::directory::{Credentials, RefreshRow, RefreshUse, Registered, UserRow};

/// In the year 2200: no store forgets it for its age.
const EXPIRES_AT: Timestamp = Timestamp(7_258_118_400_000);

fn id(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn person(n: u128, handle: Option<&str>) -> UserRow {
    UserRow {
        id: id(n),
        handle: handle.map(str::to_owned),
        name: format!("Näme {n}"),
        created_at: Timestamp(1_700_000_000_000),
    }
}

fn token(user: u128, family: u128) -> RefreshRow {
    RefreshRow { user: id(user), family: Uuid::from_u128(family), expires_at: EXPIRES_AT }
}

pub(super) async fn accounts(store: &dyn Store) -> Result<(), StoreError> {
    let (ann, bob) = (person(1, Some("ann")), person(2, Some("bob")));
    assert_eq!(store.user_by_handle("ann").await?, None);
    assert_eq!(store.register(&ann, "hash 1").await?, Registered::New);
    assert_eq!(store.register(&bob, "hash 2").await?, Registered::New);
    let thief = person(3, Some("ann"));
    assert_eq!(store.register(&thief, "hash 3").await?, Registered::HandleTaken);
    let found = store.users(&[id(2), id(3), id(1), id(2)]).await?;
    assert_eq!(found, [Some(bob.clone()), None, Some(ann.clone()), Some(bob)]);
    assert_eq!(store.user_by_handle("ann").await?, Some(ann.clone()));

    let credentials = Some(Credentials { user: id(1), password_hash: "hash 1".to_owned() });
    assert_eq!(store.credentials("ann").await?, credentials);
    assert_eq!(store.credentials_of(id(1)).await?, credentials);
    assert_eq!(store.credentials("nobody").await?, None);
    assert_eq!(store.credentials_of(id(3)).await?, None);

    assert!(store.set_name(id(1), "Ann").await?);
    assert!(!store.set_name(id(3), "Ann").await?);
    let named = UserRow { name: "Ann".to_owned(), ..ann };
    assert_eq!(store.users(&[id(1)]).await?, [Some(named)]);
    Ok(())
}

pub(super) async fn users_of_tokens(store: &dyn Store) -> Result<(), StoreError> {
    let guest = person(1, None);
    assert_eq!(store.ensure_user(&guest).await?, guest);
    let renamed = UserRow { name: "other".to_owned(), ..guest.clone() };
    assert_eq!(store.ensure_user(&renamed).await?, guest, "the row stays as it is");
    let second = person(2, None);
    assert_eq!(store.ensure_user(&second).await?, second, "no handle clashes with none");
    assert_eq!(store.credentials_of(id(1)).await?, None);
    assert!(!store.set_password(id(1), "hash").await?, "no password to change");
    assert_eq!(store.users(&[id(1), id(2)]).await?, [Some(guest), Some(second)]);
    Ok(())
}

pub(super) async fn one_handle_among_many_at_once(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let mut tries = tokio::task::JoinSet::new();
    for n in 1..=16 {
        let store = Arc::clone(&store);
        tries.spawn(async move { store.register(&person(n, Some("ann")), "hash").await });
    }
    let mut made = 0;
    for result in tries.join_all().await {
        made += usize::from(result? == Registered::New);
    }
    assert_eq!(made, 1);
    Ok(())
}

pub(super) async fn refresh_tokens_are_used_once(store: Arc<dyn Store>) -> Result<(), StoreError> {
    assert_eq!(store.use_refresh([1; 32]).await?, RefreshUse::Unknown);
    store.put_refresh([1; 32], token(1, 10)).await?;
    store.put_refresh([2; 32], token(1, 10)).await?;
    store.put_refresh([3; 32], token(1, 11)).await?;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        tries.spawn(async move { store.use_refresh([1; 32]).await });
    }
    let mut fresh = 0;
    for result in tries.join_all().await {
        match result? {
            RefreshUse::Fresh(row) => {
                assert_eq!(row, token(1, 10));
                fresh += 1;
            }
            other => assert_eq!(other, RefreshUse::Reused(token(1, 10))),
        }
    }
    assert_eq!(fresh, 1);
    store.end_family(Uuid::from_u128(10)).await?;
    let after = store.use_refresh([2; 32]).await?;
    assert!(!matches!(after, RefreshUse::Fresh(_)), "{after:?}");
    assert_eq!(store.use_refresh([3; 32]).await?, RefreshUse::Fresh(token(1, 11)));
    Ok(())
}

pub(super) async fn a_new_password_ends_all_log_ins(store: &dyn Store) -> Result<(), StoreError> {
    for (n, handle) in [(1, "ann"), (2, "bob")] {
        store.register(&person(n, Some(handle)), "hash").await?;
    }
    store.put_refresh([1; 32], token(1, 10)).await?;
    store.put_refresh([2; 32], token(2, 20)).await?;
    assert!(store.set_password(id(1), "new hash").await?);
    assert!(!store.set_password(id(3), "new hash").await?);
    let ended = store.use_refresh([1; 32]).await?;
    assert!(!matches!(ended, RefreshUse::Fresh(_)), "{ended:?}");
    assert_eq!(store.use_refresh([2; 32]).await?, RefreshUse::Fresh(token(2, 20)));
    let credentials = store.credentials("ann").await?;
    assert_eq!(credentials.map(|found| found.password_hash), Some("new hash".to_owned()));
    Ok(())
}
