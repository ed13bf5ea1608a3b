//! `/v1/dev`: the users of a development installation with their passwords, so that the page can log in by one click

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;
use tidings_protocol::{ErrorCode, Refusal};

use super::{Answer, Api, ok};
use crate::tokens::Secret;

/// A user whom anybody who can reach the port may be. Only ever given to a development installation.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// To log in with.
    pub handle: String,
    /// To log in with.
    pub password: Secret,
    /// The name they show.
    pub name: String,
}

#[derive(Serialize)]
struct Development {
    demo: Vec<Login>,
}

#[derive(Serialize)]
struct Login {
    handle: String,
    password: String,
    name: String,
}

/// Not among the routes that other sites' pages may call: passwords are in the answer.
pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/dev", get(dev))
}

async fn dev(State(api): State<Api>) -> Answer<Development> {
    let Some(users) = api.demo else {
        return Err(Refusal::new(ErrorCode::NoSuchCall, "not a development installation").into());
    };
    let login = |user: &DemoUser| Login {
        handle: user.handle.clone(),
        password: user.password.reveal().to_owned(),
        name: user.name.clone(),
    };
    ok(Development { demo: users.iter().map(login).collect() })
}
