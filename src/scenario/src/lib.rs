//! What a run plays: who joins which room when, through which door and over which link, what they publish
//! and watch, and what must come of it. Read from a TOML file ([`Scenario::read`]); a key that is not known stops the
//! run and is named with its line.
//!
//! `loadtest` plays scenarios against a server, `sim` in virtual time. Both publish what [`source`] makes and know by
//! the [`stamp`] in every packet what came of it: [`receive`] is a receiver's stream, [`frames`] its pictures,
//! [`figures`] what they come to. Nothing here has a clock or a socket; only [`Scenario::read`] opens a file.

#![deny(missing_docs)]

mod check;
mod expect;
pub mod figures;
mod file;
pub mod frames;
pub mod histogram;
mod plan;
pub mod receive;
pub mod source;
pub mod stamp;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use offhook_link::Schedule;
use offhook_types::media::DataKind;
use offhook_types::{Codec, H264, MediaKind, Rid};

use source::Talk;

pub use expect::{Expect, Found, Verdict};
pub use file::{Arrivals, DoorName, WireName};
pub use plan::{Seat, Visit, seats};

/// H.264 as every browser offers it: constrained baseline in mode 1.
pub const H264_MODE_1: Codec = Codec::H264(H264 { packetization_mode: 1, profile: 0x42e0 });

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// Its path.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is in it is not what a scenario may say.
    #[error("{file}:{line}: {what}")]
    Wrong {
        /// Its path.
        file: String,
        /// Of the file, from one.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

/// A whole scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// Everything that is drawn is drawn from it.
    pub seed: u64,
    /// From when everybody is there to the first second that counts.
    pub settle: Duration,
    /// Seconds that count.
    pub measure: Duration,
    /// Settings of a server of the run's own, over those that every run has.
    pub server: toml::Table,
    /// Who takes part.
    pub groups: Vec<Group>,
    /// Links by name, used or not.
    pub links: BTreeMap<String, Arc<Paths>>,
    /// What must come of it.
    pub expect: Expect,
    /// The file as it is written, for the report.
    pub text: String,
}

/// Participants that do alike.
#[derive(Debug, Clone)]
pub struct Group {
    /// Prefix of their identities.
    pub name: String,
    /// Prefix of their room's name.
    pub room: String,
    /// So many rooms of the kind.
    pub rooms: u32,
    /// So many of them in each room.
    pub count: u32,
    /// How they come in.
    pub door: DoorName,
    /// What carries their packets.
    pub wire: WireName,
    /// What they publish.
    pub publish: Vec<Arc<Track>>,
    /// Kinds of tracks of others that they receive.
    pub watch: Vec<MediaKind>,
    /// Data messages.
    pub messages: Option<MessagePlan>,
    /// Tell the server when packets came.
    pub feedback: bool,
    /// What their packets meet on the way.
    pub link: Option<Arc<Paths>>,
    /// Over QUIC, how often they go on from another address and under new keys.
    pub roam: Option<Duration>,
    /// When they come.
    pub arrive: Arrive,
    /// When they go, and come again.
    pub churn: Option<Churn>,
}

/// Both directions of a participant's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Its name in the file.
    pub name: String,
    /// To the server.
    pub up: Schedule,
    /// From the server.
    pub down: Schedule,
}

/// Data messages to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePlan {
    /// Between two messages; nothing is sent for `None`.
    pub every: Option<Duration>,
    /// Length of the message itself.
    pub bytes: usize,
    /// Over which channel.
    pub kind: DataKind,
}

/// When participants of a group come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrive {
    /// The first one, after the beginning.
    pub after: Duration,
    /// All of them within this.
    pub within: Duration,
    /// How they are spread over it.
    pub pattern: Arrivals,
}

/// Coming and going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Churn {
    /// How long a visit lasts on average.
    pub stay: Duration,
    /// How long it is to the next on average.
    pub away: Duration,
}

/// Sound or pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// A microphone.
    Audio,
    /// A camera.
    Video,
}

/// A published track.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its name in the file.
    pub name: String,
    /// Sound or pictures.
    pub kind: TrackKind,
    /// How it is encoded.
    pub codec: Codec,
    /// Frames a second; 50 for sound.
    pub fps: u32,
    /// Its encodings, the smallest first; one for sound.
    pub layers: Vec<Layer>,
    /// Temporal layers of each.
    pub temporal_layers: u8,
    /// Key frames without being asked.
    pub key_every: Duration,
    /// How many times larger a key frame is.
    pub key_scale: u16,
    /// When somebody talks.
    pub talk: Talk,
    /// Silence costs nothing.
    pub dtx: bool,
}

/// One encoding of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Its name, where there are several.
    pub rid: Option<Rid>,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// Packets of a frame.
    pub packets: u16,
    /// Payload bytes of a packet.
    pub packet_bytes: usize,
    /// Payload bytes of a frame.
    pub frame_bytes: usize,
}

impl Track {
    /// Audio or video.
    pub fn media(&self) -> MediaKind {
        self.codec.kind()
    }

    /// From frame to frame.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.fps.max(1)
    }

    /// The same on the RTP clock.
    pub fn ticks(&self) -> u32 {
        self.codec.clock_rate() / self.fps.max(1)
    }

    /// Bits a second that it takes on the way if it is sound, with all headers, and somebody talks.
    pub fn sound_bits(&self) -> u64 {
        let packets = self.layers.iter().filter(|_| self.media() == MediaKind::Audio);
        let bytes =
            packets.map(|packet| (packet.frame_bytes + source::OVERHEAD) as u64).sum::<u64>();
        bytes * 8 * u64::from(self.fps)
    }

    /// Payload bits a second of a layer without key frames.
    pub fn bits(&self, layer: &Layer) -> u64 {
        let frame = u64::from(layer.packets) * layer.packet_bytes as u64;
        frame * 8 * u64::from(self.fps)
    }
}

impl Scenario {
    /// Read a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(source) => Err(Error::Unreadable { file, source }),
        }
    }

    /// Read the text of a file with this name.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let wrong = |at: Option<usize>, what: String| {
            let line = at.map_or(1, |at| line_of(text, at));
            Error::Wrong { file: name.into(), line, what }
        };
        let file: file::File = toml::from_str(text).map_err(|error| {
            wrong(error.span().map(|span| span.start), error.message().to_owned())
        })?;
        check::check(file, text).map_err(|found| wrong(found.at, found.what))
    }

    /// All participants.
    pub fn participants(&self) -> u32 {
        self.groups.iter().map(|group| group.rooms * group.count).sum()
    }

    /// Tracks that others publish in a room where a member of `group` is, at most, by kind.
    pub fn tracks_for(&self, group: &Group, kind: MediaKind) -> usize {
        let in_room = self.groups.iter().filter(|other| other.room == group.room);
        let all: usize = in_room.map(|other| other.count as usize * other.tracks(kind)).sum();
        all.saturating_sub(group.tracks(kind))
    }

    /// Groups by name.
    pub fn group(&self, index: usize) -> &Group {
        &self.groups[index]
    }
}

impl Group {
    /// How many tracks of a kind each of them publishes.
    pub fn tracks(&self, kind: MediaKind) -> usize {
        self.publish.iter().filter(|track| track.media() == kind).count()
    }

    /// Receives tracks of a kind.
    pub fn watches(&self, kind: MediaKind) -> bool {
        self.watch.contains(&kind)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
