//! What was found: a line a check, for people or as JSON.

use std::fmt::Write;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Works, but will hurt some day.
    Warn,
    /// The contract does not hold with it.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) name: String,
    /// How it is.
    pub(super) status: Status,
    /// What was seen.
    pub(super) detail: String,
    /// What to do; empty when nothing.
    pub(super) advice: String,
}

impl Check {
    /// As it should be.
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, detail: detail.into(), advice: String::new() }
    }

    /// Works, but will hurt some day.
    pub(super) fn warn(name: impl Into<String>, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Warn, detail: detail.into(), advice: advice.into() }
    }

    /// The contract does not hold with it.
    pub(super) fn fail(name: impl Into<String>, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Fail, detail: detail.into(), advice: advice.into() }
    }
}

/// All findings, in the order they were looked for.
#[derive(Debug, Default)]
pub(super) struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// Adds a finding.
    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Adds findings.
    pub(super) fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    /// Whether any check failed.
    pub(super) fn failed(&self) -> bool {
        self.count(Status::Fail) > 0
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// For people: a line a check, what to do below it, a sum at the end.
    pub(super) fn text(&self) -> String {
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for check in &self.checks {
            let mark = match check.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{mark:<4}  {:<width$}  {}", check.name, check.detail);
            if !check.advice.is_empty() {
                let _ = writeln!(text, "      {:<width$}  -> {}", "", check.advice);
            }
        }
        let _ = write!(
            text,
            "{} ok, {} to look at, {} failed",
            self.count(Status::Ok),
            self.count(Status::Warn),
            self.count(Status::Fail)
        );
        text
    }

    /// For programs: `{"failed":bool,"checks":[{"name","status","detail","advice"}]}`.
    pub(super) fn json(&self) -> String {
        serde_json::json!({ "failed": self.failed(), "checks": self.checks }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Report};

    #[test]
    fn lines_are_aligned_and_advice_stands_below() {
        let mut report = Report::default();
        report.add(Check::ok("disk", "2 GiB free"));
        assert!(!report.failed());
        report.add(Check::warn("open files", "1024", "raise it"));
        report.add(Check::fail("sync", "off", "turn it on"));
        assert!(report.failed());
        assert_eq!(
            report.text(),
            "ok    disk        2 GiB free\n\
             warn  open files  1024\n                  -> raise it\n\
             FAIL  sync        off\n                  -> turn it on\n\
             1 ok, 1 to look at, 1 failed"
        );
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("it is JSON");
        assert_eq!(json["failed"], true);
        assert_eq!(json["checks"][2]["status"], "fail");
        assert_eq!(json["checks"][0]["advice"], "");
    }
}
