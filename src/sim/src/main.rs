//! Runs seeds of a simulation: `--seed N` shows one step by step, `--from N --count M` runs many.
//! `--world` chooses the system, `calls`, `sip` or `media`. `--table` plays the named conditions of `media`,
//! `--scenario FILE` a scenario of the load tool, from its own seed or another; it ends with 3 when a bound is broken.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use core::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use offhook_scenario::Scenario;
use offhook_sim::{Failure, calls, media, rooms, sip};
use offhook_types::Time;

type Run<S> = fn(u64, &mut dyn FnMut(Time, &str)) -> Result<S, Failure>;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut seed, mut from, mut count, mut world) = (None, 0, 2_000, String::from("calls"));
    let mut scenario = None;
    while let Some(flag) = args.next() {
        if flag == "--table" {
            return table(args.next().as_deref());
        }
        let text = args.next().unwrap_or_default();
        match (flag.as_str(), text.parse::<u64>().ok()) {
            ("--scenario", _) if !text.is_empty() => scenario = Some(text),
            ("--seed", Some(value)) => seed = Some(value),
            ("--from", Some(value)) => from = value,
            ("--count", Some(value)) => count = value,
            ("--world", None) if ["calls", "sip", "media"].contains(&text.as_str()) => world = text,
            _ => {
                eprintln!(
                    "usage: offhook-sim [--world calls|sip|media] [--seed N | --from N --count M]\n\
                     \u{20}      offhook-sim --scenario FILE [--seed N]\n\
                     \u{20}      offhook-sim --table [CONDITION]"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(file) = scenario {
        return play(Path::new(&file), seed);
    }
    let seeds = from..from.saturating_add(count);
    match (world.as_str(), seed) {
        ("media", Some(seed)) => show(media::run, seed),
        ("media", None) => many(media::run, media::Summary::add, seeds),
        ("sip", Some(seed)) => show(sip::run, seed),
        ("sip", None) => many(sip::run, sip::Summary::add, seeds),
        (_, Some(seed)) => show(calls::run, seed),
        (_, None) => many(calls::run, calls::Summary::add, seeds),
    }
}

/// One of the load tool's scenarios.
fn play(file: &Path, seed: Option<u64>) -> ExitCode {
    let scenario = match Scenario::read(file) {
        Ok(scenario) => Scenario { seed: seed.unwrap_or(scenario.seed), ..scenario },
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let report = rooms::play(&scenario);
    let _ = write!(std::io::stdout().lock(), "{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) }
}

/// A bound does not hold, as the load tool says it.
const BROKEN: u8 = 3;

/// Every condition as a table, or one of them step by step.
fn table(only: Option<&str>) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", media::table::HEAD);
    for condition in media::table::conditions() {
        let mut trace = |at: Time, line: &str| {
            if only.is_some() {
                println!("{:>6} {line}", at.as_millis());
            }
        };
        if only.is_none_or(|name| name == condition.name) {
            let row = media::table::play(&condition, 1, &mut trace);
            let _ = writeln!(out, "{row}");
        }
    }
    ExitCode::SUCCESS
}

fn many<S: Default + Display>(
    run: Run<S>,
    add: fn(&mut S, &S),
    seeds: core::ops::Range<u64>,
) -> ExitCode {
    let mut total = S::default();
    for seed in seeds.clone() {
        match run(seed, &mut |_, _| ()) {
            Ok(summary) => add(&mut total, &summary),
            Err(failure) => {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("seeds {seeds:?}: {total}");
    ExitCode::SUCCESS
}

fn show<S: Display>(run: Run<S>, seed: u64) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let mut trace = |at: Time, line: &str| {
        // Whoever reads only the beginning closes the pipe, which is no failure of the run.
        let _ = writeln!(out, "{:>10.3} {line}", at.as_micros() as f64 / 1000.0);
    };
    match run(seed, &mut trace) {
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
