//! Figures of a run and how they are printed.

use serde::Serialize;

/// One run's figures.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Packets that the publisher sent.
    pub sent: u64,
    /// Packets that should have arrived, over all receivers.
    pub expected: u64,
    /// Packets that did.
    pub received: u64,
    /// Server CPU time (user and system) per packet that arrived, in microseconds.
    pub cpu_us_per_packet: Option<f64>,
    /// Server CPU as a share of one core.
    pub cpu_cores: Option<f64>,
    /// Publisher to receiver, through both kernels and both stacks, in microseconds.
    pub delay_us: Delay,
    /// Growth of the server's resident memory per participant since before anyone joined, in KiB.
    pub memory_kib_per_participant: Option<f64>,
    /// From the POST to the first media packet, in milliseconds, median over receivers.
    pub join_ms: f64,
}

/// Quantiles.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Delay {
    /// Half are below.
    pub p50: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// 999 of 1000 are below.
    pub p999: f64,
}

impl Delay {
    /// Quantiles of samples in nanoseconds; zeros when there are none.
    pub fn of(mut samples: Vec<u64>) -> Self {
        samples.sort_unstable();
        let at = |q: f64| {
            let index = (samples.len().saturating_sub(1) as f64 * q) as usize;
            samples.get(index).copied().unwrap_or(0) as f64 / 1000.0
        };
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// The middle of an odd number of values, the upper middle of an even one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Print the runs as a table with their medians, or as JSON.
pub fn print(runs: &[Run], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(runs)?);
        return Ok(());
    }
    println!(
        "| run | sent | received / expected | cpu us/packet | cores \
         | delay p50 / p99 / p99.9 us | KiB/participant | join ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (i, run) in runs.iter().enumerate() {
        println!(
            "| {} | {} | {} / {} | {:.2} | {:.2} | {:.0} / {:.0} / {:.0} | {:.0} | {:.0} |",
            i + 1,
            run.sent,
            run.received,
            run.expected,
            run.cpu_us_per_packet.unwrap_or(f64::NAN),
            run.cpu_cores.unwrap_or(f64::NAN),
            run.delay_us.p50,
            run.delay_us.p99,
            run.delay_us.p999,
            run.memory_kib_per_participant.unwrap_or(f64::NAN),
            run.join_ms,
        );
    }
    let of = |pick: &dyn Fn(&Run) -> f64| median(runs.iter().map(pick).collect());
    println!(
        "| **median** | | {:.4} | **{:.2}** | {:.2} | {:.0} / {:.0} / {:.0} | {:.0} | {:.0} |",
        of(&|r| r.received as f64 / r.expected.max(1) as f64),
        of(&|r| r.cpu_us_per_packet.unwrap_or(f64::NAN)),
        of(&|r| r.cpu_cores.unwrap_or(f64::NAN)),
        of(&|r| r.delay_us.p50),
        of(&|r| r.delay_us.p99),
        of(&|r| r.delay_us.p999),
        of(&|r| r.memory_kib_per_participant.unwrap_or(f64::NAN)),
        of(&|r| r.join_ms),
    );
    Ok(())
}
