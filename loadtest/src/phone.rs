//! How many phone calls a second a server sets up, and what each costs it: from the request over the
//! client API through reservation, durable record and SIP to the answer, and on to the closed record.
//! The demo carrier is the far end, in a process of its own, so that what is measured of the server is
//! the server's alone. Nobody joins the rooms: sound has a bench of its own.

mod caller;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};

use crate::process;
use crate::video::report::Delay;
use caller::{Caller, Timing};
use stage::Stage;

/// How many calls, how fast.
#[derive(Args, Debug, Clone)]
pub struct Load {
    /// The server binary to start.
    #[arg(long, default_value = "target/release/offhook")]
    server: PathBuf,
    /// Calls in all.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
    /// Calls begun in a second; 0 is as fast as the callers get free.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    rate: u32,
    /// People who call, each one call at a time.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2000))]
    callers: u32,
    /// From the answer to hanging up, in milliseconds.
    #[arg(long, default_value_t = 500)]
    talk_ms: u64,
    /// Print one line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The figures of a run.
#[derive(Debug, Serialize)]
struct Figures {
    calls: u32,
    failed: u32,
    /// Begun in a second, as asked for; 0 is as fast as it goes.
    rate_asked: u32,
    /// Set up and ended in a second.
    calls_per_s: f64,
    /// User and system time of the server.
    cpu_ms_per_call: f64,
    /// Of one core.
    cpu_cores: f64,
    /// From the request to the reply that the call exists, in milliseconds.
    placed_ms: Quantiles,
    /// From the request to the answer of a carrier that answers at once, in milliseconds.
    answered_ms: Quantiles,
    /// From hanging up to the end that the caller is told of, in milliseconds.
    ended_ms: Quantiles,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Quantiles {
    fn of(spans: impl Iterator<Item = Duration>) -> Self {
        let nanos = spans.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)).collect();
        let delay = Delay::of(nanos);
        Self { p50: delay.p50 / 1000.0, p99: delay.p99 / 1000.0 }
    }
}

/// Place the calls and print the figures. Fails when a record is left open or the books differ.
pub async fn run(load: Load) -> Result<()> {
    let stage = Stage::set(&load.server).await?;
    let (free, mut waiting) = mpsc::unbounded_channel();
    for serial in 0..load.callers {
        free.send(Caller::sign_up(&stage.server.url, serial).await?)?;
    }
    let pid = stage.server.pid.context("the server has no process")?;
    let (before, began) = (process::usage(pid)?, Instant::now());
    let done = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    let mut pace = (load.rate > 0).then(|| {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / load.rate);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        pace
    });
    for _ in 0..load.calls {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let mut caller: Caller = waiting.recv().await.context("no caller is left")?;
        let (free, done, talk) = (free.clone(), done.clone(), Duration::from_millis(load.talk_ms));
        calls.push(tokio::spawn(async move {
            let timing = caller.call(talk).await;
            done.lock().await.push(timing);
            let _ = free.send(caller);
        }));
    }
    for call in calls {
        call.await?;
    }
    let (after, took) = (process::usage(pid)?, began.elapsed());
    let timings = std::mem::take(&mut *done.lock().await);
    let (good, bad): (Vec<_>, Vec<_>) = timings.into_iter().partition(Result::is_ok);
    if let Some(Err(error)) = bad.first() {
        eprintln!("{} calls failed, one of them: {error:#}", bad.len());
    }
    let good: Vec<Timing> = good.into_iter().flatten().collect();
    let cpu_us = (after.cpu_us - before.cpu_us) as f64;
    let figures = Figures {
        calls: load.calls,
        failed: u32::try_from(bad.len())?,
        rate_asked: load.rate,
        calls_per_s: good.len() as f64 / took.as_secs_f64(),
        cpu_ms_per_call: cpu_us / 1000.0 / f64::from(load.calls),
        cpu_cores: cpu_us / took.as_micros() as f64,
        placed_ms: Quantiles::of(good.iter().map(|timing| timing.placed)),
        answered_ms: Quantiles::of(good.iter().map(|timing| timing.answered)),
        ended_ms: Quantiles::of(good.iter().map(|timing| timing.ended)),
    };
    print(&figures, load.json)?;
    let books = stage.close().await?;
    if books.closed != u64::from(load.calls) - u64::try_from(bad.len())? && bad.is_empty() {
        bail!("{} calls and {} closed records", load.calls, books.closed);
    }
    Ok(())
}

fn print(figures: &Figures, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(figures)?);
        return Ok(());
    }
    let Figures { calls, failed, calls_per_s, cpu_ms_per_call, cpu_cores, .. } = figures;
    println!("{calls} phone calls, {failed} failed, {calls_per_s:.1} a second");
    println!("  server CPU {cpu_ms_per_call:.2} ms per call, {cpu_cores:.2} cores");
    for (what, span) in [
        ("request to placed", &figures.placed_ms),
        ("request to answered", &figures.answered_ms),
        ("hang-up to ended", &figures.ended_ms),
    ] {
        println!("  {what}: p50 {:.1} ms, p99 {:.1} ms", span.p50, span.p99);
    }
    Ok(())
}
