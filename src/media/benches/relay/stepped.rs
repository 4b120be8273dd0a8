//! The real worker, turned by hand, with relay legs as publishers and receivers.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use offhook_media::{Config, Count, Limits, SteppedNode, Timeouts};
use offhook_rtc::srtp::{self, Protect};
use offhook_types::media::{
    CodecParams, Command, Connection, Egress, Event, Extension, Extensions, Ingress, Keyed, Layer,
    MasterKey, Negotiated, OpenLeg, SrtpProfile, Want,
};
use offhook_types::{Codec, LegId, MediaKind, Mid, PayloadType, RoomId, Ssrc, TrackId, WorkerId};

use crate::floor::stage::{Cost, measure};
use crate::floor::{Frame, HEADER, Publisher, Stage};

/// What every publisher sends under.
const SSRC: u32 = 77;
/// Thirty frames a second.
const FRAME: Duration = Duration::from_micros(33_333);

/// A node.
pub struct Stepped {
    node: SteppedNode,
    workers: u16,
    publishers: Vec<Publisher>,
    up: Arc<AtomicUsize>,
    legs: usize,
}

impl Stepped {
    /// Publishers whose track goes to so many receivers each, on one worker.
    pub fn new(stage: &mut Stage, shape: (usize, usize), profile: SrtpProfile) -> Self {
        Self::on(stage, (1, Frame::VIDEO), shape, profile)
    }

    /// The same on so many workers, with frames of another kind.
    pub fn on(
        stage: &mut Stage,
        (workers, frame): (u16, Frame),
        (publishers, receivers): (usize, usize),
        profile: SrtpProfile,
    ) -> Self {
        let up = Arc::new(AtomicUsize::new(0));
        let counter = up.clone();
        let on_event = move |event: Event| {
            if matches!(event, Event::LegUp { .. }) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let node =
            SteppedNode::new(config(workers, publishers * (receivers + 1)), Arc::new(on_event));
        let node = node.unwrap();
        let mut this = Self { node, workers, publishers: Vec::new(), up, legs: 0 };
        for nth in 0..publishers {
            let room = RoomId(nth as u64 + 1);
            let placement = this.node.place(room).unwrap();
            let port = placement.candidates[0].address.port();
            let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
            // What comes in is protected alike in every row.
            let own = SrtpProfile::AeadAes128Gcm;
            let key = key(own, nth, 1);
            let master = srtp::MasterKey::new(own, &key.key, &key.salt).unwrap();
            let mut protect = Protect::new(own, &master).unwrap();
            let seal = move |(_, index): (u32, u64), payload: &[u8], out: &mut [u8]| {
                protect.protect_rtp(index, HEADER, payload, out).unwrap();
            };
            let publisher = Publisher::new(server, (SSRC, frame), Box::new(seal));
            let source = this.open(room, publisher.address(), (own, nth));
            this.publish(source, nth);
            this.publishers.push(publisher);
            for (place, address) in stage.receivers(receivers).into_iter().enumerate() {
                let serial = publishers + nth * receivers + place;
                let leg = this.open(room, address, (profile, serial));
                this.subscribe(leg, source, nth);
            }
        }
        this.publishers.iter_mut().for_each(|publisher| publisher.burst(true));
        while this.node.turn() {}
        this
    }

    /// A relay leg.
    fn open(
        &mut self,
        room: RoomId,
        remote: SocketAddrV4,
        (profile, serial): (SrtpProfile, usize),
    ) -> LegId {
        let leg = self.node.place(room).unwrap().leg;
        let keyed = Keyed {
            remote: remote.into(),
            profile,
            receive: key(profile, serial, 1),
            send: key(profile, serial, 2),
        };
        let connection = Connection::Keyed(keyed);
        self.node.send(Command::OpenLeg(OpenLeg { leg, room, connection })).unwrap();
        self.node.send(Command::SetNegotiated { leg, negotiated: negotiated() }).unwrap();
        self.legs += 1;
        while self.up.load(Ordering::Relaxed) < self.legs {
            self.node.turn();
        }
        leg
    }

    fn publish(&mut self, leg: LegId, track: usize) {
        let layers = vec![Layer { ssrc: Some(Ssrc(SSRC)), ..Layer::default() }];
        let (track, mid) = (TrackId(track as u64), Mid::new(b"1"));
        let ingress = Ingress { track, kind: MediaKind::Video, mid, layers };
        self.node.send(Command::AddIngress { leg, ingress }).unwrap();
    }

    fn subscribe(&mut self, leg: LegId, source: LegId, track: usize) {
        let egress = Egress {
            track: TrackId(track as u64),
            source,
            kind: MediaKind::Video,
            mid: Mid::new(b"1").unwrap(),
            ssrc: Ssrc(500),
            rtx: Some(Ssrc(501)),
        };
        self.node.send(Command::AddEgress { leg, egress, want: Want::BEST }).unwrap();
        while self.node.turn() {}
    }

    /// What each round costs, in which so many packets must leave.
    pub fn trial(&mut self, stage: &Stage, (rounds, packets): (usize, usize)) -> Vec<Cost> {
        let before = self.count(Count::PacketsForwarded);
        let round = |_| {
            self.publishers.iter_mut().for_each(|publisher| publisher.burst(false));
            let cost = measure(|| while self.node.turn_worker(WorkerId(0)) {});
            stage.drain();
            cost
        };
        let costs = (0..rounds).map(round).collect();
        let forwarded = self.count(Count::PacketsForwarded) - before;
        assert_eq!(forwarded, (rounds * packets) as u64, "not everything was forwarded");
        costs
    }

    /// What each worker spends on so many rounds. They take turns on this thread, so that one core is enough to
    /// measure what each would spend on its own. The publisher's is the first.
    pub fn split_trial(&mut self, stage: &Stage, rounds: usize) -> Vec<Vec<Cost>> {
        let mut spent = vec![Vec::new(); usize::from(self.workers)];
        for _ in 0..rounds {
            self.publishers.iter_mut().for_each(|publisher| publisher.burst(false));
            for (nth, spent) in (0..).zip(&mut spent) {
                spent.push(measure(|| while self.node.turn_worker(WorkerId(nth)) {}));
            }
            stage.drain();
        }
        spent
    }

    /// Forward frames by a clock that goes on by a frame's time with each.
    pub fn frames(&mut self, frames: usize) {
        let mut now = self.node.now();
        for _ in 0..frames {
            self.publishers.iter_mut().for_each(|publisher| publisher.burst(false));
            now = now + FRAME;
            while self.node.turn_worker_at(now, WorkerId(0)) {}
        }
    }

    fn count(&mut self, what: Count) -> u64 {
        self.node.snapshot().counts.get(what)
    }

    /// What was unusual, and how well batches were filled.
    pub fn explain(&mut self) {
        let snapshot = self.node.snapshot();
        let calls = snapshot.counts.get(Count::SendCalls) as f64;
        let each = |what| snapshot.counts.get(what) as f64 / calls;
        eprintln!(
            "  a send call: {:.1} packets in {:.1} messages",
            each(Count::PacketsForwarded),
            each(Count::MessagesSent)
        );
        for (what, many) in snapshot.drops.iter().filter(|(_, many)| *many > 0) {
            eprintln!("  dropped: {what:?} {many}");
        }
    }
}

fn config(workers: u16, legs: usize) -> Config {
    let hour = Duration::from_secs(3600);
    let unlimited = u32::MAX;
    Config {
        base_port: 0,
        workers,
        advertise: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        limits: Limits {
            legs_per_worker: legs,
            packets_per_second: unlimited,
            bits_per_second: u64::from(unlimited),
            ..Limits::default()
        },
        timeouts: Timeouts { consent: hour, setup: hour, ..Timeouts::default() },
        receive_buffer: 64 << 20,
        send_buffer: 64 << 20,
        ..Config::default()
    }
}

/// A master key by number, for one of two directions.
fn key(profile: SrtpProfile, serial: usize, direction: u8) -> MasterKey {
    let (key, salt) = match profile {
        SrtpProfile::AeadAes256Gcm => (32, 12),
        SrtpProfile::AeadAes128Gcm => (16, 12),
        SrtpProfile::Aes128CmSha1_80 | SrtpProfile::Aes128CmSha1_32 => (16, 14),
    };
    let mut key = vec![direction; key];
    key[..4].copy_from_slice(&(serial as u32).to_be_bytes());
    MasterKey { key, salt: vec![7; salt] }
}

fn negotiated() -> Negotiated {
    let vp8 = CodecParams {
        payload_type: PayloadType(96),
        codec: Codec::Vp8,
        rtx: Some(PayloadType(97)),
        nack: true,
        pli: true,
        transport_cc: true,
        remb: false,
    };
    let mut extensions = Extensions::default();
    extensions.set(Extension::Mid, 4);
    extensions.set(Extension::TransportCc, 3);
    Negotiated { codecs: vec![vp8], extensions }
}
