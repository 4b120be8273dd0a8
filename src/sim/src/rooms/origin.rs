//! The server's half from a publisher: one [`Origin`] is one stream that comes in, with its numbers unwrapped, what is
//! missing asked for, and its packets kept for those who miss them.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use offhook_link::Link;
use offhook_rtc::nack::Nack;
use offhook_types::{Codec, MediaKind, Ssrc, Time, TrackId};
use offhook_wire::rtp::SequenceUnwrapper;

use super::guest::Publishing;
use super::packet::{Datagram, GRAIN, control};

/// One layer of a track.
pub(super) struct Origin {
    /// Of which track.
    pub track: TrackId,
    /// Which of its layers.
    pub layer: u8,
    /// What it is encoded with.
    pub codec: Codec,
    /// Its number.
    pub ssrc: Ssrc,
    unwrapper: SequenceUnwrapper,
    nack: Nack,
    kept: VecDeque<(u64, Rc<[u8]>)>,
}

/// Packets kept for retransmission, as many as a worker keeps of a layer.
const HISTORY: usize = 512;
/// Who asks; nobody looks at it.
const OWN: Ssrc = Ssrc(1);

impl Origin {
    /// Every layer of a track.
    pub(super) fn of(track: &Publishing) -> impl Iterator<Item = Self> + '_ {
        track.layers.iter().zip(0..).map(|(stream, layer)| Self {
            track: track.id,
            layer,
            codec: track.feed.track.codec,
            ssrc: stream.ssrc,
            unwrapper: SequenceUnwrapper::new(),
            nack: Nack::new(),
            kept: VecDeque::new(),
        })
    }

    /// A packet came. Its unwrapped number.
    pub(super) fn accept(&mut self, now: Time, sequence: u16, bytes: &Rc<[u8]>) -> u64 {
        let sequence = self.unwrapper.unwrap(sequence);
        if self.codec.kind() == MediaKind::Video {
            self.nack.received(now, sequence);
            if self.kept.len() >= HISTORY {
                self.kept.pop_front();
            }
            self.kept.push_back((sequence, bytes.clone()));
        }
        sequence
    }

    /// A packet that came before.
    pub(super) fn find(&self, sequence: u64) -> Option<&Rc<[u8]>> {
        self.kept.iter().rev().find(|(number, _)| *number == sequence).map(|(_, bytes)| bytes)
    }

    /// Ask for what is missing. True when that was in vain, which only a key frame mends.
    pub(super) fn poll(
        &mut self,
        now: Time,
        round_trip: Duration,
        down: &mut Link<Datagram>,
    ) -> bool {
        let mut missing = [0; 64];
        let request = self.nack.poll(now, round_trip, &mut missing);
        if request.count > 0 {
            let missing = missing[..request.count].iter().copied();
            control(now, down, |out| out.nack(OWN, self.ssrc, missing));
        }
        request.gave_up
    }

    /// When to poll again.
    pub(super) fn next_timeout(&self, now: Time) -> Time {
        self.nack.next_timeout().map_or(Time::MAX, |due| due.max(now + GRAIN))
    }

    /// Ask for a key frame.
    pub(super) fn want_key(&self, now: Time, down: &mut Link<Datagram>) {
        control(now, down, |out| out.pli(OWN, self.ssrc));
    }
}
