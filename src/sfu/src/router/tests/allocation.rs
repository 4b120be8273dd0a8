//! Legs whose way is too narrow for all that they want.

use std::collections::BTreeMap;

use offhook_types::media::Weight;

use super::*;

/// A camera of three simulcast layers that take so many kilobits a second.
pub(super) struct Camera {
    track: TrackId,
    pub kilobits: [u64; 3],
    /// Layers that it sends.
    sends: u8,
    key_wanted: [bool; 3],
}

impl Camera {
    /// Share so many kilobits among its layers, from the smallest on.
    fn obey(&mut self, mut left: u64) {
        for (at, full) in CAMERA.into_iter().enumerate() {
            self.kilobits[at] = left.min(full);
            self.sends &= !(1 << at);
            self.sends |= u8::from(left >= full / 4) << at;
            left = left.saturating_sub(full);
        }
    }
}

pub(super) const CAMERA: [u64; 3] = [100, 400, 1500];

/// Cameras that one leg watches.
pub(super) struct Meeting {
    pub router: Router,
    pub now: Time,
    pub cameras: Vec<Camera>,
    /// No camera does what it is asked.
    pub deaf: bool,
    frame: u64,
    /// Bits that went to the leg, by track, since last looked at.
    got: BTreeMap<TrackId, u64>,
    /// The layer that each last came from, and how often that changed.
    shown: BTreeMap<TrackId, (u32, u32)>,
    pub pauses: Vec<(TrackId, bool)>,
}

pub(super) fn camera(index: usize) -> TrackId {
    TrackId(100 + index as u64)
}

impl Meeting {
    pub fn new(count: usize) -> Self {
        let mut router = Router::new(Config::default(), Rng::from_seed(1));
        let now = Time::from_millis(1_000_000);
        router.set_negotiated(now, LEG, &negotiated(&[(120, Codec::Vp8)]));
        let cameras = (0..count).map(|index| {
            let track = camera(index);
            let spec = TrackSpec { kind: MediaKind::Video, layers: 3, origin: Origin::Local };
            router.add_track(now, track, spec).unwrap();
            let egress = Egress { rtx: None, ..egress(track, spec.kind, Ssrc(9 + index as u32)) };
            router.subscribe(now, LEG, &egress, Want::BEST).unwrap();
            Camera { track, kilobits: CAMERA, sends: 7, key_wanted: [true; 3] }
        });
        Self {
            cameras: cameras.collect(),
            deaf: false,
            router,
            now,
            frame: 0,
            got: BTreeMap::new(),
            shown: BTreeMap::new(),
            pauses: Vec::new(),
        }
    }

    /// Everyone sends for a while.
    pub fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while self.now < end {
            for index in 0..self.cameras.len() {
                (0..3).for_each(|layer| self.send(index, layer));
            }
            self.frame += 1;
            self.now = self.now + Duration::from_micros(33_333);
            self.look();
        }
    }

    fn send(&mut self, index: usize, layer: u8) {
        let camera = &mut self.cameras[index];
        if camera.sends & (1 << layer) == 0 {
            return;
        }
        let at = usize::from(layer);
        let key = core::mem::take(&mut camera.key_wanted[at]);
        let mut source = frame(layer, self.frame, self.frame as u16 & 0x7fff, key);
        // What is around the payload takes 44 bytes.
        source.payload.resize((camera.kilobits[at] * 1000 / 8 / 30 - 44) as usize, 0);
        let (bytes, track) = (source.bytes(), camera.track);
        let inbound = source.inbound(&bytes);
        self.router.route(self.now, track, &inbound, &mut |_, outgoing| {
            *self.got.entry(track).or_default() += (outgoing.payload.len() as u64 + 44) * 8;
            let shown = self.shown.entry(track).or_insert((u32::from(layer), 0));
            if shown.0 != u32::from(layer) {
                *shown = (u32::from(layer), shown.1 + 1);
            }
        });
    }

    /// What a worker does after each turn.
    fn look(&mut self) {
        self.router.review(self.now);
        while let Some(pause) = self.router.poll_pause() {
            assert_eq!(pause.leg, LEG);
            self.pauses.push((pause.track, pause.paused));
        }
        while let Some(track) = self.router.poll_ceiling() {
            let left = self.router.ceiling(track).map_or(u64::MAX, |bits| bits / 1000);
            let camera = self.cameras.iter_mut().find(|camera| camera.track == track).unwrap();
            if !self.deaf {
                camera.obey(left);
            }
        }
        while let Some((track, layer)) = self.router.poll_key_frame(self.now) {
            let camera = self.cameras.iter_mut().find(|camera| camera.track == track).unwrap();
            camera.key_wanted[usize::from(layer)] = true;
        }
    }

    pub fn budget(&mut self, kilobits: u64) {
        self.router.set_budget(self.now, LEG, Some(kilobits * 1000));
        self.look();
    }

    pub fn want(&mut self, index: usize, want: Want) {
        self.router.set_want(self.now, LEG, camera(index), want);
        self.look();
    }

    /// Kilobits a second of each camera over the next second.
    pub fn rates(&mut self) -> Vec<u64> {
        self.got.clear();
        self.run(1000);
        let rate = |camera: &Camera| self.got.get(&camera.track).map_or(0, |bits| bits / 1000);
        self.cameras.iter().map(rate).collect()
    }

    /// The layer that each camera is seen in over the next second.
    fn layers(&mut self) -> Vec<Option<usize>> {
        let near = |rate: u64| CAMERA.iter().position(|&layer| rate.abs_diff(layer) <= layer / 10);
        self.rates().into_iter().map(near).collect()
    }
}

fn weighing(weight: Weight) -> Want {
    Want { weight, ..Want::BEST }
}

#[test]
fn without_a_budget_everything_goes_out_and_wants_are_measured() {
    let mut meeting = Meeting::new(2);
    meeting.run(2000);
    assert_eq!(meeting.layers(), [Some(2), Some(2)]);
    let wanted = meeting.router.wanted(LEG) / 1000;
    assert!(wanted.abs_diff(3000) < 150, "{wanted}");
    meeting.want(0, PAUSED);
    meeting.want(1, want(1, 9));
    let wanted = meeting.router.wanted(LEG) / 1000;
    assert!(wanted.abs_diff(400) < 20, "{wanted}");
}

#[test]
fn a_leg_with_a_budget_starts_small_and_fills_it() {
    let mut meeting = Meeting::new(3);
    meeting.budget(3000);
    meeting.run(300);
    let begun: Vec<_> = meeting.shown.values().map(|shown| shown.0).collect();
    assert_eq!(begun, [0; 3], "until rates are known");
    meeting.run(1700);
    assert_eq!(meeting.layers(), [Some(2), Some(1), Some(1)]);
    assert!(meeting.pauses.is_empty());
}

#[test]
fn the_last_picture_is_kept_when_it_nearly_fits_and_paused_when_it_does_not() {
    for (kilobits, expect) in [(95, Some(0)), (85, Some(0)), (70, None)] {
        let mut meeting = Meeting::new(1);
        meeting.budget(2000);
        meeting.run(2000);
        meeting.budget(kilobits);
        meeting.run(4000);
        assert_eq!(meeting.layers(), [expect], "{kilobits}");
    }
}

#[test]
fn a_fall_takes_effect_with_the_next_key_frame_and_a_rise_waits() {
    let mut meeting = Meeting::new(1);
    meeting.budget(2000);
    meeting.run(2000);
    assert_eq!(meeting.layers(), [Some(2)]);
    meeting.budget(500);
    meeting.run(100);
    assert_eq!(meeting.layers(), [Some(1)]);
    meeting.budget(2000);
    meeting.run(500);
    assert_eq!(meeting.shown[&camera(0)].0, 1, "not yet");
    meeting.run(1500);
    assert_eq!(meeting.layers(), [Some(2)]);
}

#[test]
fn the_least_important_is_paused_and_told_and_comes_back() {
    let mut meeting = Meeting::new(2);
    meeting.want(1, weighing(Weight { screen: true, ..Weight::NONE }));
    meeting.run(1000);
    meeting.budget(170);
    meeting.run(200);
    assert_eq!(meeting.pauses, [(camera(0), true)]);
    assert_eq!(meeting.layers(), [None, Some(0)]);
    meeting.budget(5000);
    meeting.run(3000);
    assert_eq!(meeting.pauses, [(camera(0), true), (camera(0), false)]);
    assert_eq!(meeting.layers(), [Some(2), Some(2)]);
}

#[test]
fn a_lifted_limit_resumes_everything() {
    let mut meeting = Meeting::new(2);
    meeting.run(1000);
    meeting.budget(50);
    assert_eq!(meeting.pauses.len(), 1);
    meeting.run(2000);
    assert_eq!(meeting.layers(), [Some(0), None], "the last picture is not given up so soon");
    meeting.run(500);
    assert_eq!(meeting.pauses.len(), 2);
    meeting.router.set_budget(meeting.now, LEG, None);
    meeting.run(500);
    assert_eq!(meeting.pauses.len(), 4);
    assert_eq!(meeting.layers(), [Some(2), Some(2)]);
}

#[test]
fn what_is_hidden_leaves_its_share_to_others() {
    let mut meeting = Meeting::new(2);
    meeting.budget(2300);
    meeting.run(3000);
    assert_eq!(meeting.layers(), [Some(2), Some(1)]);
    meeting.want(0, PAUSED);
    meeting.run(3000);
    assert_eq!(meeting.layers(), [None, Some(2)]);
    // Shown again it starts at once with what is left.
    meeting.want(0, Want::BEST);
    meeting.run(300);
    assert!(meeting.pauses.is_empty());
    assert_eq!(meeting.layers(), [Some(1), Some(2)]);
}

#[test]
fn a_tile_that_grows_does_not_wait() {
    let mut meeting = Meeting::new(2);
    meeting.want(0, want(0, 9));
    meeting.want(1, want(0, 9));
    meeting.budget(2200);
    meeting.run(3000);
    assert_eq!(meeting.layers(), [Some(0), Some(0)]);
    meeting.want(1, Want { weight: Weight { pixels: 1280 * 720, ..Weight::NONE }, ..Want::BEST });
    meeting.run(100);
    assert_eq!(meeting.layers(), [Some(0), Some(2)]);
}

#[test]
fn a_steady_link_is_used_steadily() {
    for budget in [150, 480, 900, 1700, 2600, 3500, 5500] {
        let mut meeting = Meeting::new(3);
        meeting.budget(budget);
        meeting.run(6000);
        meeting.shown.values_mut().for_each(|shown| shown.1 = 0);
        meeting.got.clear();
        meeting.pauses.clear();
        meeting.run(30_000);
        let switches: u32 = meeting.shown.values().map(|shown| shown.1).sum();
        assert_eq!((switches, meeting.pauses.len()), (0, 0), "{budget}");
        let bits: u64 = meeting.got.values().sum();
        assert!(bits / 30_000 <= budget, "{budget}: {bits}");
    }
}

#[test]
fn a_layer_that_the_publisher_stops_is_not_shared_out() {
    let mut meeting = Meeting::new(2);
    meeting.budget(2600);
    meeting.run(3000);
    assert_eq!(meeting.layers(), [Some(2), Some(1)]);
    meeting.cameras[0].sends = 1;
    meeting.run(3000);
    assert_eq!(meeting.layers(), [Some(0), Some(2)]);
}

#[test]
fn legs_limited_at_different_times_are_looked_at_together() {
    let mut router = Router::new(Config::default(), Rng::from_seed(1));
    for leg in 0..50 {
        router.set_budget(Time::from_millis(1000 + u64::from(leg)), leg, Some(1_000_000));
    }
    let mut looks = 0;
    for millis in 1050..2050 {
        let now = Time::from_millis(millis);
        looks += u32::from(router.next_timeout() <= now);
        router.review(now);
    }
    // Four looks a second each, on at most two beats.
    assert!((4..=8).contains(&looks), "{looks}");
}
