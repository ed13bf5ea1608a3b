//! CPU time and memory of a process, as Linux counts them.

use std::fs;

use anyhow::{Context, anyhow};

/// Clock ticks of `/proc/<pid>/stat` in one second: fixed at 100 on Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that a process has used, its threads together.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    // The name in brackets may hold spaces; fields are counted after it: utime is the 12th, stime the 13th.
    let after = stat.rsplit_once(')').ok_or_else(|| anyhow!("unexpected /proc stat"))?.1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).ok_or_else(|| anyhow!("unexpected /proc stat"))?;
    Ok((user + system) / TICKS_PER_SECOND)
}

/// Resident bytes of a process.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or_else(|| anyhow!("no VmRSS"))?;
    let kib = line.split_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok());
    Ok(kib.ok_or_else(|| anyhow!("no VmRSS"))? * 1024)
}
