//! Runs seeds of the simulation: `--seed N` shows one step by step, `--from N --count M` runs many.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::process::ExitCode;

use offhook_sim::calls;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut seed, mut from, mut count) = (None, 0, 2_000);
    while let Some(flag) = args.next() {
        let value = args.next().and_then(|value| value.parse::<u64>().ok());
        match (flag.as_str(), value) {
            ("--seed", Some(value)) => seed = Some(value),
            ("--from", Some(value)) => from = value,
            ("--count", Some(value)) => count = value,
            _ => {
                eprintln!("usage: offhook-sim [--seed N | --from N --count M]");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(seed) = seed {
        return show(seed);
    }
    let mut total = calls::Summary::default();
    for seed in from..from.saturating_add(count) {
        match calls::run(seed, &mut |_, _| ()) {
            Ok(summary) => total.add(&summary),
            Err(failure) => {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{count} seeds from {from}: {total}");
    ExitCode::SUCCESS
}

fn show(seed: u64) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let mut trace = |at: offhook_types::Time, line: &str| {
        // Whoever reads only the beginning closes the pipe, which is no failure of the run.
        let _ = writeln!(out, "{:>10.3} {line}", at.as_micros() as f64 / 1000.0);
    };
    match calls::run(seed, &mut trace) {
        Ok(summary) => {
            let _ = writeln!(out, "seed {seed}: {summary}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
