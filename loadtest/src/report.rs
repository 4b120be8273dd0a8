//! What a run came to: [`book`] takes the news of every participant second by second, [`Report`] is what is left
//! at the end, printed as text, JSON and a page with plots.

pub mod book;
mod page;
mod plot;
mod text;

use offhook_scenario::{Found, Verdict};
use serde::Serialize;

pub use text::{live, print};

/// Everything that is reported. Rates are per second; packets and bytes are of media, payload only.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub about: String,
    /// The file.
    pub file: String,
    /// What was drawn is drawn from it.
    pub seed: u64,
    /// What was aimed at.
    pub server: String,
    /// When it began, in seconds since 1970.
    pub started_at: u64,
    /// Seconds after the beginning that count: from, to.
    pub measured: [u32; 2],
    /// Sums over the seconds that count.
    pub totals: Totals,
    /// The same for each way in.
    pub paths: Vec<PathTotals>,
    /// The scenario's bounds.
    pub verdicts: Vec<Verdict>,
    /// Every second of the run.
    pub seconds: Vec<Second>,
    /// Every participant.
    pub participants: Vec<Person>,
}

/// Sums over the seconds that count.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Participants of the scenario.
    pub participants: u32,
    /// Visits that joined, in the whole run.
    pub joins: u64,
    /// Participants that joined at least once, of all.
    pub joined_share: f64,
    /// Why visits failed, in the whole run.
    pub failures: Vec<(String, u64)>,
    /// From knocking to media that may flow.
    pub join_ms: Option<Quantiles>,
    /// From knocking to the first picture of anybody, or sound where no pictures are watched.
    pub first_ms: Option<Quantiles>,
    /// Packets that publishers sent.
    pub sent: u64,
    /// Packets that were sent, times those who watch them: what a relay without layers is to deliver.
    pub offered: u64,
    /// Packets that reached receivers.
    pub forwarded: u64,
    /// Share of what was offered that arrived; nothing when there are layers to choose from.
    pub delivered: Option<f64>,
    /// Packets that receivers found missing and that did not come later.
    pub lost: u64,
    /// Share of what receivers expected.
    pub loss: Option<f64>,
    /// Packets that came by retransmission.
    pub repaired: u64,
    /// Packets asked for again.
    pub nacks: u64,
    /// Key frames asked for by receivers.
    pub key_requests: u64,
    /// Sender to receiver, through both kernels.
    pub delay_ms: Option<Quantiles>,
    /// Frames of the largest layer of which a packet was sent.
    pub frames_sent: u64,
    /// Frames of which a packet came, over all receivers.
    pub frames_begun: u64,
    /// Frames that came whole.
    pub frames_complete: u64,
    /// Frames that could be shown.
    pub frames_shown: u64,
    /// Shown per second and video stream.
    pub fps: Option<f64>,
    /// By the definition of W3C webrtc-stats.
    pub freezes: u64,
    /// Their length together.
    pub frozen_s: f64,
    /// Seconds of video streams that ended with a picture that stood still, of all of them: a stream that never moves
    /// again has no freeze that ends.
    pub frozen_share: Option<f64>,
    /// Per video stream.
    pub freezes_per_minute: Option<f64>,
    /// Changes of the simulcast layer.
    pub switches: u64,
    /// Payload kilobits that a receiver got.
    pub kbps_per_receiver: Option<f64>,
    /// Data messages.
    pub messages: MessageTotals,
    /// User and system time of the server per forwarded packet, in microseconds.
    pub cpu_us_per_packet: Option<f64>,
    /// Of this, time of the threads that end QUIC, for each packet that came over QUIC.
    pub quic_us_per_packet: Option<f64>,
    /// The server's share of one core.
    pub cpu_cores: Option<f64>,
    /// Resident memory of the server at the end.
    pub memory_mib: Option<f64>,
    /// Its growth since before anybody came, for each participant.
    pub memory_kib_per_participant: Option<f64>,
    /// This process's own share of one core: near the machine's cores, its figures are of itself.
    pub caller_cores: f64,
}

/// Sums over those who receive through one door, over one wire and link.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PathTotals {
    /// Door, wire and link.
    pub path: String,
    /// Who receives over it.
    pub receivers: u32,
    /// Packets that reached them.
    pub received: u64,
    /// Packets that they found missing and that did not come later.
    pub lost: u64,
    /// Share of what they expected.
    pub loss: Option<f64>,
    /// Packets that came by retransmission.
    pub repaired: u64,
    /// From the sender.
    pub delay_ms: Option<Quantiles>,
    /// From knocking to the first picture or sound.
    pub first_ms: Option<Quantiles>,
    /// Frames shown per second and video stream.
    pub fps: Option<f64>,
    /// Freezes.
    pub freezes: u64,
    /// Payload kilobits that each got.
    pub kbps_per_receiver: f64,
}

/// Data messages.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MessageTotals {
    /// Handed to channels.
    pub sent: u64,
    /// Not taken by a channel.
    pub refused: u64,
    /// Came from others.
    pub heard: u64,
    /// Of those sent, times those who listen.
    pub delivered: Option<f64>,
    /// From sender to receiver.
    pub delay_ms: Option<Quantiles>,
}

/// Quantiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half are below.
    pub p50: f64,
    /// Ninety of a hundred.
    pub p90: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p999: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Second {
    /// After the beginning.
    pub at: u32,
    /// Participants that are in.
    pub present: u32,
    /// Media packets sent.
    pub sent: u64,
    /// Media packets received.
    pub received: u64,
    /// Packets found missing, less those that came late.
    pub lost: i64,
    /// By retransmission.
    pub repaired: u64,
    /// Payload kilobits sent.
    pub sent_kbps: f64,
    /// Payload kilobits received.
    pub received_kbps: f64,
    /// Median delay.
    pub delay_p50_ms: Option<f64>,
    /// Delay at the 99th percentile.
    pub delay_p99_ms: Option<f64>,
    /// Frames shown, over all receivers.
    pub shown: u64,
    /// Video streams that showed something or should have.
    pub streams: u64,
    /// Freezes that ended.
    pub freezes: u64,
    /// Key frames sent.
    pub keys: u64,
    /// The server's share of one core.
    pub cores: Option<f64>,
    /// Its resident memory.
    pub memory_mib: Option<f64>,
}

/// One participant's run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Person {
    /// Who.
    pub identity: String,
    /// Where.
    pub room: String,
    /// Through which door and over which wire and link.
    pub path: String,
    /// Visits that joined.
    pub joins: u32,
    /// From knocking to media that may flow, the first time.
    pub join_ms: Option<f64>,
    /// From knocking to the first picture or sound, the earliest stream.
    pub first_ms: Option<f64>,
    /// Packets sent in the seconds that count.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets missing after repair.
    pub lost: i64,
    /// By retransmission.
    pub repaired: u64,
    /// Frames shown.
    pub shown: u64,
    /// Video streams watched at once, at most.
    pub streams: u64,
    /// Freezes.
    pub freezes: u64,
    /// Their length together.
    pub frozen_s: f64,
    /// Seconds of streams that ended with a picture that stood still, of all of them.
    pub frozen_share: f64,
    /// Delay at the median and the 99th percentile.
    pub delay_ms: Option<[f64; 2]>,
    /// The round trip as its transport measured it last.
    pub rtt_ms: f64,
    /// Received payload kilobits, each second of the run.
    pub kbps: Vec<f32>,
    /// Mean simulcast layer of the video received, each second; below zero for none.
    pub layer: Vec<f32>,
    /// Frames shown, each second.
    pub fps: Vec<f32>,
    /// What the server says that it may send, each second, in kilobits; zero where it says nothing.
    pub estimate_kbps: Vec<f32>,
}

impl Totals {
    /// In the words of a scenario's bounds.
    pub fn found(&self) -> Found {
        Found {
            joined: Some(self.joined_share),
            loss: self.loss,
            delivered: self.delivered,
            fps: self.fps,
            kbps: self.kbps_per_receiver,
            freezes_per_minute: self.freezes_per_minute,
            first_frame_ms: self.first_ms.map(|ms| ms.p99),
            delay_p99_ms: self.delay_ms.map(|ms| ms.p99),
            messages: self.messages.delivered,
            cpu_us_per_packet: self.cpu_us_per_packet,
        }
    }
}

impl Report {
    /// Every bound of the scenario holds.
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }

    /// The page with plots.
    pub fn html(&self) -> String {
        page::page(self)
    }
}
