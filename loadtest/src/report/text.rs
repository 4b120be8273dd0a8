//! The report for a terminal.

use std::fmt::Write as _;

use super::{Quantiles, Report, Second, Totals};

/// One line of a running run.
pub fn live(second: &Second, (present, all): (u32, u32), failed: u64) -> String {
    let mut line = format!(
        "{:>4} s  {present}/{all} in  sent {:>6}/s {:>7.2} Mbit/s  received {:>7}/s {:>8.2} Mbit/s  lost {:>5}",
        second.at,
        second.sent,
        second.sent_kbps / 1000.0,
        second.received,
        second.received_kbps / 1000.0,
        second.lost,
    );
    if let (Some(p50), Some(p99)) = (second.delay_p50_ms, second.delay_p99_ms) {
        let _ = write!(line, "  delay {p50:.1}/{p99:.1} ms");
    }
    if second.streams > 0 {
        let fps = second.shown as f64 / second.streams as f64;
        let _ = write!(line, "  {fps:.1} fps  {} freezes", second.freezes);
    }
    if let (Some(cores), Some(memory)) = (second.cores, second.memory_mib) {
        let _ = write!(line, "  server {cores:.2} cores {memory:.0} MiB");
    }
    if failed > 0 {
        let _ = write!(line, "  {failed} failed");
    }
    line
}

/// The whole report.
pub fn print(report: &Report) -> String {
    let totals = &report.totals;
    let mut out = String::new();
    let [from, to] = report.measured;
    let _ = writeln!(out, "\n{}: {}", report.scenario, report.about);
    let _ = writeln!(out, "seed {}, {}, seconds {from} to {to}\n", report.seed, report.server);
    for (name, value) in rows(totals) {
        let _ = writeln!(out, "  {name:<28} {value}");
    }
    if report.paths.len() > 1 {
        paths(report, &mut out);
    }
    for (why, many) in &totals.failures {
        let _ = writeln!(out, "  failed {many:>5} times        {why}");
    }
    if !report.verdicts.is_empty() {
        let _ = writeln!(out);
    }
    for verdict in &report.verdicts {
        let word = if verdict.holds { "holds" } else { "BROKEN" };
        let found = verdict.found.map_or("nothing measured".into(), |found| format!("{found:.4}"));
        let _ = writeln!(out, "  {word:<7} {} = {}: {found}", verdict.bound, verdict.wanted);
    }
    out
}

/// Names and figures, in the order in which they are read.
pub fn rows(totals: &Totals) -> Vec<(&'static str, String)> {
    let number = |value: Option<f64>, unit: &str, digits: usize| {
        value.map_or("-".to_owned(), |value| format!("{value:.digits$}{unit}"))
    };
    let percent = |value: Option<f64>| number(value.map(|share| share * 100.0), " %", 3);
    let joined = format!(
        "{:.0} of {} ({} visits)",
        totals.joined_share * f64::from(totals.participants),
        totals.participants,
        totals.joins,
    );
    let mut rows = vec![
        ("participants joined", joined),
        ("join", quantiles(totals.join_ms)),
        ("first picture or sound", quantiles(totals.first_ms)),
        ("packets sent", totals.sent.to_string()),
        ("packets offered", totals.offered.to_string()),
        ("packets forwarded", totals.forwarded.to_string()),
        ("delivered of offered", percent(totals.delivered)),
        ("lost after repair", format!("{} ({})", totals.lost, percent(totals.loss))),
        ("repaired, asked for again", format!("{}, {}", totals.repaired, totals.nacks)),
        ("delay", quantiles(totals.delay_ms)),
    ];
    if totals.frames_begun > 0 {
        rows.extend([
            ("frames begun, whole, shown", {
                let Totals { frames_begun, frames_complete, frames_shown, .. } = totals;
                format!("{frames_begun}, {frames_complete}, {frames_shown}")
            }),
            ("frames per second and stream", number(totals.fps, "", 2)),
            ("freezes", format!("{} ({:.1} s)", totals.freezes, totals.frozen_s)),
            ("seconds that ended frozen", percent(totals.frozen_share)),
            ("layer switches", totals.switches.to_string()),
            ("key frames asked for", totals.key_requests.to_string()),
        ]);
    }
    rows.push(("received per receiver", number(totals.kbps_per_receiver, " kbit/s", 0)));
    let messages = &totals.messages;
    if messages.sent > 0 {
        rows.extend([
            ("messages sent, heard", format!("{}, {}", messages.sent, messages.heard)),
            ("messages delivered", percent(messages.delivered)),
            ("message delay", quantiles(messages.delay_ms)),
        ]);
    }
    rows.push(("server CPU per forwarded", number(totals.cpu_us_per_packet, " us", 2)));
    if totals.quic_us_per_packet.is_some() {
        rows.push(("QUIC's, per packet over it", number(totals.quic_us_per_packet, " us", 2)));
    }
    rows.extend([
        ("server CPU", number(totals.cpu_cores, " cores", 2)),
        ("server memory", number(totals.memory_mib, " MiB", 1)),
        ("memory per participant", number(totals.memory_kib_per_participant, " KiB", 0)),
        ("callers' own CPU", format!("{:.2} cores", totals.caller_cores)),
    ]);
    rows
}

/// A line for each way in.
fn paths(report: &Report, out: &mut String) {
    let names = [
        "received over",
        "who",
        "packets",
        "lost",
        "repaired",
        "p50, p99, p99.9 ms",
        "first ms",
        "fps",
        "freezes",
        "kbit/s",
    ];
    let _ = writeln!(out);
    line(names.map(str::to_owned), out);
    for path in &report.paths {
        let delay = path.delay_ms.map(|q| format!("{:.2}  {:.2}  {:.2}", q.p50, q.p99, q.p999));
        let first = path.first_ms.map(|q| format!("{:.0}", q.p50));
        let fps = path.fps.map(|fps| format!("{fps:.1}"));
        let [delay, first, fps] = [delay, first, fps].map(|text| text.unwrap_or("-".into()));
        let counts = [path.received, path.lost, path.repaired].map(|count| count.to_string());
        let [received, lost, repaired] = counts;
        line(
            [
                path.path.clone(),
                path.receivers.to_string(),
                received,
                lost,
                repaired,
                delay,
                first,
                fps,
                path.freezes.to_string(),
                format!("{:.0}", path.kbps_per_receiver),
            ],
            out,
        );
    }
}

fn line(cells: [String; 10], out: &mut String) {
    const WIDTHS: [usize; 10] = [24, 5, 9, 7, 9, 28, 9, 6, 8, 8];
    let [first, rest @ ..] = cells;
    let _ = write!(out, "  {first:<width$}", width = WIDTHS[0]);
    for (cell, width) in rest.iter().zip(&WIDTHS[1..]) {
        let _ = write!(out, "{cell:>width$}");
    }
    let _ = writeln!(out);
}

fn quantiles(found: Option<Quantiles>) -> String {
    found.map_or("-".into(), |q| {
        format!("p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2} ms", q.p50, q.p90, q.p99, q.p999)
    })
}
