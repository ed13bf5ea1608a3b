//! What a client does when a connection has ended: come back now, later, with a new token, or not at all.

use std::time::Duration;

use tidings_protocol::{Refusal, Retry};

use crate::event::OfflineReason;

/// How a connection ended and what follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    pub(crate) reason: OfflineReason,
    pub(crate) next: Next,
}

/// What follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Connect again at once.
    Now,
    /// Connect again after a growing wait, and not before this.
    Backoff(Duration),
    /// Get a new token first.
    NewToken,
    /// Do not come back.
    Stop,
}

impl Ended {
    pub(crate) fn backoff(reason: OfflineReason) -> Self {
        Self { reason, next: Next::Backoff(Duration::ZERO) }
    }

    pub(crate) fn stop(reason: OfflineReason) -> Self {
        Self { reason, next: Next::Stop }
    }

    /// The server closed the socket: the range of its code is the verdict.
    pub(crate) fn closed(code: Option<u16>) -> Self {
        match code {
            Some(code @ 4000..=4099) => Self { reason: OfflineReason::Closed(code), next: Next::Now },
            Some(code @ 4200..=4299) => Self { reason: OfflineReason::Closed(code), next: Next::NewToken },
            Some(code @ 4300..=4399) => Self::stop(OfflineReason::Closed(code)),
            Some(code) => Self::backoff(OfflineReason::Closed(code)),
            None => Self::backoff(OfflineReason::Broken("closed without a code".to_owned())),
        }
    }

    /// `hello` was refused.
    pub(crate) fn refused(refusal: Refusal, retry: Retry) -> Self {
        let at_least = Duration::from_millis(refusal.retry_after_ms.unwrap_or(0));
        let next = match retry {
            Retry::Never => Next::Stop,
            Retry::Now => Next::Now,
            Retry::Backoff | Retry::AfterSync => Next::Backoff(at_least),
            Retry::RefreshToken => Next::NewToken,
        };
        Self { reason: OfflineReason::Refused(refusal), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_protocol::{CloseCode, ErrorCode};

    #[test]
    fn the_range_of_the_code_decides() {
        let next = |code: u16| Ended::closed(Some(code)).next;
        assert_eq!((next(4000), next(4099)), (Next::Now, Next::Now));
        let backoff = Next::Backoff(Duration::ZERO);
        assert_eq!(next(CloseCode::Draining.number()), backoff);
        assert_eq!(next(CloseCode::TooSlow.number()), backoff);
        assert_eq!((next(1001), next(1006), next(4400)), (backoff.clone(), backoff.clone(), backoff.clone()));
        assert_eq!(next(CloseCode::TokenRefused.number()), Next::NewToken);
        assert_eq!((next(CloseCode::NoHello.number()), next(4399)), (Next::Stop, Next::Stop));
        assert_eq!(Ended::closed(None).next, backoff);
    }

    #[test]
    fn a_refused_hello_says_itself_what_follows() {
        let next = |code: ErrorCode| Ended::refused(Refusal::new(code, "").after_ms(700), code.retry()).next;
        assert_eq!(next(ErrorCode::TokenExpired), Next::NewToken);
        assert_eq!(next(ErrorCode::BadField), Next::Stop);
        assert_eq!(next(ErrorCode::Overloaded), Next::Backoff(Duration::from_millis(700)));
    }
}
