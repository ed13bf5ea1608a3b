//! One nats-server, by what it says on its monitoring port.

use std::time::{Duration, SystemTime};

use super::report::Check;
use crate::dev::nats_config::{BATCH_MAX_MSGS, MAX_PAYLOAD_BYTES};
use crate::exit::one_line;
use crate::monitor::{BatchLimits, Monitor, OLDEST_VERSION, Varz};
use crate::settings::DoctorSettings;

/// Open batches of one stream below which lanes of several gateways, or a few abandoned batches, get in each other's way.
const BATCHES_PER_STREAM_MIN: u64 = 100;

/// Likewise for all streams of a server.
const BATCHES_TOTAL_MIN: u64 = 1_000;

/// An abandoned batch should not hold its place for longer.
const BATCH_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Looks at the server behind `monitor`.
pub(super) async fn look(url: &str, monitor: &Monitor, settings: &DoctorSettings) -> Vec<Check> {
    let asked = SystemTime::now();
    let varz = match monitor.varz().await {
        Ok(varz) => varz,
        Err(error) => {
            let advice = "is it running, and is its `http` port open to this machine?";
            return vec![Check::fail(format!("server {url}"), one_line(&error), advice)];
        }
    };
    let clock = (asked, SystemTime::now());
    let mut checks = judge(&varz);
    checks.push(judge_clock(&varz, clock, settings));
    if let Ok(Some(trouble)) = monitor.trouble().await {
        checks.push(Check::fail(
            named(&varz, "health"),
            trouble,
            "look at its log; a stream that met a full disk works again after a restart",
        ));
    }
    checks
}

fn named(varz: &Varz, what: &str) -> String {
    format!("{} {what}", varz.server_name)
}

/// Everything that one answer tells.
fn judge(varz: &Varz) -> Vec<Check> {
    let mut checks = vec![judge_version(varz)];
    let Some(jetstream) = varz.jetstream() else {
        let advice = "give the server a `jetstream { store_dir: ... }` block";
        checks.push(Check::fail(named(varz, "jetstream"), "off", advice));
        return checks;
    };
    checks.push(Check::ok(named(varz, "jetstream"), format!("on, in {}", jetstream.store_dir)));
    checks.push(if jetstream.sync_always {
        Check::ok(named(varz, "sync"), "every write is on disk before it is acknowledged")
    } else {
        let advice = "set `sync_interval: always` in its `jetstream` block and restart it";
        Check::fail(named(varz, "sync"), "acknowledged messages can be lost in a power cut", advice)
    });
    checks.push(judge_batches(&named(varz, "batches"), varz.batch_limits()));
    if varz.max_payload < MAX_PAYLOAD_BYTES {
        let advice = format!("set `max_payload: {MAX_PAYLOAD_BYTES}`");
        checks.push(Check::fail(named(varz, "payload"), format!("{} bytes at most", varz.max_payload), advice));
    }
    checks
}

fn judge_version(varz: &Varz) -> Check {
    let name = named(varz, "version");
    match varz.parsed_version() {
        Some(version) if version >= OLDEST_VERSION => Check::ok(name, varz.version.clone()),
        Some(_) => Check::fail(name, varz.version.clone(), format!("upgrade it to {OLDEST_VERSION} or newer")),
        None => Check::warn(name, varz.version.clone(), format!("no release: {OLDEST_VERSION} or newer is needed")),
    }
}

fn judge_batches(name: &str, limits: BatchLimits) -> Check {
    let detail = format!(
        "{} open per stream, {} in all, {} messages each, {} s until an abandoned one goes",
        limits.inflight_per_stream,
        limits.inflight_total,
        limits.msgs,
        Duration::from_nanos(limits.timeout_ns).as_secs()
    );
    let block = "in `jetstream { limits { batch { ... } } }`";
    if limits.msgs < BATCH_MAX_MSGS {
        return Check::fail(name, detail, format!("set `max_msgs: {BATCH_MAX_MSGS}` {block}"));
    }
    if limits.inflight_per_stream < BATCHES_PER_STREAM_MIN || limits.inflight_total < BATCHES_TOTAL_MIN {
        let advice = format!(
            "set `max_inflight_per_stream` to {BATCHES_PER_STREAM_MIN} and `max_inflight_total` to {BATCHES_TOTAL_MIN} or more {block}"
        );
        return Check::warn(name, detail, advice);
    }
    if Duration::from_nanos(limits.timeout_ns) > BATCH_TIMEOUT_MAX {
        return Check::warn(name, detail, format!("set `timeout: \"10s\"` {block}"));
    }
    Check::ok(name, detail)
}

/// The server's clock must lie between the asking and the answer; what it is outside of that is the difference.
fn judge_clock(varz: &Varz, (asked, answered): (SystemTime, SystemTime), settings: &DoctorSettings) -> Check {
    let name = named(varz, "clock");
    let Some(clock) = varz.clock() else {
        return Check::warn(name, "not said", "is this a nats-server?");
    };
    let behind = asked.duration_since(clock).unwrap_or_default();
    let ahead = clock.duration_since(answered).unwrap_or_default();
    let difference = behind.max(ahead);
    let detail = format!("{} ms from this machine's", difference.as_millis());
    let advice = "let a time service set both clocks: deadlines of sends rely on them";
    if difference >= settings.clock_fail {
        Check::fail(name, detail, advice)
    } else if difference >= settings.clock_warn {
        Check::warn(name, detail, advice)
    } else {
        Check::ok(name, detail)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::super::report::Status;
    use super::{judge, judge_clock};
    use crate::monitor::Varz;
    use crate::settings::DoctorSettings;

    /// What a server with the shipped configuration says, with one field changed.
    fn varz(pointer: &str, value: Value) -> Varz {
        let mut answer = json!({
            "server_name": "n1", "version": "2.15.1", "max_payload": 1_048_576, "now": "2026-01-02T03:04:05.5Z",
            "jetstream": {
                "config": { "store_dir": "/data", "sync_always": true },
                "limits": {
                    "max_batch_inflight_per_stream": 200, "max_batch_inflight_total": 2000,
                    "max_batch_size": 1000, "max_batch_timeout": 10_000_000_000_u64
                }
            }
        });
        if !pointer.is_empty() {
            *answer.pointer_mut(pointer).unwrap() = value;
        }
        serde_json::from_value(answer).unwrap()
    }

    fn worst(varz: &Varz) -> (Status, String) {
        let order = |status| [Status::Ok, Status::Warn, Status::Fail].iter().position(|other| *other == status);
        let checks = judge(varz);
        let worst = checks.into_iter().max_by_key(|check| order(check.status)).unwrap();
        (worst.status, if worst.status == Status::Ok { String::new() } else { worst.name })
    }

    #[test]
    fn each_fault_is_found_and_named() {
        let fault = |pointer: &str, value| worst(&varz(pointer, value));
        assert_eq!(worst(&varz("", Value::Null)), (Status::Ok, String::new()));
        assert_eq!(fault("/version", json!("2.14.9")), (Status::Fail, "n1 version".to_owned()));
        assert_eq!(fault("/version", json!("2.16.0-dev")), (Status::Warn, "n1 version".to_owned()));
        assert_eq!(fault("/jetstream", json!({})), (Status::Fail, "n1 jetstream".to_owned()));
        assert_eq!(fault("/jetstream/config/sync_always", json!(false)), (Status::Fail, "n1 sync".to_owned()));
        assert_eq!(fault("/max_payload", json!(65_536)), (Status::Fail, "n1 payload".to_owned()));
        let limits = |field: &str, value: u64| fault(&format!("/jetstream/limits/max_batch_{field}"), json!(value));
        assert_eq!(limits("size", 999), (Status::Fail, "n1 batches".to_owned()));
        assert_eq!(limits("inflight_per_stream", 50), (Status::Warn, "n1 batches".to_owned()));
        assert_eq!(limits("inflight_total", 999), (Status::Warn, "n1 batches".to_owned()));
        assert_eq!(limits("timeout", 60_000_000_000), (Status::Warn, "n1 batches".to_owned()));
    }

    #[test]
    fn a_clock_is_judged_by_what_the_exchange_cannot_explain() {
        let varz = varz("", Value::Null);
        let clock = varz.clock().unwrap();
        let status = |asked: SystemTime, took: u64| {
            judge_clock(&varz, (asked, asked + Duration::from_secs(took)), &DoctorSettings::default()).status
        };
        assert_eq!(status(clock - Duration::from_secs(30), 60), Status::Ok, "a slow answer is no difference");
        assert_eq!(status(clock + Duration::from_secs(2), 0), Status::Warn);
        assert_eq!(status(clock - Duration::from_secs(3), 1), Status::Warn);
        assert_eq!(status(clock + Duration::from_secs(15), 0), Status::Fail);
    }
}
