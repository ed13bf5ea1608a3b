//! Lists the files of the page (`web/` beside this crate) for `src/http/page.rs` to embed.
//!
//! Taken: files right in `web/` and everything in its folders but `tests` and `node_modules`, with the endings below;
//! never a test or a hidden file. A test compares the list with the folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Endings that have a content type in `src/http/page.rs`.
const ENDINGS: &[&str] = &["html", "css", "js", "svg", "png", "ico", "woff2", "webmanifest"];
/// Folders right in `web/` that are no part of the page.
const OTHER_FOLDERS: &[&str] = &["tests", "node_modules"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let web = own.parent().unwrap_or(&own).join("web");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    for entry in sorted(&web)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() && !OTHER_FOLDERS.contains(&name.as_str()) && !name.starts_with('.') {
            // Also when a file is added to it.
            println!("cargo::rerun-if-changed={}", entry.display());
            collect(&entry, &mut files)?;
        } else if entry.is_file() && is_page(&entry) {
            println!("cargo::rerun-if-changed={}", entry.display());
            files.push(entry);
        }
    }
    files.sort();
    let mut code = String::from("/// Path and content of each file of the page.\nconst FILES: &[(&str, &[u8])] = &[\n");
    for file in files {
        let path = format!("/{}", file.strip_prefix(&web)?.display());
        writeln!(code, "    ({path:?}, include_bytes!({:?})),", file.display().to_string())?;
    }
    code.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("page_files.rs"), code)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in sorted(folder)? {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if is_page(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}

fn is_page(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let known = file.extension().is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one));
    known && !name.starts_with('.') && !name.contains(".test.")
}
