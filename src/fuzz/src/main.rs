//! `offhook-fuzz TARGET|all SECONDS [SEED]`: mutate the seeds of a target for a while. An input
//! that breaks it is written to the temporary folder and named, with the seed that finds it again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use offhook_fuzz::{TARGETS, Target, mutate};
use offhook_types::Rng;

/// Executions between two looks at the clock.
const BATCH: u64 = 256;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "all".into());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(30);
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or_else(seed_of_the_day);
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| name == "all" || target.name == name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("no target {name}; there are: all, {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let whole = chosen.iter().filter(|target| run(target, Duration::from_secs(seconds), seed));
    if whole.count() == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Different on every run; printed, so that a run can be repeated.
fn seed_of_the_day() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.as_secs())
}

/// True when nothing broke.
fn run(target: &Target, time: Duration, seed: u64) -> bool {
    let seeds: Vec<Vec<u8>> = match target.seeds() {
        Ok(seeds) => seeds.into_iter().map(|(_, bytes)| bytes).collect(),
        Err(error) => {
            eprintln!("{}: no seeds: {error}", target.name);
            return false;
        }
    };
    let mut rng = Rng::from_seed(seed);
    let mut input = Vec::new();
    let mut executions = 0u64;
    let start = Instant::now();
    while start.elapsed() < time {
        for _ in 0..BATCH {
            mutate::mutate(&mut rng, &seeds, &mut input);
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                let file = std::env::temp_dir().join(format!("fuzz-{}-{seed}", target.name));
                let kept = std::fs::write(&file, &input).map(|()| file.display().to_string());
                eprintln!("{} broke; seed {seed}; input: {kept:?}", target.name);
                return false;
            }
        }
        executions += BATCH;
    }
    let rate = executions as f64 / start.elapsed().as_secs_f64();
    println!("{:<14} {executions:>10} executions, {rate:>9.0}/s, seed {seed}", target.name);
    true
}
