//! Whatever is lost, reordered, repeated or switched, a receiver sees one consistent stream.

use std::collections::{BTreeMap, BTreeSet};

use offhook_types::Rng;
use offhook_wire::payload::vp8;
use proptest::prelude::*;

use super::*;

/// What happens next in a random call.
#[derive(Debug, Clone)]
enum Chance {
    /// All layers send a frame of one or more packets each.
    Frame {
        packets: u8,
    },
    Padding {
        layer: u8,
    },
    Want {
        layer: u8,
        temporal: u8,
        paused: bool,
    },
    Mute(bool),
    /// Kilobits a second that fit, if there is a limit.
    Budget(Option<u16>),
    Wait(u16),
    Pli,
    Clocks,
}

/// What the path to us does to packets.
#[derive(Debug, Clone, Copy)]
struct Path {
    loss: u32,
    reorder: u32,
    repeat: u32,
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        12 => (1u8..4).prop_map(|packets| Chance::Frame { packets }),
        2 => (0u8..3).prop_map(|layer| Chance::Padding { layer }),
        2 => (0u8..4, 0u8..4, proptest::bool::weighted(0.1))
            .prop_map(|(layer, temporal, paused)| Chance::Want { layer, temporal, paused }),
        1 => proptest::bool::weighted(0.2).prop_map(Chance::Mute),
        2 => proptest::option::weighted(0.9, 0u16..150).prop_map(Chance::Budget),
        2 => (0u16..400).prop_map(Chance::Wait),
        1 => Just(Chance::Pli),
        1 => Just(Chance::Clocks),
    ]
}

/// One encoder of three temporal layers in the order 0 2 1 2.
#[derive(Debug, Clone, Default)]
struct Encoder {
    sequence: u64,
    picture: u16,
    tl0: u8,
    key_index: u8,
    phase: u8,
    key_wanted: bool,
}

impl Encoder {
    fn frame(&mut self, layer: u8, time: u32, packets: u8) -> Vec<Source> {
        let key = self.key_wanted || self.picture == 0;
        if key {
            self.key_wanted = false;
            self.key_index = (self.key_index + 1) & 0x1f;
            self.phase = 0;
        }
        let temporal = [0, 2, 1, 2][usize::from(self.phase & 3)];
        self.picture = (self.picture + 1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let sync = self.phase < 4 && temporal > 0;
        self.phase = (self.phase + 1) & 7;
        let (picture, tl0, key_index) = (self.picture, self.tl0, self.key_index);
        (0..packets)
            .map(|packet| {
                let start = packet == 0;
                let key = key && start;
                let vp8 = Vp8 { picture, tl0, temporal, sync, key_index, key, start };
                self.sequence += 1;
                Source::vp8((layer, self.sequence, time), vp8).marked(packet + 1 == packets)
            })
            .collect()
    }
}

/// What one outgoing number was used for.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    source: (u8, u64),
    timestamp: u32,
    picture: Option<u16>,
    tl0: Option<u8>,
    temporal: u8,
    bytes: Vec<u8>,
}

struct Call {
    stage: Stage,
    encoders: [Encoder; 3],
    rng: Rng,
    path: Path,
    delayed: Vec<(u32, Source)>,
    sources: BTreeMap<(u8, u64), Source>,
    delivered: BTreeSet<(u8, u64)>,
    /// Packets that came too late for their number: after a switch or a pause, or before the
    /// overtaken first packet of a key frame made a start.
    excused: BTreeSet<(u8, u64)>,
    /// The layer that goes out, as far as one can see.
    shown: Option<u8>,
    received: BTreeMap<u64, Seen>,
    time: u32,
}

impl Call {
    fn new(path: Path, seed: u64) -> Self {
        let mut stage = Stage::new(3, MediaKind::Video);
        let egress = egress(TRACK, MediaKind::Video, SSRC);
        stage.router.subscribe(stage.now, LEG, &egress, Want::BEST).unwrap();
        let mut encoders: [Encoder; 3] = Default::default();
        for (layer, encoder) in encoders.iter_mut().enumerate() {
            // Unrelated numbers, some about to wrap.
            encoder.sequence = 65_500 + 1000 * layer as u64;
            encoder.picture = 0x7ff0 + 5 * layer as u16;
            encoder.tl0 = 250;
        }
        Self {
            stage,
            encoders,
            rng: Rng::from_seed(seed),
            path,
            delayed: Vec::new(),
            sources: BTreeMap::new(),
            delivered: BTreeSet::new(),
            excused: BTreeSet::new(),
            shown: None,
            received: BTreeMap::new(),
            time: u32::MAX - 50_000,
        }
    }

    fn happen(&mut self, chance: &Chance) {
        let now = self.stage.now;
        match *chance {
            Chance::Frame { packets } => self.frame(packets),
            Chance::Padding { layer } => {
                let encoder = &mut self.encoders[usize::from(layer)];
                encoder.sequence += 1;
                let place = (layer, encoder.sequence, self.layer_time(layer));
                self.transmit(Source::padding(place));
            }
            Chance::Want { layer, temporal, paused } => {
                let want = Want { paused, ..want(layer, temporal) };
                self.shown = self.shown.filter(|_| !paused);
                self.stage.router.set_want(now, LEG, TRACK, want);
            }
            Chance::Mute(muted) => {
                self.shown = self.shown.filter(|_| !muted);
                self.stage.router.set_muted(now, TRACK, muted);
            }
            Chance::Budget(kilobits) => {
                let budget = kilobits.map(|kilobits| u64::from(kilobits) * 1000);
                self.stage.router.set_budget(now, LEG, budget);
            }
            Chance::Wait(millis) => {
                self.stage.now = now + Duration::from_millis(u64::from(millis));
                self.time = self.time.wrapping_add(u32::from(millis) * 90);
            }
            Chance::Pli => self.stage.router.request_key_frame(now, LEG, SSRC),
            Chance::Clocks => {
                for layer in 0..3 {
                    let clock = (100 << 32, self.layer_time(layer));
                    self.stage.router.sender_report(now, TRACK, layer, clock);
                }
            }
        }
        self.stage.router.review(self.stage.now);
        while let Some(pause) = self.stage.router.poll_pause() {
            self.shown = self.shown.filter(|_| !pause.paused);
        }
        for layer in self.stage.asked() {
            self.encoders[usize::from(layer)].key_wanted = true;
        }
    }

    /// Every layer's RTP clock starts elsewhere.
    fn layer_time(&self, layer: u8) -> u32 {
        self.time.wrapping_add(u32::from(layer) * 1_234_567)
    }

    fn frame(&mut self, packets: u8) {
        for layer in 0..3 {
            let time = self.layer_time(layer);
            for source in self.encoders[usize::from(layer)].frame(layer, time, packets) {
                self.transmit(source);
            }
        }
        self.stage.now = self.stage.now + Duration::from_millis(33);
        self.time = self.time.wrapping_add(2970);
    }

    fn transmit(&mut self, source: Source) {
        self.sources.insert((source.layer, source.sequence), source.clone());
        let mut due = Vec::new();
        self.delayed.retain_mut(|(left, source)| {
            *left -= 1;
            if *left == 0 {
                due.push(source.clone());
            }
            *left > 0
        });
        if self.rng.chance(self.path.repeat) {
            self.delayed.push((1 + self.rng.below(9), source.clone()));
        }
        if self.rng.chance(self.path.reorder) {
            self.delayed.push((1 + self.rng.below(20), source));
        } else if !self.rng.chance(self.path.loss) {
            self.deliver(&source);
        }
        due.iter().for_each(|source| self.deliver(source));
    }

    fn deliver(&mut self, source: &Source) {
        let bytes = source.bytes();
        let inbound = source.inbound(&bytes);
        let place = (source.layer, source.sequence);
        let before_switch = self.stage.router.counters().get(Drop::BeforeSwitch);
        let mut got = None;
        self.stage.router.route(self.stage.now, TRACK, &inbound, &mut |_, outgoing| {
            assert!(got.is_none(), "one packet goes out once");
            got = Some((outgoing.sequence, seen(source, outgoing)));
        });
        let before_switch = self.stage.router.counters().get(Drop::BeforeSwitch) > before_switch;
        if before_switch || self.shown != Some(source.layer) {
            self.excused.insert(place);
        }
        if let Some((sequence, seen)) = got {
            if self.received.last_key_value().is_none_or(|(&last, _)| sequence > last) {
                let passed = self.delivered.range(place..(source.layer + 1, 0));
                self.excused.extend(passed.copied());
                self.shown = Some(source.layer);
            }
            let earlier = self.received.insert(sequence, seen);
            assert_eq!(earlier, None, "two packets under number {sequence}");
        }
        self.delivered.insert(place);
    }

    /// Every number between the first and the last one was used, or belongs to a packet that never
    /// came, came from before a switch, or stands for an outage.
    fn check_gaps(&mut self) {
        let Some((&first, _)) = self.received.first_key_value() else { return };
        let Some((&last, _)) = self.received.last_key_value() else { return };
        let lossless = self.path.loss == 0 && self.path.reorder == 0;
        for sequence in first..=last {
            // Only the recent past can be asked for.
            self.stage.now = self.stage.now + Duration::from_secs(1);
            let now = self.stage.now;
            let found = self.stage.router.resend(now, (LEG, SSRC), sequence as u16, Duration::ZERO);
            match (self.received.get(&sequence), found) {
                (Some(seen), Ok(resend)) => {
                    assert_eq!((resend.layer, resend.sequence), seen.source);
                    let source = &self.sources[&seen.source];
                    let bytes = source.bytes();
                    let inbound = source.inbound(&bytes);
                    let again = resend.render(&inbound).unwrap();
                    assert_eq!(again.sequence, sequence);
                    assert_eq!(super::property::seen(source, &again), *seen, "{sequence}");
                }
                (None, found) => {
                    assert!(!lossless, "number {sequence} of {first}..={last} is open");
                    if let Ok(resend) = found {
                        let source = (resend.layer, resend.sequence);
                        let missed = !self.delivered.contains(&source);
                        // A start takes in packets of its frame that had a number before.
                        let renumbered = self.received.values().any(|seen| seen.source == source);
                        let excused = renumbered || self.excused.contains(&source);
                        assert!(missed || excused, "{source:?}");
                    }
                }
                (Some(_), Err(_)) => {}
            }
        }
    }

    /// In the order of numbers, RTP time never goes back; one time is one picture; pictures count
    /// up.
    fn check_frames(&self) {
        let whole = self.path.loss == 0 && self.path.reorder == 0;
        let mut before: Option<&Seen> = None;
        for seen in self.received.values().filter(|seen| seen.picture.is_some()) {
            if let Some(before) = before {
                let time = seen.timestamp.wrapping_sub(before.timestamp) as i32;
                let picture = |seen: &Seen| seen.picture.unwrap();
                let step = picture(seen).wrapping_sub(picture(before)) & 0x7fff;
                assert!(time >= 0, "time goes back from {before:?} to {seen:?}");
                assert_eq!(time == 0, step == 0, "{before:?} {seen:?}");
                assert!(step < 0x4000, "pictures go back from {before:?} to {seen:?}");
                assert!(
                    !whole || step <= 1,
                    "a picture is missing between {before:?} and {seen:?}"
                );
                let base = seen.tl0.unwrap().wrapping_sub(before.tl0.unwrap());
                let next_base = step > 0 && seen.temporal == 0;
                assert!(!whole || base == u8::from(next_base), "{before:?} {seen:?}");
            }
            before = Some(seen);
        }
    }
}

fn seen(source: &Source, outgoing: &Outgoing<'_>) -> Seen {
    let mut bytes = vec![0; 1500];
    let header = outgoing.write_header(&mut bytes, None).unwrap();
    let len = header + outgoing.write_payload(&mut bytes[header..]).unwrap();
    bytes.truncate(len);
    let descriptor = vp8::Descriptor::parse(&bytes[header..]).ok();
    Seen {
        source: (source.layer, source.sequence),
        timestamp: outgoing.timestamp,
        picture: descriptor.and_then(|d| d.picture_id).map(|id| id.value),
        tl0: descriptor.and_then(|d| d.tl0_picture_index),
        temporal: descriptor.map_or(0, |d| d.temporal),
        bytes,
    }
}

fn play(path: Path, seed: u64, chances: &[Chance]) {
    let mut call = Call::new(path, seed);
    chances.iter().for_each(|chance| call.happen(chance));
    call.check_frames();
    call.check_gaps();
}

proptest! {
    #[test]
    fn without_loss_numbers_and_pictures_have_no_gaps(
        seed: u64, chances in proptest::collection::vec(chance(), 1..300),
    ) {
        play(Path { loss: 0, reorder: 0, repeat: 10 }, seed, &chances);
    }

    #[test]
    fn with_loss_and_reordering_numbers_stay_consistent(
        seed: u64, loss in 0u32..30, reorder in 0u32..30,
        chances in proptest::collection::vec(chance(), 1..300),
    ) {
        play(Path { loss, reorder, repeat: 10 }, seed, &chances);
    }
}
