//! A room driven by a script of bytes: whatever is commanded and sent, in whatever order, no number
//! goes out twice, headers fit, and what is sent again comes from the packet that was sent under
//! its number.

use std::collections::HashMap;
use std::time::Duration;

use offhook_sfu::{Config, Inbound, Origin, Outgoing, Router, TrackSpec};
use offhook_types::media::{CodecParams, Egress, Extension, Extensions, Negotiated, Want, Weight};
use offhook_types::{LegId, MediaKind, Mid, PayloadType, Rng, Ssrc, Time, TrackId, WorkerId};
use offhook_wire::rtp;

use crate::wire::CODECS;

/// Run a script.
pub fn router(script: &[u8]) {
    play(script);
}

/// Run a script; how many packets went out and how many were found to be sent again.
fn play(script: &[u8]) -> (usize, usize) {
    let mut play = Play {
        router: Router::new(
            Config { voices: 2, max_tracks: 8, max_subscriptions: 16, ..Config::default() },
            Rng::from_seed(script.len() as u64),
        ),
        now: Time::from_millis(1),
        sequences: [70_000; 4],
        sent: HashMap::new(),
        count: 0,
        resent: 0,
        script,
    };
    // Every step takes a byte, so the script ends.
    while let Some(step) = play.byte() {
        play.step(step);
    }
    (play.count, play.resent)
}

struct Play<'s> {
    router: Router,
    now: Time,
    sequences: [u64; 4],
    /// What went out: by leg, SSRC and number.
    sent: HashMap<(u32, Ssrc, u64), Sent>,
    count: usize,
    resent: usize,
    script: &'s [u8],
}

#[derive(Clone)]
struct Sent {
    track: TrackId,
    source: Vec<u8>,
    place: (u8, u8, u64),
}

impl Play<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.script.split_first()?;
        self.script = rest;
        Some(byte)
    }

    fn next(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn step(&mut self, step: u8) {
        let (leg, track) = (u32::from(step >> 4 & 3), TrackId(u64::from(step >> 6)));
        match step & 0x0f {
            0 => self.now = self.now + Duration::from_millis(u64::from(self.next())),
            1 => {
                let kind = self.kind();
                let spec = TrackSpec { kind, layers: self.next(), origin: Origin::Local };
                let _ = self.router.add_track(self.now, track, spec);
            }
            2 => self.router.remove_track(track),
            3 => {
                let layer = self.next();
                self.router.restart_layer(self.now, track, layer);
            }
            4 => {
                let byte = self.next();
                self.router.set_muted(self.now, track, byte & 1 == 1);
                self.router.set_heeds(self.now, track, byte & 2 == 2);
                let rates =
                    [self.next(), self.next(), byte].map(|rate| u64::from(rate) << (byte >> 3));
                self.router.set_rates(track, rates.into_iter());
            }
            5 => {
                let negotiated = self.negotiated();
                self.router.set_negotiated(self.now, leg, &negotiated);
            }
            6 => self.subscribe(leg, track),
            7 => {
                let want = self.want();
                self.router.set_want(self.now, leg, track, want);
            }
            8 => self.router.unsubscribe(leg, track),
            9 if self.next() > 0xf0 => {
                // The leg's keys go with it, so its numbers may come again.
                self.router.remove_leg(leg);
                self.sent.retain(|key, _| key.0 != leg);
            }
            10 => {
                let clock = (u64::from(self.next()) << 30, u32::from(self.next()) << 16);
                let layer = self.next();
                self.router.sender_report(self.now, track, layer, clock);
            }
            11 => self.resend(leg),
            12 => self.look(leg),
            14 => {
                let budget = u64::from(self.next()) * 4000;
                self.router.set_budget(self.now, leg, (budget > 0).then_some(budget));
            }
            _ => self.packet(track),
        }
    }

    fn kind(&mut self) -> MediaKind {
        if self.next() & 1 == 1 { MediaKind::Video } else { MediaKind::Audio }
    }

    fn want(&mut self) -> Want {
        let byte = self.next();
        Want {
            paused: byte & 1 == 1,
            layer: byte >> 1 & 3,
            temporal: byte >> 3 & 3,
            weight: Weight { priority: byte >> 5, ..Weight::NONE },
        }
    }

    fn negotiated(&mut self) -> Negotiated {
        let (codecs, shift) = (self.next(), self.next());
        let params = |(index, codec): (u8, _)| CodecParams {
            payload_type: PayloadType(96 + 2 * index),
            codec,
            rtx: Some(PayloadType(97 + 2 * index)),
            nack: true,
            pli: true,
            transport_cc: true,
            remb: false,
        };
        let chosen = (0u8..).zip(CODECS).filter(|(index, _)| codecs & (1 << index) != 0);
        Negotiated { codecs: chosen.map(params).collect(), extensions: ids(shift) }
    }

    fn subscribe(&mut self, leg: u32, track: TrackId) {
        let (kind, ssrc, want) = (self.kind(), u32::from(self.next() & 3), self.want());
        let Some(mid) = Mid::new(b"0") else { return };
        let source = LegId::new(WorkerId(0), u64::from(ssrc));
        let (ssrc, rtx) = (Ssrc(ssrc), Some(Ssrc(ssrc + 100)));
        let egress = Egress { track, source, kind, mid, ssrc, rtx };
        let _ = self.router.subscribe(self.now, leg, &egress, want);
    }

    /// A packet of any codec, numbered a few before or after the last one.
    fn packet(&mut self, track: TrackId) {
        let (shape, step) = (self.next(), self.next());
        let (layer, codec) = (shape & 3, shape >> 2);
        let last = &mut self.sequences[usize::from(layer)];
        let at = last.saturating_add_signed(i64::from(step as i8 >> 2)).max(1);
        *last = (*last).max(at);
        if step == 0x80 {
            *last = last.wrapping_add(3000) & 0xffff_ffff;
        }
        let len = usize::from(self.next() & 31);
        let carried = if step & 2 == 2 { usize::from(self.next() & 15) } else { 0 };
        let (descriptor, rest) = self.script.split_at(carried.min(self.script.len()));
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        self.script = rest;
        let header = rtp::Header {
            marker: step & 1 == 1,
            payload_type: PayloadType(96),
            sequence: at as u16,
            timestamp: (at as u32).wrapping_mul(u32::from(step >> 1)),
            ssrc: Ssrc(1),
        };
        let carried = [Extension::DependencyDescriptor, Extension::AudioLevel];
        let carried = carried.into_iter().filter_map(|e| Some((ids(1).id(e)?, descriptor)));
        let mut source = vec![0; 128];
        let written = if step & 2 == 2 {
            rtp::write_header(&mut source, &header, carried)
        } else {
            rtp::write_header(&mut source, &header, core::iter::empty())
        };
        source.truncate(written.unwrap_or(0));
        source.extend_from_slice(payload);
        self.route(track, source, (layer, codec, at));
    }

    fn route(&mut self, track: TrackId, source: Vec<u8>, place: (u8, u8, u64)) {
        let Some(inbound) = inbound(&source, place) else { return };
        let (sent, count) = (&mut self.sent, &mut self.count);
        self.router.route(self.now, track, &inbound, &mut |leg, outgoing| {
            write(outgoing);
            let made = Sent { track, source: source.clone(), place };
            let earlier = sent.insert((leg, outgoing.ssrc, outgoing.sequence), made);
            assert!(earlier.is_none(), "two packets under one number");
            *count += 1;
        });
    }

    /// Ask again for a number that went out, or for any.
    fn resend(&mut self, leg: u32) {
        let (ssrc, wire) = (Ssrc(u32::from(self.next() & 3)), u16::from(self.next()));
        let newest = self.sent.keys().filter(|key| (key.0, key.1) == (leg, ssrc)).map(|key| key.2);
        let wire = newest.max().map_or(wire, |newest| (newest as u16).wrapping_sub(wire & 15));
        let round_trip = Duration::from_millis(u64::from(self.next()));
        let Ok(found) = self.router.resend(self.now, (leg, ssrc), wire, round_trip) else { return };
        if found.rtx.is_some() {
            assert!(self.router.next_rtx_sequence(leg, ssrc).is_some());
        }
        let sent = self.sent.iter().find(|(key, sent)| {
            (key.0, key.1, key.2 as u16) == (leg, ssrc, wire)
                && (sent.track, sent.place.0, sent.place.2)
                    == (found.track, found.layer, found.sequence)
        });
        if let Some((&(_, _, sequence), sent)) = sent
            && let Some(inbound) = inbound(&sent.source, sent.place)
            && let Some(again) = found.render(&inbound)
        {
            assert_eq!((again.ssrc, again.sequence), (ssrc, sequence));
            write(&again);
            self.resent += 1;
        }
    }

    fn look(&mut self, leg: u32) {
        let ssrc = Ssrc(u32::from(self.next() & 3));
        self.router.request_key_frame(self.now, leg, ssrc);
        self.router.review(self.now);
        while self.router.poll_pause().is_some() {}
        while let Some(track) = self.router.poll_ceiling() {
            let asked =
                self.router.ceiling(track).map(|bits| self.router.asked(bits, [track].into_iter()));
            assert!(asked.is_none_or(|bits| bits > 0));
        }
        self.router.wanted(leg);
        let mut asked = 0;
        while self.router.poll_key_frame(self.now).is_some() {
            asked += 1;
            assert!(asked <= 32, "asking never ends");
        }
        let _ = self.router.poll_speakers(self.now).map(<[_]>::len);
        let _ = self.router.report(self.now, leg, ssrc);
        assert!(self.router.streams(leg).count() <= 4);
        let _ = self.router.next_timeout();
    }
}

fn ids(shift: u8) -> Extensions {
    let mut ids = Extensions::default();
    for (extension, id) in Extension::ALL.into_iter().zip(1u8..) {
        ids.set(extension, id.saturating_add(shift & 0x1f));
    }
    ids
}

fn inbound(source: &[u8], (layer, codec, sequence): (u8, u8, u64)) -> Option<Inbound<'_>> {
    let packet = rtp::Packet::parse(source).ok()?;
    let codec = CODECS[usize::from(codec) % CODECS.len()];
    Inbound::new((layer, codec, sequence), &packet, &ids(1)).ok()
}

/// Write a packet as a sender would.
fn write(outgoing: &Outgoing<'_>) {
    let mut bytes = vec![0; 512];
    let header = outgoing.write_header(&mut bytes, Some(7)).unwrap_or_default();
    let payload = outgoing.write_payload(&mut bytes[header..]).unwrap_or_default();
    assert!(header >= rtp::MIN_HEADER, "a header fits a datagram");
    assert_eq!(payload, outgoing.payload.len());
    bytes.truncate(header + payload);
    assert!(rtp::Packet::parse(&bytes).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that move nothing would test nothing.
    #[test]
    fn seeds_make_packets_flow() {
        let target = crate::TARGETS.iter().find(|target| target.name == "sfu_router");
        for (path, seed) in target.unwrap().seeds().unwrap() {
            let (sent, resent) = play(&seed);
            assert!(sent > 10, "{} sends {sent}", path.display());
            let audio = path.to_string_lossy().contains("opus");
            assert!(audio || resent > 0, "{} resends nothing", path.display());
        }
    }
}
