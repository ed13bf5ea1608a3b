//! What the documents say, done: the examples of the protocol, and the ten minutes of the README.

use std::path::PathBuf;
use std::process::Command;

use tidings_tests::examples::{Exchanges, blocks};
use tidings_tests::{Tidings, server};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the repository").to_owned()
}

fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).expect("the document is there")
}

#[tokio::test]
async fn every_example_of_the_protocol_is_so() {
    let tidings = Tidings::start().await;
    let mut exchanges = Exchanges::new(tidings.url());
    let examples = blocks(&document("docs/protocol.md"), &["json exchange", "http exchange"]);
    assert!(examples.len() >= 40, "only {} examples", examples.len());
    for example in &examples {
        exchanges.execute(example).await;
    }
}

#[tokio::test]
async fn ten_minutes_with_curl_work() {
    let tidings = Tidings::start().await;
    let scripts = blocks(&document("README.md"), &["sh test"]);
    assert_eq!(scripts.len(), 1);
    for script in scripts {
        let binary = server::binary().canonicalize().expect("the binary is there");
        let folder = binary.parent().expect("a folder").to_owned();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a path"));
        let mut command = Command::new("sh");
        command.args(["-c", &script.lines.join("\n")]).current_dir(repository());
        command.env("PATH", path).env("TIDINGS_URL", tidings.url()).env("TIDINGS_DATA", tidings.data());
        let ended = tidings.finish(command).await;
        assert_eq!(ended.code, Some(0), "line {}: {ended:?}", script.line);
        assert!(ended.stdout.contains("hello from curl"), "{ended:?}");
    }
}
