//! How the process ends: one exit code per kind of end, so that scripts and platforms can tell them apart.

use std::fmt;
use std::process::ExitCode;

/// What `--help` says about the exit codes.
pub(crate) const EXIT_CODES_HELP: &str = "Exit codes:
  0  done, or drained after a signal
  1  a check of `doctor` failed, or a part failed while running
  2  bad setting or flag
  3  failed start
  4  drain cut short by its deadline or a second signal";

/// An end that is not a success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A part ended by itself, or a check failed; already said where it happened. Code 1.
    Failed,
    /// A setting or flag is wrong. Code 2.
    BadSetting(String),
    /// A role or command could not start. Code 3.
    Start(String),
    /// Stopped, but not everything was drained; already said. Code 4.
    CutShort,
}

impl Failure {
    /// A bad setting, with the error's causes in one line.
    pub(crate) fn bad_setting(error: &dyn std::error::Error) -> Self {
        Self::BadSetting(one_line(error))
    }

    /// A failed start, with the error's causes in one line.
    pub(crate) fn start(error: &dyn std::error::Error) -> Self {
        Self::Start(one_line(error))
    }

    /// Says the failure in one line on standard error, when nobody has yet, and gives its code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Failed => ExitCode::from(1),
            Self::BadSetting(why) => {
                eprintln!("tidings: {why}");
                ExitCode::from(2)
            }
            Self::Start(why) => {
                eprintln!("tidings: {why}");
                ExitCode::from(3)
            }
            Self::CutShort => ExitCode::from(4),
        }
    }
}

/// An error and its causes as one line, outermost first; a cause its parent already quotes is not repeated.
pub(crate) fn one_line(error: &dyn std::error::Error) -> String {
    use std::error::Error;

    let mut line = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    OneLine(&line).to_string()
}

/// Line breaks shown as blanks, so that a message stays a line whatever a cause has in it.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, piece) in self.0.split_whitespace().enumerate() {
            if index > 0 {
                to.write_str(" ")?;
            }
            to.write_str(piece)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[derive(Debug, thiserror::Error)]
    #[error("could not open the folder")]
    struct Outer(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("could not open: {0}")]
    struct Quoting(#[source] std::io::Error);

    #[test]
    fn causes_follow_in_one_line_and_are_said_once() {
        let broken = || std::io::Error::other("no\n  room");
        assert_eq!(one_line(&Outer(broken())), "could not open the folder: no room");
        assert_eq!(one_line(&Quoting(broken())), "could not open: no room");
    }
}
