//! A node whose turns the test drives, and those who are in its room.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook_media::{Config, Count, SteppedNode, Timeouts, Tunnel};
use offhook_types::media::{Command, Connection, Egress, Event, OpenLeg, Placement, Want};
use offhook_types::{LegId, MediaKind, Mid, RoomId, Ssrc, TrackId, WorkerId};

use crate::bridge::{self, Bridge};
use crate::client::{Client, OPUS, Send, VP8, credentials, negotiated, vp8};
use crate::world::{ROOM, sound, video};

const SOUND: TrackId = TrackId(1);
pub const VIDEO: TrackId = TrackId(2);
const PHONE: TrackId = TrackId(3);
const NATIVE: TrackId = TrackId(4);

pub struct Stage {
    pub node: SteppedNode,
    pub clients: Vec<Client>,
    /// Of the clients, then of the bridge.
    pub legs: Vec<LegId>,
    pub bridge: Option<Bridge>,
    /// A native client's leg, and the packets that it got.
    pub native: Option<(LegId, u64)>,
    tunnels: Vec<Tunnel>,
    up: Arc<Mutex<usize>>,
}

impl Stage {
    /// A node of two workers.
    pub fn new(config: Config) -> Self {
        let up = Arc::new(Mutex::new(0));
        let counter = up.clone();
        let on_event = move |event: Event| {
            if let Event::LegUp { .. } = event {
                *counter.lock().unwrap() += 1;
            }
        };
        let timeouts = Timeouts { consent: Duration::from_secs(3600), ..Timeouts::default() };
        let mut config = Config { workers: 2, timeouts, tunnels: true, ..config };
        config.limits.legs_per_worker = 64;
        // However fast the machine is, the publisher stays below its share.
        config.limits.packets_per_second = u32::MAX;
        config.limits.bits_per_second = u64::from(u32::MAX);
        let node = SteppedNode::new(config, Arc::new(on_event)).unwrap();
        let tunnels = node.take_tunnels();
        let (clients, legs) = (Vec::new(), Vec::new());
        Self { node, clients, legs, bridge: None, native: None, tunnels, up }
    }

    pub fn turn(&mut self) {
        while self.node.turn() {}
        self.clients.iter_mut().for_each(Client::step);
        self.bridge.iter_mut().for_each(Bridge::step);
    }

    /// A place on a worker. Legs of a room stay together, those of an empty room go where fewest are.
    fn place_on(&self, worker: u16) -> Placement {
        let rooms = [ROOM, RoomId(self.legs.len() as u64 + 100)].into_iter();
        let mut rooms = rooms.filter_map(|room| self.node.place(room));
        rooms.find(|placement| placement.leg.worker() == WorkerId(worker)).unwrap()
    }

    pub fn join(&mut self, worker: u16) -> usize {
        let serial = self.clients.len() as u64;
        let placement = self.place_on(worker);
        let server = SocketAddr::new([127, 0, 0, 1].into(), placement.candidates[0].address.port());
        let local = credentials(&format!("server{serial}"));
        let mut client = Client::new(serial, server, local.clone());
        client.never_wait();
        let (leg, remote) = (placement.leg, Some(client.remote()));
        let connection = Connection::Ice { local, remote, opens_channels: false };
        let open = OpenLeg { leg, room: ROOM, connection };
        self.node.send(Command::OpenLeg(open)).unwrap();
        let agreed = Command::SetNegotiated { leg, negotiated: negotiated() };
        self.node.send(agreed).unwrap();
        client.check();
        self.clients.push(client);
        self.legs.push(leg);
        let limit = Instant::now() + Duration::from_secs(20);
        while self.clients.last().unwrap().stun_answers.is_empty() {
            assert!(Instant::now() < limit);
            self.turn();
        }
        let fingerprint = self.node.fingerprint();
        self.clients.last_mut().unwrap().shake_hands(fingerprint);
        while *self.up.lock().unwrap() < self.legs.len() || !self.clients.last().unwrap().is_up() {
            assert!(Instant::now() < limit);
            self.turn();
        }
        self.clients.len() - 1
    }

    /// A relay leg on a worker, which receives the sound and sends some. No client joins after it.
    fn relay(&mut self, worker: u16) {
        let Placement { leg, inside, .. } = self.place_on(worker);
        let mut bridge = Bridge::new(inside, 1);
        // Telling who speaks allocates, seldom and whenever it changes.
        bridge.level = 127;
        let open = OpenLeg { leg, room: ROOM, connection: bridge.connection() };
        self.node.send(Command::OpenLeg(open)).unwrap();
        self.node.send(Command::SetNegotiated { leg, negotiated: bridge::negotiated() }).unwrap();
        self.node.send(Command::AddIngress { leg, ingress: bridge::ingress(PHONE) }).unwrap();
        self.legs.push(leg);
        self.bridge = Some(bridge);
        let limit = Instant::now() + Duration::from_secs(20);
        while *self.up.lock().unwrap() < self.legs.len() {
            assert!(Instant::now() < limit);
            self.turn();
        }
        self.subscribe(self.legs.len() - 1, SOUND, MediaKind::Audio);
        self.receive(1, (PHONE, leg), MediaKind::Audio);
    }

    /// A leg in the tunnel of a worker, which receives everything and sends some sound. No client joins after it.
    fn native(&mut self, worker: u16) {
        let leg = self.place_on(worker).leg;
        let open = OpenLeg { leg, room: ROOM, connection: Connection::Tunnelled };
        self.node.send(Command::OpenLeg(open)).unwrap();
        self.node.send(Command::SetNegotiated { leg, negotiated: negotiated() }).unwrap();
        let ingress = bridge::ingress(NATIVE);
        self.node.send(Command::AddIngress { leg, ingress }).unwrap();
        self.legs.push(leg);
        self.native = Some((leg, 0));
        let limit = Instant::now() + Duration::from_secs(20);
        while *self.up.lock().unwrap() < self.legs.len() {
            assert!(Instant::now() < limit);
            self.turn();
        }
        self.subscribe(self.legs.len() - 1, SOUND, MediaKind::Audio);
        self.subscribe(self.legs.len() - 1, VIDEO, MediaKind::Video);
        self.receive(1, (NATIVE, leg), MediaKind::Audio);
    }

    /// The other end of the tunnels: a packet in, and everything out.
    fn tunnel(&mut self, round: u64) {
        let Some((leg, got)) = &mut self.native else { return };
        for tunnel in &mut self.tunnels {
            while tunnel.from_worker.receive().is_some() {
                *got += 1;
            }
            if tunnel.worker == leg.worker() {
                let [high, low] = (round as u16).to_be_bytes();
                let [a, b, c, d] = bridge::SSRC.0.to_be_bytes();
                let packet = [0x80, OPUS, high, low, 0, 0, high, low, a, b, c, d, 1, 2, 3];
                tunnel.to_worker.send(*leg, &packet);
                tunnel.to_worker.settle();
            }
        }
    }

    pub fn subscribe(&self, index: usize, track: TrackId, kind: MediaKind) {
        self.receive(index, (track, self.legs[0]), kind);
    }

    fn receive(&self, index: usize, (track, source): (TrackId, LegId), kind: MediaKind) {
        let ssrc = 100 + track.0 as u32 * 10;
        let egress = Egress {
            track,
            source,
            kind,
            mid: Mid::new(b"7").unwrap(),
            ssrc: Ssrc(ssrc),
            rtx: (kind == MediaKind::Video).then_some(Ssrc(ssrc + 1)),
        };
        let (leg, want) = (self.legs[index], Want::BEST);
        self.node.send(Command::AddEgress { leg, egress, want }).unwrap();
    }

    /// One frame of seven packets and one of sound, and one of sound from the bridge.
    pub fn burst(&mut self, round: u64) {
        self.bridge.iter_mut().for_each(Bridge::speak);
        self.tunnel(round);
        let payload = vp8(round.is_multiple_of(100), round as u16 & 0x7fff, 1100);
        let publisher = &mut self.clients[0];
        for i in 0..7 {
            publisher.send(&Send {
                payload_type: VP8,
                sequence: 1000 + round * 7 + i,
                timestamp: round as u32 * 3000,
                ssrc: 10,
                payload: &payload,
                mid: Some("1"),
                transport: Some((round * 8 + i) as u16),
                ..Send::default()
            });
        }
        publisher.send(&Send {
            payload_type: OPUS,
            sequence: 1000 + round,
            timestamp: round as u32 * 960,
            ssrc: 20,
            mid: Some("0"),
            transport: Some((round * 8 + 7) as u16),
            ..Send::default()
        });
    }
}

/// Everybody has joined, and one receiver gives feedback.
pub fn seat(stage: &mut Stage, receivers: u64) {
    stage.join(0);
    for receiver in 0..receivers {
        let index = stage.join((receiver % 2) as u16);
        stage.subscribe(index, SOUND, MediaKind::Audio);
        stage.subscribe(index, VIDEO, MediaKind::Video);
    }
    stage.relay(1);
    stage.native(1);
    let leg = stage.legs[0];
    for ingress in [sound(SOUND.0, "0"), video(VIDEO.0, "1")] {
        stage.node.send(Command::AddIngress { leg, ingress }).unwrap();
    }
    stage.clients[1].answers = true;
    stage.turn();
}

pub fn counted(stage: &mut Stage, what: Count) -> u64 {
    stage.node.snapshot().counts.get(what)
}
