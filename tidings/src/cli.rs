//! The command line.

use clap::{Parser, Subcommand};

use crate::doctor::DoctorArgs;
use crate::exit::EXIT_CODES_HELP;
use crate::settings::Flags;
use crate::token::TokenArgs;

/// A chat backend whose spine is a log.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, about, after_help = EXIT_CODES_HELP)]
pub(crate) struct Cli {
    /// Flags that are settings.
    #[command(flatten)]
    pub(crate) flags: Flags,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The roles a process can have, and the commands that end by themselves.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in this process, with a nats-server of its own, on one folder
    Dev,
    /// Make the streams that are missing and check all of them; never changes or deletes one
    Migrate,
    /// Check servers, settings and machine, and say what to do
    Doctor(DoctorArgs),
    /// Print an access token for an embedded installation
    Token(TokenArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
