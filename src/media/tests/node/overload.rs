//! A worker that cannot keep up leaves video out, and takes it back.

use std::time::Duration;

use offhook_media::{Config, Drop};
use offhook_types::{MediaKind, Time, WorkerId};

use crate::client::{Client, Send, VP8, vp8};
use crate::stepped::{Stage, VIDEO};
use crate::world::{config, video};

/// Between two looks at the backlog.
const LOOK: Duration = Duration::from_millis(50);

/// A camera and a viewer on one worker, whose time goes on as the test says.
struct Show {
    stage: Stage,
    now: Time,
    sequence: u64,
}

impl Show {
    fn new() -> Self {
        let mut stage = Stage::new(Config { receive_buffer: 1 << 18, ..config() });
        stage.join(0);
        let viewer = stage.join(0);
        let leg = stage.legs[0];
        let ingress = video(VIDEO.0, "1");
        stage.node.send(offhook_types::media::Command::AddIngress { leg, ingress }).unwrap();
        stage.subscribe(viewer, VIDEO, MediaKind::Video);
        stage.turn();
        let now = stage.node.now() + Duration::from_secs(1);
        Self { stage, now, sequence: 1000 }
    }

    /// Pictures of a packet each, numbers going up by `stride`.
    fn show(&mut self, pictures: u64, (stride, key): (u64, bool)) {
        for _ in 0..pictures {
            self.sequence += stride;
            let payload = vp8(key, self.sequence as u16 & 0x7fff, 1000);
            self.stage.clients[0].send(&Send {
                payload_type: VP8,
                sequence: self.sequence,
                timestamp: self.sequence as u32 * 3000,
                ssrc: 10,
                payload: &payload,
                mid: Some("1"),
                ..Send::default()
            });
        }
    }

    /// Time passes, and the worker turns once or until it has nothing to do.
    fn turn(&mut self, span: Duration, drains: bool) {
        self.now = self.now + span;
        while self.stage.node.turn_worker_at(self.now, WorkerId(0)) && drains {}
    }

    fn left_out(&mut self) -> u64 {
        self.stage.node.snapshot().drops.get(Drop::Overload)
    }

    fn seen(&mut self) -> usize {
        self.stage.clients.iter_mut().for_each(Client::step);
        let seen = self.stage.clients[1].media.len();
        self.stage.clients[1].media.clear();
        seen
    }
}

#[test]
fn who_was_left_out_for_long_is_seen_again() {
    let mut show = Show::new();
    show.show(1, (1, true));
    show.turn(LOOK, true);
    assert_eq!(show.seen(), 1);
    // More than the buffer holds, look after look.
    for _ in 0..20 {
        show.show(400, (1, false));
        show.turn(LOOK, false);
    }
    show.turn(Duration::ZERO, true);
    let before = show.left_out();
    assert!(before > 0);
    // Packets that nobody counts: the 16 bits of their numbers go round more than once meanwhile.
    for _ in 0..40 {
        show.show(10, (250, false));
        show.turn(Duration::ZERO, true);
    }
    assert_eq!(show.left_out() - before, 400, "all of it was left out");
    for _ in 0..70 {
        show.turn(LOOK, true);
    }
    show.seen();
    show.show(1, (1, true));
    show.turn(LOOK, true);
    assert_eq!(show.seen(), 1, "{:?}", show.stage.node.snapshot().drops);
}
