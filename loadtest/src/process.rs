//! What a process has used so far, from /proc (Linux, proc(5)).

use anyhow::{Context, Result};

/// A reading of one process.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system CPU time in microseconds.
    pub cpu_us: u64,
    /// Of this, what threads that end QUIC took. It is known where the time of single threads is.
    pub quic_us: u64,
    /// Resident memory in bytes.
    pub resident: u64,
}

/// The kernel reports CPU time in ticks of 1/100 s on every Linux (USER_HZ).
const TICK_US: u64 = 10_000;
const PAGE: u64 = 4096;

/// Read the usage of `pid`. CPU time comes from /proc/PID/schedstat of every thread where available
/// (nanoseconds), else from the
/// ticks of /proc/PID/stat.
pub fn usage(pid: u32) -> Result<Usage> {
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{name}"))
            .with_context(|| format!("no process {pid}"))
    };
    let resident: u64 = read("statm")?.split(' ').nth(1).context("statm")?.parse()?;
    let (cpu_us, quic_us) = match threads_cpu_us(pid) {
        Some(exact) => exact,
        None => {
            let stat = read("stat")?;
            // The command name may hold spaces; the fields after it start behind the last parenthesis.
            let fields: Vec<&str> =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
            ((ticks(11) + ticks(12)) * TICK_US, 0)
        }
    };
    Ok(Usage { cpu_us, quic_us, resident: resident * PAGE })
}

/// Of all threads, and of those named for QUIC.
fn threads_cpu_us(pid: u32) -> Option<(u64, u64)> {
    let (mut total, mut quic) = (0, 0);
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?.path();
        let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let spent = text.split(' ').next()?.parse::<u64>().ok()? / 1000;
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        total += spent;
        quic += if name.starts_with("quic-") { spent } else { 0 };
    }
    Some((total, quic))
}
