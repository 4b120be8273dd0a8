//! Rooms: who is in, what they publish, who receives what, and who is told.
//!
//! The machine sees no packet, socket or session description. Doors hand it [`Input`]s, it answers
//! at once with a [`Reply`] or a [`Refusal`], and leaves [`Effect`]s to be polled. It is the only
//! place that decides who may see what. Start at [`Machine`]; the words are in `words`.

mod words;

use core::time::Duration;

use offhook_types::{Rng, Time};

pub use words::*;

/// Limits and timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Rooms that may exist at once.
    pub max_rooms: usize,
    /// Participants per room, whatever the room's own limit says.
    pub max_participants: usize,
    /// Tracks per participant.
    pub max_tracks: usize,
    /// Bytes of a room name, an identity or a display name.
    pub max_name_bytes: usize,
    /// Bytes of free text, and of all attributes of a participant together.
    pub max_metadata_bytes: usize,
    /// How long a room lives without anyone ever joining.
    pub empty_timeout: Duration,
    /// How long a room lives after the last one left.
    pub departure_timeout: Duration,
    /// How long a publisher keeps sending a quality that nobody wants any more, so that a receiver
    /// that changes its mind back costs no key frame.
    pub quality_delay: Duration,
    /// Which of `shards` equal parts of the id space room ids are drawn from.
    pub shard: u64,
    /// Number of parts; at least one.
    pub shards: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            max_participants: 500,
            max_tracks: 16,
            max_name_bytes: 256,
            max_metadata_bytes: 64 * 1024,
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            quality_delay: Duration::from_secs(5),
            shard: 0,
            shards: 1,
        }
    }
}

/// All rooms of one shard.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    rng: Rng,
}

impl Machine {
    /// No rooms yet. Ids are drawn from `rng`.
    pub fn new(config: Config, _now: Now, rng: Rng) -> Self {
        Self { config, rng }
    }

    /// Take an input; effects are left for [`Machine::poll`].
    pub fn handle(&mut self, _now: Now, _input: Input) -> Result<Reply, Refusal> {
        let _ = (&self.config, self.rng.next_u32());
        Err(Refusal::Unavailable)
    }

    /// Do what has become due.
    pub fn handle_timeout(&mut self, _now: Now) {}

    /// The next effect, in the order in which they happened.
    pub fn poll(&mut self) -> Option<Effect> {
        None
    }

    /// When [`Machine::handle_timeout`] wants to be called; [`Time::MAX`] for never.
    pub fn next_timeout(&self) -> Time {
        Time::MAX
    }
}
