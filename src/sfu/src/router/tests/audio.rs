//! Rooms with more microphones than are heard at a time.

use std::collections::{BTreeMap, BTreeSet};

use offhook_types::Rng;
use proptest::prelude::*;

use super::*;

/// Microphones that some legs hear.
struct Hall {
    router: Router,
    now: Time,
    sequences: Vec<u64>,
    /// Levels in -dBov; `None` tells none.
    levels: Vec<Option<u8>>,
    /// Packets that a leg got, by leg and track.
    got: BTreeMap<(u32, TrackId), Vec<(u64, u64)>>,
}

const SILENCE: Option<u8> = Some(90);
const SPEECH: Option<u8> = Some(25);

fn microphone(index: usize) -> TrackId {
    TrackId(500 + index as u64)
}

impl Hall {
    fn new(microphones: usize, (legs, voices): (u32, usize)) -> Self {
        let config = Config { voices, ..Config::default() };
        let mut router = Router::new(config, Rng::from_seed(3));
        let now = Time::from_millis(1_000_000);
        let spec = TrackSpec { kind: MediaKind::Audio, layers: 1, origin: Origin::Local };
        for index in 0..microphones {
            router.add_track(now, microphone(index), spec).unwrap();
        }
        for leg in 0..legs {
            router.set_negotiated(now, leg, &negotiated(&[(124, Codec::Opus)]));
            for index in (0..microphones).filter(|&index| index as u32 != leg) {
                let egress = egress(microphone(index), spec.kind, Ssrc(1000 + index as u32));
                router.subscribe(now, leg, &egress, Want::BEST).unwrap();
            }
        }
        let (sequences, levels) = (vec![70; microphones], vec![SILENCE; microphones]);
        Self { router, now, sequences, levels, got: BTreeMap::new() }
    }

    fn next(&mut self, index: usize) -> Source {
        self.sequences[index] += 1;
        let sequence = self.sequences[index];
        let source = Source::opus(sequence, sequence as u32 * 960);
        match self.levels[index] {
            Some(level) => source.with(Extension::AudioLevel, &[level]),
            None => source,
        }
    }

    fn deliver(&mut self, index: usize, source: &Source) {
        let bytes = source.bytes();
        let (got, track) = (&mut self.got, microphone(index));
        self.router.route(self.now, track, &source.inbound(&bytes), &mut |leg, outgoing| {
            got.entry((leg, track)).or_default().push((source.sequence, outgoing.sequence));
        });
    }

    /// Everyone sends for a while.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 20 {
            for index in 0..self.sequences.len() {
                let source = self.next(index);
                self.deliver(index, &source);
            }
            self.now = self.now + Duration::from_millis(20);
        }
    }

    /// How many packets each leg gets.
    fn per_leg(&self) -> BTreeMap<u32, usize> {
        let mut sums = BTreeMap::new();
        for (&(leg, _), packets) in &self.got {
            *sums.entry(leg).or_default() += packets.len();
        }
        sums
    }

    /// Tracks that leg 0 heard just now.
    fn heard(&mut self) -> Vec<usize> {
        self.got.clear();
        self.run(20);
        let tracks = self.got.keys().filter(|(leg, _)| *leg == 0);
        tracks.map(|(_, track)| (track.0 - 500) as usize).collect()
    }
}

#[test]
fn a_hundred_people_hear_no_more_than_the_few_who_are_loudest() {
    let mut hall = Hall::new(100, (100, 5));
    hall.run(1000);
    let speakers = [17, 44, 93];
    speakers.iter().for_each(|&speaker| hall.levels[speaker] = SPEECH);
    let begun = hall.sequences.clone();
    hall.got.clear();
    hall.run(4000);
    let packets = hall.per_leg();
    assert_eq!(packets.len(), 100);
    // While the three take their places, those whom they displace may have sent already.
    assert!(packets.values().all(|&packets| packets <= 5 * 200 + 3), "{packets:?}");
    for speaker in speakers {
        for leg in (0..100).filter(|&leg| leg != speaker as u32) {
            let got = &hall.got[&(leg, microphone(speaker))];
            assert_eq!(got.len(), 200, "every word from the first on");
            assert_eq!(got[0].0, begun[speaker] + 1);
            let gaps = got.windows(2).filter(|pair| pair[1].1 != pair[0].1 + 1).count();
            assert_eq!(gaps, 0);
        }
    }
}

#[test]
fn a_small_room_hears_everyone() {
    let mut hall = Hall::new(5, (1, 5));
    assert_eq!(hall.heard(), [1, 2, 3, 4]);
}

#[test]
fn without_a_limit_everyone_is_heard() {
    let mut hall = Hall::new(9, (1, 0));
    assert_eq!(hall.heard().len(), 8);
}

#[test]
fn who_has_no_levels_is_taken_to_speak() {
    let mut hall = Hall::new(4, (1, 2));
    hall.run(2000);
    hall.levels[3] = None;
    assert!(hall.heard().contains(&3));
}

#[test]
fn who_returns_goes_on_with_closed_numbers() {
    let mut hall = Hall::new(4, (1, 1));
    let mut numbers = Vec::new();
    for speaker in [1, 2, 1, 3, 1] {
        hall.levels = vec![SILENCE; 4];
        hall.levels[speaker] = SPEECH;
        hall.got.clear();
        hall.run(3000);
        assert!(hall.got[&(0, microphone(speaker))].len() > 50);
        let first = hall.got.get(&(0, microphone(1)));
        numbers.extend(first.into_iter().flatten().map(|packet| packet.1));
    }
    let missing = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(missing, 0);
}

#[test]
fn a_muted_one_leaves_its_place() {
    let mut hall = Hall::new(4, (1, 1));
    hall.levels[1] = SPEECH;
    hall.run(1000);
    hall.levels[2] = SPEECH;
    assert_eq!(hall.heard(), [1]);
    hall.router.set_muted(hall.now, microphone(1), true);
    assert_eq!(hall.heard(), [2]);
}

/// What happens next.
#[derive(Debug, Clone)]
enum Chance {
    /// All send so many packets; bits say who speaks.
    Talk {
        speakers: u8,
        packets: u8,
    },
    Mute {
        index: u8,
        muted: bool,
    },
    Pause {
        index: u8,
        paused: bool,
    },
    Wait(u16),
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        6 => (any::<u8>(), 1u8..30)
            .prop_map(|(speakers, packets)| Chance::Talk { speakers, packets }),
        1 => (0u8..5, any::<bool>()).prop_map(|(index, muted)| Chance::Mute { index, muted }),
        1 => (0u8..5, any::<bool>()).prop_map(|(index, paused)| Chance::Pause { index, paused }),
        1 => (0u16..3000).prop_map(Chance::Wait),
    ]
}

/// A receiver of five microphones, of which two are heard, behind a path that loses and reorders.
struct Call {
    hall: Hall,
    rng: Rng,
    loss: u32,
    reorder: u32,
    delayed: Vec<(u32, usize, Source)>,
    /// The highest number of each that came.
    highest: [u64; 5],
    /// Packets that came in order: nobody may ask for them.
    in_order: BTreeSet<(usize, u64)>,
}

impl Call {
    fn new(seed: u64, (loss, reorder): (u32, u32)) -> Self {
        let hall = Hall::new(5, (1, 2));
        let rng = Rng::from_seed(seed);
        let (delayed, highest, in_order) = (Vec::new(), [0; 5], BTreeSet::new());
        Self { hall, rng, loss, reorder, delayed, highest, in_order }
    }

    fn happen(&mut self, chance: &Chance) {
        let hall = &mut self.hall;
        match *chance {
            Chance::Talk { speakers, packets } => {
                for (index, level) in hall.levels.iter_mut().enumerate() {
                    let speaks = speakers & (1 << index) != 0;
                    *level = if speaks { Some(20 + 7 * index as u8) } else { SILENCE };
                }
                (0..packets).for_each(|_| self.talk());
            }
            Chance::Mute { index, muted } => {
                hall.router.set_muted(hall.now, microphone(usize::from(index)), muted);
            }
            Chance::Pause { index, paused } => {
                let want = Want { paused, ..Want::BEST };
                hall.router.set_want(hall.now, 0, microphone(usize::from(index)), want);
            }
            Chance::Wait(millis) => {
                hall.now = hall.now + Duration::from_millis(u64::from(millis));
            }
        }
    }

    fn talk(&mut self) {
        for index in 0..5 {
            let source = self.hall.next(index);
            let mut due = Vec::new();
            self.delayed.retain_mut(|(left, index, source)| {
                *left -= 1;
                if *left == 0 {
                    due.push((*index, source.clone()));
                }
                *left > 0
            });
            if self.rng.chance(self.reorder) {
                self.delayed.push((1 + self.rng.below(20), index, source));
            } else if !self.rng.chance(self.loss) {
                self.arrive(index, &source);
            }
            due.iter().for_each(|(index, source)| self.arrive(*index, source));
        }
        self.hall.now = self.hall.now + Duration::from_millis(20);
    }

    fn arrive(&mut self, index: usize, source: &Source) {
        if source.sequence > self.highest[index] {
            self.highest[index] = source.sequence;
            self.in_order.insert((index, source.sequence));
        }
        self.hall.deliver(index, source);
    }

    /// Numbers are used once, and one that was not used stands for a packet that was lost or late.
    fn check(mut self) {
        for ((leg, track), got) in core::mem::take(&mut self.hall.got) {
            let index = (track.0 - 500) as usize;
            let used: BTreeSet<u64> = got.iter().map(|packet| packet.1).collect();
            assert_eq!(used.len(), got.len(), "a number was used twice");
            let (first, last) = (*used.first().unwrap(), *used.last().unwrap());
            for open in (first..=last).filter(|number| !used.contains(number)) {
                assert!(self.loss + self.reorder > 0, "{open} of {first}..={last} is open");
                let wire = (leg, Ssrc(1000 + index as u32));
                let (router, now) = (&mut self.hall.router, self.hall.now);
                if let Ok(found) = router.resend(now, wire, open as u16, Duration::ZERO) {
                    assert!(!self.in_order.contains(&(index, found.sequence)), "{found:?}");
                }
            }
        }
    }
}

fn play(seed: u64, path: (u32, u32), chances: &[Chance]) {
    let mut call = Call::new(seed, path);
    chances.iter().for_each(|chance| call.happen(chance));
    call.check();
}

proptest! {
    #[test]
    fn coming_and_going_on_the_stage_leaves_no_gaps(
        seed: u64, chances in proptest::collection::vec(chance(), 1..40),
    ) {
        play(seed, (0, 0), &chances);
    }

    #[test]
    fn receivers_ask_only_for_what_was_lost_or_late(
        seed: u64, loss in 0u32..20, reorder in 0u32..20,
        chances in proptest::collection::vec(chance(), 1..40),
    ) {
        play(seed, (loss, reorder), &chances);
    }
}
