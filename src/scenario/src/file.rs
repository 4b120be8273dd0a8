//! The file as it is written. Every table refuses keys that it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Expect;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: String,
    pub about: String,
    #[serde(default = "one")]
    pub seed: u64,
    #[serde(default = "two")]
    pub settle_s: f64,
    pub measure_s: u64,
    #[serde(default)]
    pub server: toml::Table,
    #[serde(default)]
    pub track: BTreeMap<String, Spanned<Track>>,
    #[serde(default)]
    pub link: BTreeMap<String, Spanned<Link>>,
    pub group: Vec<Spanned<Group>>,
    #[serde(default)]
    pub expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Track {
    pub codec: CodecName,
    #[serde(default)]
    pub fps: Option<u32>,
    /// One layer's rate, when there is only one.
    #[serde(default)]
    pub kbps: Option<u32>,
    #[serde(default)]
    pub layers: Vec<Layer>,
    #[serde(default)]
    pub packets_per_frame: Option<u16>,
    #[serde(default)]
    pub packet_bytes: Option<usize>,
    #[serde(default)]
    pub temporal_layers: Option<u8>,
    #[serde(default)]
    pub key_every_s: Option<f64>,
    #[serde(default)]
    pub key_scale: Option<u16>,
    #[serde(default)]
    pub talk: Option<TalkName>,
    #[serde(default)]
    pub on_s: Option<f64>,
    #[serde(default)]
    pub off_s: Option<f64>,
    #[serde(default)]
    pub dtx: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CodecName {
    Opus,
    Vp8,
    H264,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TalkName {
    Always,
    Never,
    Turns,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    pub kbps: u32,
    pub width: u16,
    pub height: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    #[serde(default)]
    pub up: Vec<Step>,
    #[serde(default)]
    pub down: Vec<Step>,
    /// Both directions.
    #[serde(default)]
    pub both: Vec<Step>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    pub from_s: f64,
    pub rate_kbps: Option<u64>,
    pub queue_ms: Option<u64>,
    pub loss: f64,
    pub burst_every: Option<u32>,
    pub burst_length: Option<u32>,
    pub delay_ms: f64,
    pub jitter_ms: f64,
    pub late: f64,
    pub late_by_ms: f64,
    pub double: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub name: String,
    #[serde(default = "room")]
    pub room: String,
    #[serde(default = "one_32")]
    pub rooms: u32,
    pub count: u32,
    #[serde(default)]
    pub door: DoorName,
    #[serde(default)]
    pub wire: WireName,
    #[serde(default)]
    pub publish: Vec<String>,
    #[serde(default)]
    pub watch: Vec<KindName>,
    #[serde(default)]
    pub messages: Option<Messages>,
    #[serde(default = "yes")]
    pub feedback: bool,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub roam_s: Option<f64>,
    #[serde(default)]
    pub arrive: Arrive,
    #[serde(default)]
    pub churn: Option<Churn>,
}

/// How participants come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoorName {
    /// WHIP to publish, WHEP to watch: a peer connection for each.
    #[default]
    Whip,
    /// The LiveKit client protocol.
    Livekit,
    /// The client protocol: the first half of a room's members calls the second half.
    Client,
    /// One QUIC connection, as native clients come.
    Quic,
}

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WireName {
    /// Datagrams.
    #[default]
    Udp,
    /// ICE over TCP.
    Tcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindName {
    Audio,
    Video,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    #[serde(default)]
    pub every_ms: Option<u64>,
    #[serde(default = "hundred")]
    pub bytes: usize,
    #[serde(default)]
    pub reliable: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Arrive {
    pub after_s: f64,
    pub within_s: f64,
    pub pattern: Arrivals,
}

/// How arrivals are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At equal distances.
    #[default]
    Even,
    /// Anywhere, as people who do not know of each other come.
    Random,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Churn {
    pub stay_s: f64,
    pub away_s: f64,
}

fn one() -> u64 {
    1
}

fn one_32() -> u32 {
    1
}

fn two() -> f64 {
    2.0
}

fn hundred() -> usize {
    100
}

fn yes() -> bool {
    true
}

fn room() -> String {
    "room".into()
}
