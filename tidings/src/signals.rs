//! The one source of a stop: SIGINT (Ctrl-C), SIGTERM, SIGHUP. The first asks for a drain, the second cuts it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so no signal falls between two waits.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    /// Takes over the three signals for the life of the process.
    ///
    /// # Errors
    /// As the system refuses a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal's name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}
