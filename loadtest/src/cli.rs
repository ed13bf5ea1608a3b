//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The verdict: everything is equal.
pub const EXIT_EQUAL: u8 = 0;
/// Bad arguments, or a file that cannot be read.
pub const EXIT_BAD_INPUT: u8 = 1;
/// What came back differs.
pub const EXIT_DIFFERENT: u8 = 3;
/// The server cannot be reached, or was away for too long.
pub const EXIT_UNAVAILABLE: u8 = 5;

const EXIT_CODES_HELP: &str = "Exit codes:
  0  done; for replay: history and every live view equal the file
  1  bad arguments, or a file that cannot be read
  3  history or a live view differs from the file
  5  the target is unavailable, or was away for longer than --patience";

/// The load harness of Tidings.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, after_help = EXIT_CODES_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay a channel log as one group chat and compare what comes back with it, line by line
    Replay(ReplayArgs),
    /// Print a made-up channel log with all forms of lines
    Generate(GenerateArgs),
}

/// How to replay.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES_HELP)]
pub struct ReplayArgs {
    /// The channel log
    pub file: PathBuf,
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Data folder of the embedded installation, whose key signs the users' tokens
    #[arg(long, value_name = "FOLDER", default_value = "./tidings-data")]
    pub data: PathBuf,
    /// File with that key alone, instead of --data
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub token_key: Option<PathBuf>,
    /// Lines per second at most; as fast as the order allows when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// Go on when connections break: reconnect, settle, resume. Without it the first cut ends the replay with code 5
    #[arg(long)]
    pub resume_on_cut: bool,
    /// How long the server may be away, and how long live views may take to be complete, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience: u64,
}

/// What to make up.
#[derive(Clone, Copy, Debug, Args)]
pub struct GenerateArgs {
    /// How many lines
    #[arg(long, value_name = "N", default_value_t = 1_500)]
    pub lines: usize,
    /// The same seed makes the same log
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_names_the_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().find_subcommand("replay").unwrap().clone().render_help().to_string();
        for code in [EXIT_EQUAL, EXIT_BAD_INPUT, EXIT_DIFFERENT, EXIT_UNAVAILABLE] {
            assert!(help.contains(&format!("\n  {code}  ")), "{code}: {help}");
        }
    }

    #[test]
    fn replay_has_the_defaults_of_an_embedded_installation() {
        let cli = Cli::try_parse_from(["loadtest", "replay", "some.log"]).unwrap();
        let Command::Replay(args) = cli.command else { panic!("another command") };
        assert_eq!((args.url.as_str(), args.data.to_str()), ("http://127.0.0.1:8080", Some("./tidings-data")));
        assert!(!args.resume_on_cut && args.rate.is_none() && args.token_key.is_none());
        assert!(Cli::try_parse_from(["loadtest", "replay", "some.log", "--rate", "0"]).is_err());
        assert!(Cli::try_parse_from(["loadtest", "replay"]).is_err());
    }
}
