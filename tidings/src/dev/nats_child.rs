//! The nats-server of an embedded installation: a child that is started, watched, restarted with back-off, and stopped.
//!
//! It runs in its own process group, so a Ctrl-C in the terminal reaches only us and the log outlives those who write to
//! it. It keeps its ports over restarts, so clients find it again. A restart never makes the log new: the same folder,
//! the same configuration. A server that is alive but says that a stream is broken (one that met a full disk takes
//! nothing more, also when there is room again) is restarted when the disk has room.
//!
//! Never two servers on one folder: a start comes after the last one was seen to end (`leftover.rs` for those of a
//! crashed run).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info, warn};

use super::disk::DiskState;
use crate::health::PartHealth;
use crate::monitor::{Monitor, OLDEST_VERSION};
use crate::parts::{Drained, Part};

/// Pause between two questions to a server that is starting.
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// Pause between two questions to a server that runs.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// How many times the longest pause a server must have run before its next death counts as the first again.
const FORGIVEN_AFTER_PAUSES: u32 = 6;

/// How long a broken server may take to stop before it is killed.
const BROKEN_STOP: Duration = Duration::from_secs(5);

/// A killed child is gone by then, or the system is broken.
const KILLED_GONE: Duration = Duration::from_secs(5);

/// The last line of the server's log that a message quotes, in bytes.
const LOG_TAIL_BYTES: u64 = 4096;

/// How the child is run.
#[derive(Debug)]
pub(crate) struct ChildSettings {
    /// The nats-server.
    pub(crate) program: PathBuf,
    /// Its configuration.
    pub(crate) config: PathBuf,
    /// Its log file, for the reason of a failed start.
    pub(crate) log: PathBuf,
    /// Gets what it says before its log is open.
    pub(crate) stderr: PathBuf,
    /// Its monitoring port.
    pub(crate) monitor: Monitor,
    /// How long it may take until it answers.
    pub(crate) start_timeout: Duration,
    /// First pause before a restart.
    pub(crate) restart_min: Duration,
    /// Longest pause before a restart.
    pub(crate) restart_max: Duration,
}

/// The child and the task that owns it.
#[derive(Debug)]
pub(crate) struct NatsChild {
    /// Sends the deadline of the drain to the task; the task ends when it is dropped.
    stop: Option<oneshot::Sender<Instant>>,
    /// Owns the child process; ends only after the child.
    task: JoinHandle<Drained>,
}

/// Why there is no running nats-server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// The program could not be run.
    #[error("could not run {}", program.display())]
    Spawn {
        /// The nats-server.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended while starting.
    #[error("nats-server ended while starting ({status}): {said}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Its last line.
        said: String,
    },
    /// It was not well in time.
    #[error("nats-server was not well within {timeout:?}: {said}")]
    NotWell {
        /// The patience there was.
        timeout: Duration,
        /// What it says is wrong, else its last line.
        said: String,
    },
    /// It runs, but is not what we need.
    #[error("this nats-server will not do: {0}")]
    Unfit(String),
}

impl NatsChild {
    /// Starts the server and comes back when it answers and is fit; from then on it is watched.
    ///
    /// # Errors
    /// [`ChildError`]; then no child is left.
    pub(crate) async fn start(
        settings: ChildSettings,
        health: PartHealth,
        disk: watch::Receiver<DiskState>,
    ) -> Result<Self, ChildError> {
        let child = settings.start().await?;
        let (stop, asked) = oneshot::channel();
        health.ready();
        let task = tokio::spawn(Supervisor { settings, health, disk, stop: asked }.run(child));
        Ok(Self { stop: Some(stop), task })
    }
}

#[async_trait]
impl Part for NatsChild {
    fn name(&self) -> &'static str {
        "nats-server"
    }

    async fn failed(&mut self) -> String {
        match (&mut self.task).await {
            Ok(_) => "supervisor ended".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn drain(mut self: Box<Self>, deadline: Instant) -> Drained {
        if let Some(stop) = self.stop.take() {
            // An error means that the task has ended already; the wait below says how.
            let _ = stop.send(deadline);
        }
        self.task.await.unwrap_or(Drained::Cut)
    }
}

impl ChildSettings {
    /// Runs the program and waits until it answers.
    async fn start(&self) -> Result<Child, ChildError> {
        let mut child = self.spawn().map_err(|source| ChildError::Spawn { program: self.program.clone(), source })?;
        match self.ready(&mut child).await {
            Ok(()) => Ok(child),
            Err(error) => {
                kill(&mut child).await;
                Err(error)
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .arg("-c")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&self.stderr)?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn ready(&self, child: &mut Child) -> Result<(), ChildError> {
        let deadline = Instant::now() + self.start_timeout;
        loop {
            let unwell = match self.monitor.trouble().await {
                Ok(None) => return self.fit().await,
                Ok(Some(trouble)) => trouble,
                Err(_) => self.last_line(),
            };
            if Instant::now() >= deadline {
                return Err(ChildError::NotWell { timeout: self.start_timeout, said: unwell });
            }
            tokio::select! {
                ended = child.wait() => return Err(match ended {
                    Ok(status) => ChildError::Ended { status, said: self.last_line() },
                    Err(source) => ChildError::Spawn { program: self.program.clone(), source },
                }),
                () = tokio::time::sleep(READY_INTERVAL) => {}
            }
        }
    }

    /// Whether the server that answers is new enough and keeps its promise about the disk.
    async fn fit(&self) -> Result<(), ChildError> {
        let varz = self.monitor.varz().await.map_err(|error| ChildError::Unfit(error.to_string()))?;
        if varz.parsed_version().is_none_or(|version| version < OLDEST_VERSION) {
            return Err(ChildError::Unfit(format!("it is {}, at least {OLDEST_VERSION} is needed", varz.version)));
        }
        match varz.jetstream() {
            Some(config) if config.sync_always => Ok(()),
            Some(_) => Err(ChildError::Unfit("it does not sync every write (sync_interval: always)".to_owned())),
            None => Err(ChildError::Unfit("JetStream is off".to_owned())),
        }
    }

    /// What the server said last, for a message: its log's last error, else its last line, else what it said before.
    fn last_line(&self) -> String {
        let log = tail(&self.log).unwrap_or_default();
        let stderr = tail(&self.stderr).unwrap_or_default();
        let bad = log.lines().rev().find(|line| line.contains("[FTL]") || line.contains("[ERR]"));
        let line = stderr.lines().next_back().or(bad).or(log.lines().next_back());
        line.unwrap_or("it said nothing").trim().to_owned()
    }
}

/// The end of a text file.
fn tail(path: &std::path::Path) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What ends one run of the child.
enum RunEnd {
    /// It ended by itself.
    Ended(io::Result<ExitStatus>),
    /// It lives and the disk has room, but it says that it is broken.
    Broken(String),
    /// We are asked to stop; the drain's deadline.
    Stop(Instant),
}

/// The task that owns the child.
struct Supervisor {
    settings: ChildSettings,
    health: PartHealth,
    disk: watch::Receiver<DiskState>,
    stop: oneshot::Receiver<Instant>,
}

impl Supervisor {
    async fn run(mut self, mut child: Child) -> Drained {
        let mut pause = self.settings.restart_min;
        loop {
            let up_since = Instant::now();
            match self.watch(&mut child).await {
                RunEnd::Stop(deadline) => return stop_child(child, deadline).await,
                RunEnd::Ended(status) => {
                    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    warn!(status, pause_ms = pause.as_millis(), "nats-server ended, starting it again");
                }
                RunEnd::Broken(trouble) => {
                    warn!(trouble, pause_ms = pause.as_millis(), "nats-server is broken, starting it again");
                    stop_child(child, Instant::now() + BROKEN_STOP).await;
                }
            }
            if up_since.elapsed() >= self.settings.restart_max * FORGIVEN_AFTER_PAUSES {
                pause = self.settings.restart_min;
            }
            match self.restart(&mut pause).await {
                Some(next) => child = next,
                None => return Drained::Whole,
            }
        }
    }

    /// Waits for whatever ends this run of the child.
    async fn watch(&mut self, child: &mut Child) -> RunEnd {
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut broken_before = false;
        loop {
            tokio::select! {
                deadline = &mut self.stop => return RunEnd::Stop(deadline.unwrap_or_else(|_| Instant::now())),
                ended = child.wait() => return RunEnd::Ended(ended),
                _ = checks.tick() => {}
            }
            let answer = self.settings.monitor.trouble().await;
            let broken = matches!(answer, Ok(Some(_)));
            match answer {
                Ok(None) => self.health.ready(),
                // Twice in a row, so that a passing state is no reason.
                Ok(Some(trouble)) if broken_before && *self.disk.borrow() == DiskState::Room => {
                    return RunEnd::Broken(trouble);
                }
                Ok(Some(trouble)) => self.health.not_ready(trouble),
                // No answer is no verdict: a frozen or busy server may hold messages nobody else has. It is let be.
                Err(error) => self.health.not_ready(crate::exit::one_line(&error)),
            }
            broken_before = broken;
        }
    }

    /// Starts the child until it runs, with growing pauses; `None` when we are asked to stop meanwhile.
    async fn restart(&mut self, pause: &mut Duration) -> Option<Child> {
        self.health.not_ready("restarting");
        loop {
            tokio::select! {
                _ = &mut self.stop => return None,
                () = tokio::time::sleep(*pause) => {}
            }
            *pause = (*pause * 2).min(self.settings.restart_max);
            let outcome = tokio::select! {
                // The child of a dropped start is killed.
                _ = &mut self.stop => return None,
                outcome = self.settings.start() => outcome,
            };
            match outcome {
                Ok(child) => {
                    info!("nats-server runs again");
                    self.health.ready();
                    return Some(child);
                }
                Err(error) => error!(
                    error = crate::exit::one_line(&error),
                    pause_ms = pause.as_millis(),
                    "nats-server did not start"
                ),
            }
        }
    }
}

/// Asks the child to end and waits for it until `deadline`, then kills it. Comes back when it is gone.
async fn stop_child(mut child: Child, deadline: Instant) -> Drained {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        // It cannot be somebody else's: we have not waited for it yet. A child that has just ended needs no signal.
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout_at(deadline, child.wait()).await.is_ok() {
        return Drained::Whole;
    }
    warn!("nats-server did not stop in time, killing it");
    kill(&mut child).await;
    Drained::Cut
}

async fn kill(child: &mut Child) {
    if !matches!(tokio::time::timeout(KILLED_GONE, child.kill()).await, Ok(Ok(()))) {
        error!(pid = child.id(), "nats-server could not be killed");
    }
}
