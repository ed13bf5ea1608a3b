//! `/v1/auth/...`

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};

use super::extract::{Address, Caller, Json};
use super::{Answer, Api, ok};
use crate::accounts::{ChangePassword, Grant, Login, Logout, Refresh, Register};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/auth/register", post(register))
        .route("/v1/auth/login", post(login))
        .route("/v1/auth/refresh", post(refresh))
        .route("/v1/auth/logout", post(logout))
        .route("/v1/auth/password", post(password))
}

async fn register(State(api): State<Api>, from: Address, Json(asked): Json<Register>) -> Answer<Grant> {
    ok(api.accounts.register(asked, from.0).await?)
}

async fn login(State(api): State<Api>, from: Address, Json(asked): Json<Login>) -> Answer<Grant> {
    ok(api.accounts.login(asked, from.0).await?)
}

async fn refresh(State(api): State<Api>, Json(asked): Json<Refresh>) -> Answer<Grant> {
    ok(api.accounts.refresh(asked).await?)
}

async fn logout(State(api): State<Api>, Json(asked): Json<Logout>) -> Answer<Value> {
    api.accounts.logout(asked).await?;
    ok(json!({}))
}

async fn password(
    State(api): State<Api>,
    caller: Caller,
    from: Address,
    Json(asked): Json<ChangePassword>,
) -> Answer<Grant> {
    ok(api.accounts.change_password(caller.user, asked, from.0).await?)
}
