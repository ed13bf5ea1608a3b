//! The binary: read the command line, run, say the verdict.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tidings_loadtest::cli::{Cli, Command, EXIT_BAD_INPUT};
use tidings_loadtest::{generate, replay};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; there is nobody to tell when they cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_BAD_INPUT) } else { ExitCode::SUCCESS };
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match cli.command {
        Command::Generate(args) => write(&generate::text(args.lines, args.seed)),
        Command::Replay(args) => match runtime().and_then(|runtime| runtime.block_on(replay::run(&args))) {
            Ok(report) => {
                let written = write(&format!("{report}\n"));
                if report.is_equal() { written } else { report.exit_code() }
            }
            Err(error) => {
                eprintln!("loadtest: {}", replay::one_line(&error));
                error.exit_code()
            }
        },
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, replay::ReplayError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(replay::ReplayError::Runtime)
}

fn write(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EXIT_BAD_INPUT),
    }
}
