//! The book that is kept during a run: news come in any order, are laid down under their second, and are
//! added up when the run is over.

mod paths;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use offhook_scenario::figures::{Tally, share};
use offhook_scenario::histogram::Histogram;
use offhook_scenario::{DoorName, Scenario, Seat};
use offhook_types::MediaKind;

use super::{MessageTotals, Person, Quantiles, Second, Totals};
use crate::caller::data::Talked;
use crate::caller::leg::{News, What};
use crate::caller::sample::Figures;
use crate::process::Usage;

/// Everything that was told.
pub struct Book {
    /// Where they meet others, by participant.
    meets: Vec<String>,
    /// By participant.
    people: Vec<Entry>,
    /// By second.
    pages: Vec<Page>,
    joins: u64,
    failures: BTreeMap<String, u64>,
    join: Histogram,
    first: Histogram,
    before: Option<Usage>,
}

/// One participant.
#[derive(Default)]
struct Entry {
    person: Person,
    door: DoorName,
    present: bool,
    /// Sound and pictures of others it receives.
    watches: [bool; 2],
    listens: bool,
    layers: bool,
    /// By second.
    rows: Vec<Row>,
    first_told: bool,
}

/// One participant's second.
#[derive(Default, Clone)]
struct Row {
    sent: [u64; 2],
    frames_sent: u64,
    tally: Tally,
    estimate: f32,
    up: bool,
    messages: [u64; 3],
}

/// Everybody's second.
#[derive(Default, Clone)]
struct Page {
    second: Second,
    sent_bytes: u64,
    received_bytes: u64,
    delays: Histogram,
    message_delays: Histogram,
    usage: Option<Usage>,
}

impl Book {
    /// An empty one for these participants.
    pub fn new(scenario: &Scenario, seats: &[Seat], before: Option<Usage>) -> Self {
        let entry = |seat: &Seat| {
            let group = scenario.group(seat.group);
            let link = group.link.as_ref().map(|link| link.name.as_str());
            let path = [
                format!("{:?}", group.door).to_lowercase(),
                format!("{:?}", group.wire).to_lowercase(),
                link.unwrap_or_default().to_owned(),
            ];
            let person = Person {
                identity: seat.identity.clone(),
                room: seat.room.clone(),
                path: path.join(" ").trim_end().to_owned(),
                ..Person::default()
            };
            Entry {
                person,
                door: group.door,
                watches: [MediaKind::Audio, MediaKind::Video].map(|kind| group.watches(kind)),
                listens: group.messages.is_some(),
                layers: group.publish.iter().any(|t| t.layers.len() > 1 || t.temporal_layers > 1),
                ..Entry::default()
            }
        };
        Self {
            people: seats.iter().map(entry).collect(),
            meets: seats.iter().map(|seat| seat.meets(scenario)).collect(),
            pages: Vec::new(),
            joins: 0,
            failures: BTreeMap::new(),
            join: Histogram::default(),
            first: Histogram::default(),
            before,
        }
    }

    /// Lay news down.
    pub fn enter(&mut self, news: News) {
        let second = news.second as usize;
        if self.pages.len() <= second {
            self.pages.resize(second + 1, Page::default());
        }
        let Some(entry) = self.people.get_mut(news.seat as usize) else { return };
        match news.what {
            What::Joined(after) => {
                entry.present = true;
                entry.person.joins += 1;
                let ms = after.as_secs_f64() * 1000.0;
                entry.person.join_ms.get_or_insert(ms);
                self.joins += 1;
                self.join.add(after.as_micros() as u64);
            }
            What::Left => entry.leave(),
            What::Failed(why) => {
                entry.leave();
                *self.failures.entry(why).or_default() += 1;
            }
            What::Figures(figures) => {
                entry.figures(second, &figures, &mut self.first);
                self.pages[second].figures(&figures);
            }
        }
    }

    /// What the server's process had used when this second ended.
    pub fn usage(&mut self, second: usize, usage: Option<Usage>) {
        if self.pages.len() <= second {
            self.pages.resize(second + 1, Page::default());
        }
        self.pages[second].usage = usage;
        self.pages[second].second.present = self.present();
    }

    /// Participants that are in.
    pub fn present(&self) -> u32 {
        self.people.iter().filter(|entry| entry.present).count() as u32
    }

    /// Participants that joined at least once.
    pub fn joined(&self) -> u32 {
        self.people.iter().filter(|entry| entry.person.joins > 0).count() as u32
    }

    /// Visits that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// A second as it stands.
    pub fn second(&self, second: usize) -> Second {
        let Some(page) = self.pages.get(second) else { return Second::default() };
        let ms = |share| page.delays.quantile(share).map(|us| us / 1000.0);
        let before = second.checked_sub(1).and_then(|before| self.pages.get(before)?.usage);
        let before = before.or(if second == 0 { self.before } else { None });
        let cores = page
            .usage
            .zip(before)
            .map(|(now, before)| now.cpu_us.saturating_sub(before.cpu_us) as f64 / 1e6);
        Second {
            at: second as u32,
            sent_kbps: page.sent_bytes as f64 / 125.0,
            received_kbps: page.received_bytes as f64 / 125.0,
            delay_p50_ms: ms(0.5),
            delay_p99_ms: ms(0.99),
            cores,
            memory_mib: page.usage.map(|usage| usage.resident as f64 / f64::from(1 << 20)),
            ..page.second.clone()
        }
    }

    /// Every second of the run.
    pub fn seconds(&self) -> Vec<Second> {
        (0..self.pages.len()).map(|second| self.second(second)).collect()
    }

    /// Every participant, with sums over the seconds from `window`.
    pub fn people(&self, [from, to]: [u32; 2]) -> Vec<Person> {
        let length = self.pages.len();
        self.people.iter().map(|entry| entry.sum(from as usize..to as usize, length)).collect()
    }

    /// Sums over the seconds from `window`.
    pub fn totals(&self, [from, to]: [u32; 2]) -> Totals {
        let window = from as usize..to as usize;
        let mut sum = Row::default();
        let mut receivers = 0u64;
        for entry in &self.people {
            let rows = entry.window(&window);
            rows.iter().for_each(|row| sum.add(row));
            receivers += u64::from(entry.watches.contains(&true) && !rows.is_empty());
        }
        let mut message_delays = Histogram::default();
        for page in self.pages.get(window.clone()).unwrap_or_default() {
            message_delays.merge(&page.message_delays);
        }
        let offered = self.offered(&window);
        let tally = &sum.tally;
        let forwarded = tally.received;
        let seconds = f64::from(to - from).max(1.0);
        let layers = self.people.iter().any(|entry| entry.layers);
        let messages = self.messages(&window);
        let mut totals = Totals {
            participants: self.people.len() as u32,
            joins: self.joins,
            joined_share: f64::from(self.joined()) / self.people.len().max(1) as f64,
            failures: self.failures.iter().map(|(why, many)| (why.clone(), *many)).collect(),
            join_ms: quantiles(&self.join),
            first_ms: quantiles(&self.first),
            sent: sum.sent.iter().sum(),
            offered,
            forwarded,
            delivered: share(forwarded as f64, offered).filter(|_| !layers),
            lost: u64::try_from(tally.lost).unwrap_or(0),
            loss: tally.loss(),
            repaired: tally.repaired,
            nacks: tally.nacks,
            key_requests: tally.key_requests,
            delay_ms: quantiles(&tally.delays),
            frames_sent: sum.frames_sent,
            frames_begun: tally.begun,
            frames_complete: tally.complete,
            frames_shown: tally.shown,
            fps: tally.fps(),
            freezes: tally.freezes,
            frozen_s: tally.frozen.as_secs_f64(),
            frozen_share: tally.frozen_share(),
            freezes_per_minute: tally.freezes_per_minute(),
            switches: tally.switches,
            kbps_per_receiver: share(tally.bytes as f64 / 125.0 / seconds, receivers),
            messages: MessageTotals {
                sent: sum.messages[0],
                refused: sum.messages[1],
                heard: sum.messages[2],
                delivered: share(sum.messages[2] as f64, messages),
                delay_ms: quantiles(&message_delays),
            },
            ..Totals::default()
        };
        self.cost(&window, &mut totals);
        totals
    }

    /// What the server spent.
    fn cost(&self, window: &std::ops::Range<usize>, totals: &mut Totals) {
        let at = |second: usize| self.pages.get(second).and_then(|page| page.usage);
        let start = window.start.checked_sub(1).map_or(self.before, at);
        let (Some(start), Some(end)) = (start, window.end.checked_sub(1).and_then(at)) else {
            return;
        };
        let cpu_us = end.cpu_us.saturating_sub(start.cpu_us) as f64;
        let quic_us = end.quic_us.saturating_sub(start.quic_us) as f64;
        let over_quic = self.received_over(DoorName::Quic, window);
        totals.quic_us_per_packet = (over_quic > 0).then(|| quic_us / over_quic as f64);
        let seconds = window.len().max(1) as f64;
        totals.cpu_us_per_packet = (totals.forwarded > 0).then(|| cpu_us / totals.forwarded as f64);
        totals.cpu_cores = Some(cpu_us / 1e6 / seconds);
        totals.memory_mib = Some(end.resident as f64 / f64::from(1 << 20));
        totals.memory_kib_per_participant = self.before.map(|before| {
            let grown = end.resident.saturating_sub(before.resident) as f64 / 1024.0;
            grown / f64::from(self.joined().max(1))
        });
    }

    /// Packets sent, times those who watched them at the time.
    fn offered(&self, window: &std::ops::Range<usize>) -> u64 {
        let mut offered = 0;
        for second in window.clone() {
            let mut watchers: HashMap<&str, [u64; 2]> = HashMap::new();
            for (entry, meets) in self.people.iter().zip(&self.meets) {
                if entry.rows.get(second).is_some_and(|row| row.up) {
                    let room = watchers.entry(meets).or_default();
                    (0..2).for_each(|kind| room[kind] += u64::from(entry.watches[kind]));
                }
            }
            for (entry, meets) in self.people.iter().zip(&self.meets) {
                let (Some(row), Some(room)) =
                    (entry.rows.get(second), watchers.get(meets.as_str()))
                else {
                    continue;
                };
                for ((sent, watchers), watches) in row.sent.iter().zip(room).zip(entry.watches) {
                    let own = u64::from(row.up && watches);
                    offered += sent * watchers.saturating_sub(own);
                }
            }
        }
        offered
    }

    /// Data messages sent, times those who listened at the time.
    fn messages(&self, window: &std::ops::Range<usize>) -> u64 {
        let mut offered = 0;
        for second in window.clone() {
            let mut rooms: HashMap<&str, (u64, u64)> = HashMap::new();
            for (entry, meets) in self.people.iter().zip(&self.meets) {
                if let Some(row) = entry.rows.get(second).filter(|row| row.up && entry.listens) {
                    let (listeners, sent) = rooms.entry(meets).or_default();
                    *listeners += 1;
                    *sent += row.messages[0];
                }
            }
            let rooms = rooms.values();
            offered +=
                rooms.map(|(listeners, sent)| listeners.saturating_sub(1) * sent).sum::<u64>();
        }
        offered
    }
}

impl Entry {
    fn leave(&mut self) {
        self.present = false;
        self.first_told = false;
    }

    fn figures(&mut self, second: usize, figures: &Figures, first: &mut Histogram) {
        if self.rows.len() <= second {
            self.rows.resize(second + 1, Row::default());
        }
        let row = &mut self.rows[second];
        row.up |= figures.up_after.is_some();
        for (kind, volume) in figures.sent.iter().enumerate() {
            row.sent[kind] += volume.packets;
        }
        row.frames_sent += figures.sent[1].frames;
        let Talked { sent, refused, heard, .. } = figures.messages;
        for (sum, more) in row.messages.iter_mut().zip([sent, refused, heard]) {
            *sum += more;
        }
        row.estimate = figures.estimate_bps.map_or(row.estimate, |bps| bps as f32 / 1000.0);
        row.tally.delays.merge(&figures.delays);
        self.person.rtt_ms = figures.rtt.as_secs_f64() * 1000.0;
        for stream in &figures.streams {
            row.tally.stream(stream);
        }
        if !self.first_told
            && let Some(after) = self.first(figures)
        {
            self.first_told = true;
            first.add(after.as_micros() as u64);
            self.person.first_ms.get_or_insert(after.as_secs_f64() * 1000.0);
        }
    }

    /// From knocking to the first picture of anybody, or to the first sound where no pictures are watched. Of
    /// those who come later it would say when they came.
    fn first(&self, figures: &Figures) -> Option<Duration> {
        let kind = if self.watches[1] { MediaKind::Video } else { MediaKind::Audio };
        let streams = figures.streams.iter().filter(|stream| stream.codec.kind() == kind);
        streams.filter_map(|stream| stream.first_after).min()
    }

    fn window(&self, window: &std::ops::Range<usize>) -> &[Row] {
        let end = window.end.min(self.rows.len());
        self.rows.get(window.start.min(end)..end).unwrap_or_default()
    }

    fn sum(&self, window: std::ops::Range<usize>, length: usize) -> Person {
        let mut sum = Row::default();
        let rows = self.window(&window);
        rows.iter().for_each(|row| sum.add(row));
        let each = |value: fn(&Row) -> f32| {
            let padding = length.saturating_sub(self.rows.len());
            let values = self.rows.iter().map(value);
            values.chain(std::iter::repeat_n(0.0, padding)).collect()
        };
        let tally = &sum.tally;
        let delay = |share| tally.delays.quantile(share).map(|us| us / 1000.0);
        Person {
            sent: sum.sent.iter().sum(),
            received: tally.received,
            lost: tally.lost,
            repaired: tally.repaired,
            shown: tally.shown,
            streams: rows.iter().map(|row| row.tally.streams).max().unwrap_or(0),
            freezes: tally.freezes,
            frozen_s: tally.frozen.as_secs_f64(),
            frozen_share: tally.frozen_share().unwrap_or(0.0),
            delay_ms: delay(0.5).zip(delay(0.99)).map(|(p50, p99)| [p50, p99]),
            kbps: each(|row| row.tally.bytes as f32 / 125.0),
            layer: each(|row| row.tally.layer().unwrap_or(-1.0)),
            fps: each(|row| row.tally.shown as f32),
            estimate_kbps: each(|row| row.estimate),
            ..self.person.clone()
        }
    }
}

impl Row {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.sent.iter_mut().zip(other.sent) {
            *mine += theirs;
        }
        for (mine, theirs) in self.messages.iter_mut().zip(other.messages) {
            *mine += theirs;
        }
        self.frames_sent += other.frames_sent;
        self.tally.add(&other.tally);
    }
}

impl Page {
    fn figures(&mut self, figures: &Figures) {
        let second = &mut self.second;
        for volume in &figures.sent {
            second.sent += volume.packets;
            second.keys += volume.keys;
            self.sent_bytes += volume.bytes;
        }
        for stream in &figures.streams {
            second.received += stream.packets;
            second.lost += stream.expected as i64 - stream.packets as i64;
            second.repaired += stream.repaired;
            self.received_bytes += stream.bytes;
            if stream.codec.kind() == MediaKind::Video {
                second.shown += stream.seen.rendered;
                second.freezes += stream.seen.freezes;
                second.streams += u64::from(stream.packets > 0 && stream.first_after.is_some());
            }
        }
        self.delays.merge(&figures.delays);
        self.message_delays.merge(&figures.messages.delays);
    }
}

fn quantiles(histogram: &Histogram) -> Option<Quantiles> {
    let ms = |share| histogram.quantile(share).map(|us| us / 1000.0);
    Some(Quantiles { p50: ms(0.5)?, p90: ms(0.9)?, p99: ms(0.99)?, p999: ms(0.999)? })
}
