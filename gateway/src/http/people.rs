//! `/v1/me` and `/v1/users`

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tidings_protocol::limits::USERS_PER_LOOKUP;
use tidings_protocol::{Refusal, UserCard};

use super::extract::{Caller, Fields, Ids, Json};
use super::{Answer, Api, ok};
use crate::accounts::{ChangeProfile, UserRef};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/me", get(me).patch(change_me))
        .route("/v1/users", get(users))
        .route("/v1/users/{user}", get(user))
}

#[derive(Deserialize)]
struct Lookup {
    ids: String,
}

#[derive(Serialize)]
struct Users {
    users: Vec<UserCard>,
}

async fn me(State(api): State<Api>, caller: Caller) -> Answer<UserCard> {
    ok(api.accounts.user(&UserRef::Id(caller.user)).await?)
}

async fn change_me(State(api): State<Api>, caller: Caller, Json(change): Json<ChangeProfile>) -> Answer<UserCard> {
    ok(api.accounts.change_profile(caller.user, change).await?)
}

async fn user(State(api): State<Api>, _caller: Caller, Ids([who]): Ids<1>) -> Answer<UserCard> {
    ok(api.accounts.user(&user_ref("user", &who)?).await?)
}

async fn users(State(api): State<Api>, _caller: Caller, Fields(lookup): Fields<Lookup>) -> Answer<Users> {
    let named: Vec<&str> = lookup.ids.split(',').filter(|name| !name.is_empty()).collect();
    if named.len() > USERS_PER_LOOKUP {
        return Err(Refusal::bad_field("ids", &format!("at most {USERS_PER_LOOKUP}")).into());
    }
    let asked: Result<Vec<UserRef>, Refusal> = named.iter().map(|name| user_ref("ids", name)).collect();
    ok(Users { users: api.accounts.users(&asked?).await? })
}

/// Reads a user named in the path or the query.
pub(super) fn user_ref(field: &str, text: &str) -> Result<UserRef, Refusal> {
    text.parse().map_err(|_| Refusal::bad_field(field, "neither a user id nor @handle"))
}
