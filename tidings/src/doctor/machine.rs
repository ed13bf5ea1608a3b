//! Open files and room on the disk.

use std::path::Path;

use super::report::Check;
use crate::machine;
use crate::settings::{DoctorSettings, Settings};

/// The limit on open files that a role of this user gets: it raises its own to the highest allowed.
pub(super) fn open_files(settings: &DoctorSettings) -> Check {
    let hard = machine::open_files().hard;
    match hard {
        Some(files) if files < settings.open_files_min => Check::warn(
            "open files",
            format!("{files} at most, and each connection is one"),
            format!("raise the hard limit to {} (ulimit -Hn, LimitNOFILE=)", settings.open_files_min),
        ),
        Some(files) => Check::ok("open files", format!("{files} at most")),
        None => Check::ok("open files", "no limit"),
    }
}

/// The room on the disk of the data folder.
pub(super) fn disk(data: &Path, settings: &Settings) -> Check {
    let (min, wanted) = (settings.dev.disk_free_min_bytes, settings.doctor.disk_free_warn_bytes);
    match machine::disk_free_bytes(data) {
        Err(error) => Check::fail("disk", format!("cannot be looked at: {error}"), "look at the rights of the folder"),
        Ok(free) => judge_disk(free, min, wanted),
    }
}

fn judge_disk(free: u64, min: u64, wanted: u64) -> Check {
    let detail = format!("{} MiB free", free >> 20);
    if free < min {
        Check::fail("disk", detail, format!("sends are refused below {} MiB: free some", min >> 20))
    } else if free < wanted {
        Check::warn("disk", detail, format!("sends are refused below {} MiB: free some soon", min >> 20))
    } else {
        Check::ok("disk", detail)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::{judge_disk, open_files};
    use crate::settings::DoctorSettings;

    #[test]
    fn a_disk_is_judged_by_what_is_refused_and_what_is_wanted() {
        let status = |free_mib: u64| judge_disk(free_mib << 20, 128 << 20, 2048 << 20).status;
        assert_eq!(status(127), Status::Fail);
        assert_eq!(status(128), Status::Warn);
        assert_eq!(status(2048), Status::Ok);
    }

    #[test]
    fn too_few_files_are_a_warning() {
        let wanted = |open_files_min| DoctorSettings { open_files_min, ..DoctorSettings::default() };
        assert_eq!(open_files(&wanted(1)).status, Status::Ok);
        let limited = crate::machine::open_files().hard.is_some();
        assert_eq!(open_files(&wanted(u64::MAX)).status == Status::Warn, limited);
    }
}
