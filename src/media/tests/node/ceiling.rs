//! A publisher hears what the widest of its receivers can be given, as REMB, while all of them are narrow.

use offhook_media::{Config, Count};
use offhook_rtc::congestion::Limits;
use offhook_types::{MediaKind, Ssrc, TrackId};
use offhook_wire::rtcp;

use crate::client::{OPUS, Send, VP8, vp8};
use crate::world::{World, config, sound, video};

const VIDEO: TrackId = TrackId(66);
const SOUND: TrackId = TrackId(67);
/// What is estimated of every way of which anything is: less than any camera takes.
const NARROW: u64 = 60_000;

/// A camera with a voice, and who watches.
struct Show {
    world: World,
    camera: usize,
    number: u64,
}

impl Show {
    fn new(workers: u16) -> Self {
        Self::of(workers, 0)
    }

    /// One that says what its camera is set to.
    fn of(workers: u16, rate: u32) -> Self {
        let congestion = Limits { start: NARROW, min: NARROW, max: NARROW };
        let mut world = World::new(Config { workers, congestion, ..config() });
        let camera = world.join(0);
        let mut picture = video(VIDEO.0, "1");
        picture.layers[0].rate = rate;
        world.publish(camera, picture);
        world.publish(camera, sound(SOUND.0, "0"));
        Self { world, camera, number: 100 }
    }

    /// A viewer whose way is narrow, as it tells when packets come. Who does not tell is after a while sent what it
    /// wants.
    fn watch(&mut self, worker: u16, tells: bool) {
        let viewer = self.world.join(worker);
        self.world.clients[viewer].answers = tells;
        self.world.subscribe(viewer, (VIDEO, MediaKind::Video), self.camera, 500);
        self.world.subscribe(viewer, (SOUND, MediaKind::Audio), self.camera, 600);
    }

    /// One picture and some sound.
    fn frame(&mut self) {
        let key = self.number == 100;
        let camera = &mut self.world.clients[self.camera];
        for _ in 0..6 {
            self.number += 1;
            let payload = vp8(key, self.number as u16, 1000);
            let sequence = self.number;
            camera.send(&Send {
                payload_type: VP8,
                sequence,
                timestamp: sequence as u32,
                ssrc: 10,
                payload: &payload,
                mid: Some("1"),
                ..Send::default()
            });
        }
        let sequence = self.number / 6;
        camera.send(&Send {
            payload_type: OPUS,
            sequence,
            ssrc: 20,
            mid: Some("0"),
            ..Send::default()
        });
    }

    /// Film until the camera was last asked for something that is as it should be.
    fn until_asked(&mut self, what: &str, right: impl Fn(u64) -> bool) {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut last = None;
        while !last.is_some_and(&right) {
            self.frame();
            let mut turns = 0;
            self.world.until("a turn", |_| {
                turns += 1;
                turns > 2
            });
            for packet in self.world.clients[self.camera].control.drain(..) {
                for remb in rtcp::packets(&packet).flatten() {
                    if let rtcp::Packet::Remb(remb) = remb {
                        assert!(remb.sources.iter().any(|source| source == Ssrc(10)));
                        last = Some(remb.bitrate);
                    }
                }
            }
            let counted = self.world.counted();
            assert!(std::time::Instant::now() < limit, "never {what}, last {last:?}: {counted:?}");
        }
    }
}

#[test]
fn a_publisher_is_asked_for_what_its_widest_receiver_has_room_for() {
    let mut show = Show::new(1);
    show.watch(0, true);
    show.until_asked("to send little", |bits| bits < 400_000);
    show.watch(0, false);
    show.until_asked("for nothing any more", |bits| bits > 900_000_000);
    show.world.until("both are counted", |world| {
        world.count(Count::CeilingsSet) > 0 && world.count(Count::CeilingsLifted) > 0
    });
}

#[test]
fn one_that_says_what_its_camera_is_set_to_is_asked_sooner_for_an_only_receiver() {
    let [told, untold] = [1_000_000, 0].map(|rate| {
        let mut show = Show::of(1, rate);
        show.watch(0, true);
        let began = std::time::Instant::now();
        show.until_asked("to send little", |bits| bits < 400_000);
        began.elapsed()
    });
    // At the first look, instead of after thirteen that are a quarter of a second apart.
    let sooner = untold.saturating_sub(told);
    assert!(sooner > std::time::Duration::from_secs(1), "{told:?} {untold:?}");
}

#[test]
fn receivers_on_another_worker_are_not_known_to_be_narrow() {
    let mut show = Show::new(2);
    show.watch(0, true);
    show.until_asked("to send little", |bits| bits < 400_000);
    show.watch(1, true);
    show.until_asked("for nothing any more", |bits| bits > 900_000_000);
}
