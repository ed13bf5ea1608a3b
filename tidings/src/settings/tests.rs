//! Settings as an operator meets them: files, typing errors, secrets, and the example file we ship.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use figment::error::Kind;
use figment::providers::{Format, Toml};
use figment::{Figment, value::Dict};

use super::{Flags, LogFormat, Settings};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tidings.example.toml");

fn flags(config: &Path) -> Flags {
    Flags { config: Some(config.to_owned()), ..Flags::default() }
}

/// Loads a file with this text.
fn load(text: &str) -> Result<Settings, String> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidings.toml");
    std::fs::write(&file, text).unwrap();
    Settings::load(&flags(&file)).map_err(|error| error.to_string().replace(&file.display().to_string(), "FILE"))
}

#[test]
fn the_shipped_example_loads_and_is_the_defaults() {
    let example = Settings::load(&flags(Path::new(EXAMPLE))).unwrap();
    assert_eq!(format!("{example:?}"), format!("{:?}", Settings::default()));
}

/// What serde knows in a section, by what it says about a key that nobody has.
fn known(section: &str) -> BTreeSet<String> {
    let text = if section.is_empty() { "zz = 1".to_owned() } else { format!("[{section}]\nzz = 1") };
    let error = Figment::from(Toml::string(&text)).extract::<Settings>().unwrap_err();
    let Kind::UnknownField(_, known) = error.kind else { unreachable!("{error}") };
    known.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn the_shipped_example_has_every_key_and_no_other() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    // Keys without a default stand there as comments.
    let line = |line: &str| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line).to_owned() + "\n";
    let example: Dict = Toml::from_str(&text.lines().map(line).collect::<String>()).unwrap();
    same_keys("", &example);
}

fn same_keys(section: &str, content: &Dict) {
    let keys: BTreeSet<String> = content.keys().cloned().collect();
    assert_eq!(keys, known(section), "[{section}]");
    for (key, value) in content {
        let Some(inner) = value.as_dict() else { continue };
        same_keys(format!("{section}.{key}").trim_start_matches('.'), inner);
    }
}

fn is_key(line: &str) -> bool {
    line.split_once(" = ")
        .is_some_and(|(key, _)| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

#[test]
fn units_become_types_and_flags_win_over_the_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidings.toml");
    std::fs::write(&file, "[stop]\ndeadline_ms = 1500\n[dev]\ndisk_free_min_mib = 3\n[log]\nfilter = \"warn\"")
        .unwrap();
    let flags = Flags {
        config: Some(file),
        log: Some("debug".to_owned()),
        log_format: Some(LogFormat::Json),
        data: Some("/srv/t".into()),
        listen: Some("127.0.0.1:1".parse().unwrap()),
        internal_listen: None,
    };
    let settings = Settings::load(&flags).unwrap();
    assert_eq!(settings.stop.deadline, Duration::from_millis(1500));
    assert_eq!(settings.dev.disk_free_min_bytes, 3 << 20);
    assert_eq!((settings.log.filter.as_str(), settings.log.format), ("debug", LogFormat::Json));
    assert_eq!(settings.dev.data, Path::new("/srv/t"));
    assert_eq!(settings.listen.public.port(), 1);
    assert_eq!(settings.listen.internal.port(), 8081);
}

#[test]
fn a_typing_error_is_said_with_its_key_and_its_place() {
    assert_eq!(
        load("[log]\nfiltr = \"info\"").unwrap_err(),
        "setting log.filtr: there is no such setting, there are filter, format (from FILE)"
    );
    assert!(load("[logs]").unwrap_err().starts_with("setting logs: there is no such setting, there are log, "));
    assert_eq!(
        load("[stop]\ndeadline_ms = \"soon\"").unwrap_err(),
        "setting stop.deadline_ms: invalid type: found string \"soon\", expected u64 (from FILE)"
    );
    assert_eq!(
        load("[stop]\ndeadline_ms = 0").unwrap_err(),
        "setting stop.deadline_ms: must be at least 1 ms (from FILE)"
    );
    assert!(load("[listen]\npublic = \"here\"").unwrap_err().starts_with("setting listen.public: "));
    let missing = Settings::load(&flags(Path::new("/no/such/file"))).unwrap_err().to_string();
    assert_eq!(missing, "settings file /no/such/file: No such file or directory (os error 2)");
}

#[test]
fn values_that_do_not_fit_each_other_are_refused() {
    for (text, key) in [
        ("[nats]\nuser = \"a\"", "nats.password"),
        ("[nats]\nservers = [\"nats://u:hush@host:4222\"]", "nats.servers"),
        ("[dev]\nnats_restart_min_ms = 20000", "dev.nats_restart_min_ms"),
        ("[doctor]\nclock_warn_ms = 20000", "doctor.clock_warn_ms"),
    ] {
        let refusal = load(text).unwrap_err();
        assert!(refusal.starts_with(&format!("setting {key}: ")), "{refusal}");
        assert!(!refusal.contains("hush"), "{refusal}");
    }
}

#[test]
fn no_message_quotes_a_secret() {
    for text in [
        "[nats]\npassword = 4711",
        "[nats]\npassword = [\"4711\"]",
        "[nats]\npassword = \"4711",
        "[nats]\npassword = \"4711\" x",
        "[nats]\ntoken = 4711",
    ] {
        let refusal = load(text).unwrap_err();
        assert!(!refusal.contains("4711") && !refusal.contains('\n'), "{refusal}");
    }
    let settings = load("[nats]\nuser = \"u\"\npassword = \"4711\"").unwrap();
    assert!(!format!("{settings:?}").contains("4711"));
}
