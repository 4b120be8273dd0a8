//! `offhook-loadtest compare`: each scenario against our server and against the stand-in by turns, and the ratio of
//! what they spend on a forwarded packet.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What to compare on.
#[derive(clap::Args)]
pub struct Options {
    /// Scenarios that use WHIP and WHEP.
    #[arg(default_values = [
        "loadtest/scenarios/one-to-fifty.toml",
        "loadtest/scenarios/meeting-of-ten.toml",
        "loadtest/scenarios/audio-room-of-hundred.toml",
    ])]
    scenarios: Vec<PathBuf>,
    /// Our server's binary.
    #[arg(long, default_value = "target/release/offhook")]
    server: PathBuf,
    /// Times that each is played; the medians are compared.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
}

/// What one run came to.
struct Figures {
    cpu_us: f64,
    delivered: f64,
    delay_p99_ms: f64,
}

/// Play everything and print a table.
pub async fn run(options: Options) -> Result<()> {
    println!(
        "| scenario | ours, us a packet | stand-in | ratio | delivered | delay p99, ms: ours, stand-in |"
    );
    println!("|---|---|---|---|---|---|");
    for scenario in &options.scenarios {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let server = options.server.display().to_string();
            ours.push(play(scenario, &["--server", &server]).await?);
            let (mut child, url) = start().await?;
            let pid = child.id().context("the stand-in ended")?.to_string();
            let played = play(scenario, &["--url", &url, "--pid", &pid]).await;
            child.kill().await?;
            theirs.push(played?);
        }
        let of = |runs: &[Figures], pick: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let [low, high] = [&ours, &theirs].map(|runs| of(runs, |run| run.cpu_us));
        println!(
            "| {} | {low:.2} | {high:.2} | **{:.2}** | {:.3}, {:.3} | {:.1}, {:.1} |",
            scenario.file_stem().unwrap_or_default().display(),
            low / high,
            of(&ours, |run| run.delivered),
            of(&theirs, |run| run.delivered),
            of(&ours, |run| run.delay_p99_ms),
            of(&theirs, |run| run.delay_p99_ms),
        );
    }
    Ok(())
}

/// Play a scenario in a process of its own.
async fn play(scenario: &Path, aim: &[&str]) -> Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .arg("run")
        .arg(scenario)
        .args(["--json", "-", "--quiet"])
        .args(aim)
        .stderr(Stdio::inherit())
        .output()
        .await?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no report of {}", scenario.display()))?;
    let totals = &report["totals"];
    let cpu_us = totals["cpu_us_per_packet"].as_f64().context("no CPU time was measured")?;
    let delivered = totals["delivered"].as_f64().unwrap_or(0.0);
    ensure!(delivered > 0.9, "only {delivered} of {} arrived", scenario.display());
    let delay_p99_ms = totals["delay_ms"]["p99"].as_f64().unwrap_or(0.0);
    Ok(Figures { cpu_us, delivered, delay_p99_ms })
}

/// Start a stand-in, and say where it listens.
async fn start() -> Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("standin")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let line = lines.next_line().await?.context("the stand-in said nothing")?;
    let url = line.split(' ').next_back().context("an address")?.to_owned();
    Ok((child, url))
}
