//! What a run came to, group by group and over time, and whether it is what the scenario expects.

use core::fmt;
use core::time::Duration;

use offhook_scenario::figures::{Tally, share};
use offhook_scenario::histogram::Histogram;
use offhook_scenario::{Expect, Found, Group, Scenario, Verdict};
use offhook_types::MediaKind;

use super::record::{Record, Second};

/// What a run came to. It prints as text, to the byte the same for the same seed.
#[derive(Debug)]
pub struct Report {
    title: String,
    measured: [u64; 2],
    groups: Vec<Part>,
    courses: Vec<Course>,
    /// What the whole run came to, in the words of the scenario's bounds.
    pub found: Found,
    /// The bounds that mean something here, and what was found.
    pub verdicts: Vec<Verdict>,
    /// The bounds that mean nothing without a server.
    pub unjudged: Vec<&'static str>,
}

/// One group's figures over the seconds that count.
#[derive(Debug)]
struct Part {
    name: String,
    members: usize,
    joins: u64,
    offered: u64,
    tally: Tally,
    first: Histogram,
}

/// One receiver over the whole run.
#[derive(Debug)]
struct Course {
    identity: String,
    /// Estimate in bits a second and mean layer, at the end of every so many seconds.
    points: Vec<(Option<u64>, Option<f32>)>,
    every: usize,
}

/// Columns of a receiver's course.
const POINTS: usize = 15;
/// Receivers of one group whose course is shown.
const FEW: usize = 4;

impl Report {
    pub(super) fn new(scenario: &Scenario, measured: [u64; 2], records: &[Record]) -> Self {
        let group = |(index, group): (usize, &Group)| {
            let of = || records.iter().filter(move |record| record.group == index);
            Part::new(group, of(), measured)
        };
        let groups: Vec<Part> = scenario.groups.iter().enumerate().map(group).collect();
        let courses = courses(scenario, measured[1] as usize, records);
        let found = found(scenario, measured, &groups, records);
        let Expect { min_joined, min_messages, max_cpu_us_per_packet, .. } = scenario.expect;
        let unjudged = [
            ("min_joined", min_joined),
            ("min_messages", min_messages),
            ("max_cpu_us_per_packet", max_cpu_us_per_packet),
        ];
        let unjudged = unjudged.into_iter().filter(|(_, bound)| bound.is_some());
        let judged = Expect {
            min_joined: None,
            min_messages: None,
            max_cpu_us_per_packet: None,
            ..scenario.expect
        };
        Self {
            title: format!("{}, seed {}: {}", scenario.name, scenario.seed, scenario.about),
            measured,
            groups,
            courses,
            found,
            verdicts: judged.judge(&found),
            unjudged: unjudged.map(|(name, _)| name).collect(),
        }
    }

    /// Every bound that was judged holds.
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }
}

impl Part {
    fn new<'a>(
        group: &Group,
        records: impl Iterator<Item = &'a Record>,
        measured: [u64; 2],
    ) -> Self {
        let mut part = Self {
            name: group.name.clone(),
            members: 0,
            joins: 0,
            offered: 0,
            tally: Tally::default(),
            first: Histogram::default(),
        };
        for record in records {
            part.members += 1;
            part.joins += record.joins;
            record.firsts.iter().for_each(|first| part.first.add(first.as_micros() as u64));
            for second in window(record, measured) {
                part.offered += second.offered;
                part.tally.add(&second.tally);
            }
        }
        part
    }
}

fn window(record: &Record, [from, to]: [u64; 2]) -> impl Iterator<Item = &Second> {
    record.seconds.iter().take(to as usize).skip(from as usize)
}

fn courses(scenario: &Scenario, seconds: usize, records: &[Record]) -> Vec<Course> {
    let every = seconds.div_ceil(POINTS).max(1);
    let mut courses = Vec::new();
    for (index, group) in scenario.groups.iter().enumerate() {
        let of = records.iter().filter(|record| record.group == index);
        if group.watches(MediaKind::Video) {
            courses.extend(of.take(FEW).map(|record| Course::new(record, every)));
        }
    }
    courses
}

impl Course {
    fn new(record: &Record, every: usize) -> Self {
        let point = |second: &Second| (second.estimate, second.tally.layer());
        let points = record.seconds.iter().skip(every - 1).step_by(every).map(point);
        Self { identity: record.identity.clone(), points: points.collect(), every }
    }
}

/// In the words of the bounds, with what the load tool means by them.
fn found(scenario: &Scenario, measured: [u64; 2], groups: &[Part], records: &[Record]) -> Found {
    let (mut tally, mut first, mut offered) = (Tally::default(), Histogram::default(), 0);
    for group in groups {
        tally.add(&group.tally);
        first.merge(&group.first);
        offered += group.offered;
    }
    let mut tracks = scenario.groups.iter().flat_map(|group| &group.publish);
    let layered = tracks.any(|track| track.layers.len() > 1 || track.temporal_layers > 1);
    let receives = |record: &&Record| {
        let watches = !scenario.group(record.group).watch.is_empty();
        watches && window(record, measured).any(|second| second.present)
    };
    let receivers = records.iter().filter(receives).count() as u64;
    let seconds = (measured[1] - measured[0]) as f64;
    let ms = |times: &Histogram| times.quantile(0.99).map(|us| us / 1000.0);
    Found {
        loss: tally.loss(),
        delivered: share(tally.received as f64, offered).filter(|_| !layered),
        fps: tally.fps(),
        kbps: share(tally.bytes as f64 / 125.0 / seconds, receivers),
        freezes_per_minute: tally.freezes_per_minute(),
        first_frame_ms: ms(&first),
        delay_p99_ms: ms(&tally.delays),
        ..Found::default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = self.measured;
        writeln!(f, "{}\n{to} s played, of which the seconds after {from} count\n", self.title)?;
        writeln!(f, "{HEAD}")?;
        self.groups.iter().try_for_each(|group| writeln!(f, "{group}"))?;
        if let Some(Course { every, .. }) = self.courses.first() {
            let seconds = if *every == 1 { "every second" } else { "at the end of seconds" };
            writeln!(f, "\nestimate in kbit/s and mean simulcast layer, {seconds}")?;
            write!(f, "{:24}", "")?;
            (1..=self.courses[0].points.len())
                .try_for_each(|nth| write!(f, "{:6}", nth * every))?;
            writeln!(f)?;
        }
        self.courses.iter().try_for_each(|course| writeln!(f, "{course}"))?;
        writeln!(f)?;
        for Verdict { bound, wanted, found, holds } in &self.verdicts {
            let found = found.map_or("nothing".into(), |found| format!("{found:.4}"));
            let holds = if *holds { "holds" } else { "DOES NOT HOLD" };
            writeln!(f, "{bound} {wanted}: {found}, {holds}")?;
        }
        if !self.unjudged.is_empty() {
            writeln!(f, "means nothing without a server: {}", self.unjudged.join(", "))?;
        }
        Ok(())
    }
}

const HEAD: &str = "group           people joins   offered delivered    lost repaired  nacks \
delay p50/p99 ms  first p50/p99 ms  shown/s  freezes  frozen s";

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, members, joins, offered, tally, first } = self;
        write!(f, "{name:15} {members:6} {joins:5} {offered:9} ")?;
        let Tally { received, lost, repaired, nacks, freezes, frozen, .. } = tally;
        write!(f, "{received:9} {lost:7} {repaired:8} {nacks:6} ")?;
        write!(f, "{:>16} {:>17} ", quantiles(&tally.delays), quantiles(first))?;
        let shown = tally.fps().map_or("-".into(), |fps| format!("{fps:.1}"));
        write!(f, "{shown:>8} {freezes:8} {:9.2}", Duration::as_secs_f64(frozen))
    }
}

fn quantiles(times: &Histogram) -> String {
    let ms = |share| times.quantile(share).map(|us| us / 1000.0);
    match (ms(0.5), ms(0.99)) {
        (Some(p50), Some(p99)) => format!("{p50:.1} / {p99:.1}"),
        _ => "-".into(),
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16}estimate", self.identity)?;
        for (estimate, _) in &self.points {
            match estimate {
                Some(bits) => write!(f, "{:6}", bits / 1000)?,
                None => write!(f, "{:>6}", "-")?,
            }
        }
        write!(f, "\n{:16}layer   ", "")?;
        for (_, layer) in &self.points {
            match layer {
                Some(layer) => write!(f, "{layer:6.1}")?,
                None => write!(f, "{:>6}", "-")?,
            }
        }
        Ok(())
    }
}
