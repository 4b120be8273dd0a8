//! Which leg a stream belongs to: the user fragment in a stream's first check names it. The node writes here when the
//! control plane opens, renews or ends a leg; the stream thread looks once per stream, never per packet.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_types::media::{Command, Connection, Negotiated};
use offhook_types::{LegId, MediaKind};
use offhook_wire::demux::Kind;

/// The legs that a stream may lead to.
#[derive(Default)]
pub(crate) struct Directory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_ufrag: HashMap<String, Arc<Facts>>,
    by_leg: HashMap<LegId, Entry>,
}

struct Entry {
    facts: Arc<Facts>,
    /// All that were ever valid: a stream in the middle of an ICE restart may name either.
    ufrags: Vec<String>,
}

/// What the stream thread knows of a leg.
pub(crate) struct Facts {
    /// The worker that it lives on.
    pub(crate) worker: usize,
    /// The payload types of video and of its retransmissions, one bit each.
    video: [AtomicU64; 2],
    over: AtomicBool,
}

impl Directory {
    /// Follow what the control plane says, before the worker hears it.
    pub(crate) fn follow(&self, command: &Command) {
        match command {
            Command::OpenLeg(open) => {
                if let Connection::Ice { local, .. } = &open.connection {
                    self.lock().name(open.leg, &local.ufrag);
                }
            }
            Command::SetRemote { leg, local: Some(local), .. } => {
                let mut inner = self.lock();
                if inner.by_leg.contains_key(leg) {
                    inner.name(*leg, &local.ufrag);
                }
            }
            Command::SetNegotiated { leg, negotiated } => {
                if let Some(entry) = self.lock().by_leg.get(leg) {
                    entry.facts.learn(negotiated);
                }
            }
            _ => {}
        }
    }

    /// A leg is over, and so are its streams.
    pub(crate) fn ended(&self, leg: LegId) {
        let mut inner = self.lock();
        let Some(entry) = inner.by_leg.remove(&leg) else { return };
        entry.facts.over.store(true, Ordering::Relaxed);
        for ufrag in &entry.ufrags {
            // A leg that was refused because its name was taken must not take the name along.
            if inner.by_ufrag.get(ufrag).is_some_and(|facts| Arc::ptr_eq(facts, &entry.facts)) {
                inner.by_ufrag.remove(ufrag);
            }
        }
    }

    /// The leg that a check is addressed to.
    pub(super) fn find(&self, ufrag: &str) -> Option<Arc<Facts>> {
        self.lock().by_ufrag.get(ufrag).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn name(&mut self, leg: LegId, ufrag: &str) {
        let entry = self.by_leg.entry(leg).or_insert_with(|| Entry {
            facts: Arc::new(Facts::new(usize::from(leg.worker().0))),
            ufrags: Vec::new(),
        });
        let facts = self.by_ufrag.entry(ufrag.to_owned()).or_insert_with(|| entry.facts.clone());
        if Arc::ptr_eq(facts, &entry.facts) {
            entry.ufrags.push(ufrag.to_owned());
        }
    }
}

impl Facts {
    fn new(worker: usize) -> Self {
        Self { worker, video: Default::default(), over: AtomicBool::new(false) }
    }

    fn learn(&self, negotiated: &Negotiated) {
        let mut video = [0u64; 2];
        let codecs =
            negotiated.codecs.iter().filter(|codec| codec.codec.kind() == MediaKind::Video);
        for number in codecs.flat_map(|codec| [Some(codec.payload_type), codec.rtx]).flatten() {
            if let Some(word) = video.get_mut(usize::from(number.0 >> 6)) {
                *word |= 1 << (number.0 & 63);
            }
        }
        for (place, word) in self.video.iter().zip(video) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// The leg has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether a packet carries video, which a receiver misses least.
    pub(super) fn is_video(&self, packet: &[u8]) -> bool {
        let (Some(Kind::Rtp), Some(second)) = (Kind::of(packet), packet.get(1)) else {
            return false;
        };
        let number = second & 0x7f;
        let word = self.video.get(usize::from(number >> 6));
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (number & 63) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use offhook_types::media::{CodecParams, Fingerprint, IceCredentials, OpenLeg, Remote};
    use offhook_types::{Codec, PayloadType, RoomId, WorkerId};

    use super::*;

    fn ice(ufrag: &str) -> IceCredentials {
        IceCredentials { ufrag: ufrag.into(), pwd: "not looked at here".into() }
    }

    fn open(directory: &Directory, serial: u64, ufrag: &str) -> LegId {
        let leg = LegId::new(WorkerId(3), serial);
        let connection = Connection::Ice { local: ice(ufrag), remote: None, opens_channels: false };
        directory.follow(&Command::OpenLeg(OpenLeg { leg, room: RoomId(1), connection }));
        leg
    }

    #[test]
    fn a_leg_is_found_by_each_of_its_names_until_it_ends() {
        let directory = Directory::default();
        let leg = open(&directory, 1, "first");
        let remote = Remote {
            ice: ice("theirs"),
            fingerprint: Fingerprint([0; 32]),
            role: offhook_types::media::DtlsRole::Server,
        };
        directory.follow(&Command::SetRemote { leg, remote, local: Some(ice("second")) });
        let facts = directory.find("first").unwrap();
        assert_eq!(facts.worker, 3);
        assert!(directory.find("second").is_some() && directory.find("third").is_none());
        directory.ended(leg);
        assert!(facts.is_over());
        assert!(directory.find("first").is_none() && directory.find("second").is_none());
    }

    #[test]
    fn a_leg_refused_over_its_name_leaves_the_name_to_its_owner() {
        let directory = Directory::default();
        open(&directory, 1, "taken");
        let second = open(&directory, 2, "taken");
        directory.ended(second);
        assert!(!directory.find("taken").unwrap().is_over());
    }

    #[test]
    fn video_is_told_by_its_payload_types() {
        let directory = Directory::default();
        let leg = open(&directory, 1, "name");
        let params = |number, codec, rtx| CodecParams {
            payload_type: PayloadType(number),
            codec,
            rtx,
            nack: true,
            pli: true,
            transport_cc: true,
            remb: false,
        };
        let codecs =
            vec![params(111, Codec::Opus, None), params(96, Codec::Vp8, Some(PayloadType(35)))];
        let negotiated = Negotiated { codecs, ..Negotiated::default() };
        directory.follow(&Command::SetNegotiated { leg, negotiated });
        let facts = directory.find("name").unwrap();
        for (packet, video) in [
            ([0x80, 96], true),
            ([0x80, 0x80 | 96], true),
            ([0x80, 35], true),
            ([0x80, 111], false),
            ([0x80, 200], false),
            ([0, 1], false),
        ] {
            assert_eq!(facts.is_video(&packet), video, "{packet:?}");
        }
    }
}
