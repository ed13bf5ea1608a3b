//! The internal port

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tower::ServiceExt;

use crate::http::Probes;

#[tokio::test]
async fn ready_is_started_with_every_check_well() {
    let state = Arc::new(Mutex::new((false, Ok::<(), String>(()))));
    let (started, log) = (state.clone(), state.clone());
    let probes = Probes {
        started: Arc::new(move || started.lock().0),
        checks: vec![("log", Arc::new(move || log.lock().1.clone()) as _)].into(),
        metrics: Arc::new(|| "sessions 3\n".to_owned()),
    };
    let router = probes.router();
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let answer = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(get("/livez").await, answer(200, "ok\n"));
    assert_eq!(get("/startupz").await, answer(503, "starting\n"));
    assert_eq!(get("/readyz?verbose").await, answer(503, "[-] started no\n[+] log ok\nnot ready\n"));
    state.lock().0 = true;
    assert_eq!(get("/startupz").await, answer(200, "ok\n"));
    assert_eq!(get("/readyz").await, answer(200, "ok\n"));
    state.lock().1 = Err("unreachable".to_owned());
    assert_eq!(get("/readyz").await, answer(503, "not ready\n"));
    let verbose = answer(503, "[+] started ok\n[-] log unreachable\nnot ready\n");
    assert_eq!(get("/readyz?verbose=1").await, verbose);
    assert_eq!(get("/metrics").await, answer(200, "sessions 3\n"));
    assert_eq!(get("/v1/me").await.0, 404);
}
