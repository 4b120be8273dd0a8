//! A node, its clients, and what the node reported.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use offhook_media::{Config, Count, Drop, Limits, Node, Snapshot};
use offhook_types::media::{
    Command, Connection, Egress, Event, Ingress, Layer, LegEnd, OpenLeg, Placement, Want,
};
use offhook_types::{LegId, MediaKind, Mid, Rid, RoomId, Ssrc, TrackId};

use crate::client::{Client, credentials, negotiated};

pub const ROOM: RoomId = RoomId(7);
const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub node: Node,
    events: mpsc::Receiver<Event>,
    pub seen: Vec<Event>,
    pub clients: Vec<Client>,
    pub legs: Vec<LegId>,
    serial: u64,
}

pub fn config() -> Config {
    Config {
        base_port: 0,
        pin: false,
        receive_buffer: 1 << 20,
        send_buffer: 1 << 20,
        advertise: vec![[127, 0, 0, 1].into()],
        limits: Limits { slots: 2048, legs_per_worker: 16, ..Limits::default() },
        ..Config::default()
    }
}

impl World {
    pub fn new(config: Config) -> Self {
        let (send, events) = mpsc::channel();
        let on_event = move |event| {
            let _ = send.send(event);
        };
        let node = Node::start(config, Arc::new(on_event)).unwrap();
        let (seen, clients, legs) = (Vec::new(), Vec::new(), Vec::new());
        Self { node, events, seen, clients, legs, serial: 0 }
    }

    /// Step every client until the condition holds.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let limit = Instant::now() + PATIENCE;
        loop {
            self.seen.extend(self.events.try_iter());
            if done(self) {
                return;
            }
            assert!(
                Instant::now() < limit,
                "never: {what}\n{:#?}\n{:?}",
                self.counted(),
                self.seen
            );
            if self.clients.is_empty() {
                self.seen.extend(self.events.recv_timeout(Duration::from_millis(5)));
            }
            self.clients.iter_mut().for_each(Client::step);
        }
    }

    /// What is not zero.
    pub fn counted(&self) -> Vec<String> {
        use offhook_types::counters::Counted;
        let snapshot = self.node.snapshot();
        let drops = snapshot.drops.iter().map(|(what, n)| (what.label(), n));
        let routing = snapshot.routing.iter().map(|(what, n)| (what.label(), n));
        let counts = snapshot.counts.iter().map(|(what, n)| (what.label(), n));
        let all = drops.chain(routing).chain(counts).filter(|(_, n)| *n > 0);
        all.map(|(label, n)| format!("{label}: {n}")).collect()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.node.snapshot()
    }

    pub fn dropped(&self, reason: Drop) -> u64 {
        self.snapshot().drops.get(reason)
    }

    pub fn count(&self, what: Count) -> u64 {
        self.snapshot().counts.get(what)
    }

    /// A placement on a worker, found by asking for rooms that nobody is in.
    pub fn place_on(&self, worker: u16) -> Placement {
        let placements = (0..64).filter_map(|_| self.node.place(ROOM));
        let mut others = (1000..1064).filter_map(|room| self.node.place(RoomId(room)));
        let found = placements.take(1).find(|placement| placement.leg.worker().0 == worker);
        found.or_else(|| others.find(|placement| placement.leg.worker().0 == worker)).unwrap()
    }

    /// Open a leg for a new client, without connecting it.
    pub fn open(&mut self, placement: Placement, server_ip: &str) -> usize {
        self.serial += 1;
        let server =
            SocketAddr::new(server_ip.parse().unwrap(), placement.candidates[0].address.port());
        let local = credentials(&format!("server{}", self.serial));
        let client = Client::new(self.serial, server, local.clone());
        let remote = Some(client.remote());
        let connection = Connection::Ice { local, remote, opens_channels: false };
        let open = OpenLeg { leg: placement.leg, room: ROOM, connection };
        self.node.send(Command::OpenLeg(open)).unwrap();
        let (leg, negotiated) = (placement.leg, negotiated());
        self.node.send(Command::SetNegotiated { leg, negotiated }).unwrap();
        self.clients.push(client);
        self.legs.push(placement.leg);
        self.clients.len() - 1
    }

    /// Let a client whose leg is open have its checks answered.
    pub fn reach(&mut self, index: usize) {
        self.until("answered", |world| {
            let client = &mut world.clients[index];
            if client.stun_answers.is_empty() {
                client.check();
            }
            !client.stun_answers.is_empty()
        });
    }

    /// Connect a client whose leg is open.
    pub fn connect(&mut self, index: usize) {
        self.reach(index);
        let fingerprint = self.node.fingerprint();
        self.clients[index].shake_hands(fingerprint);
        let leg = self.legs[index];
        self.until("up", |world| {
            let up = |event: &Event| matches!(event, Event::LegUp { leg: l, .. } if *l == leg);
            world.clients[index].is_up() && world.seen.iter().any(up)
        });
    }

    /// A connected client on a worker.
    pub fn join(&mut self, worker: u16) -> usize {
        let placement = self.place_on(worker);
        let index = self.open(placement, "127.0.0.1");
        self.connect(index);
        index
    }

    pub fn publish(&self, index: usize, ingress: Ingress) {
        let leg = self.legs[index];
        self.node.send(Command::AddIngress { leg, ingress }).unwrap();
    }

    /// Let a client receive a track under an SSRC, its retransmissions under the next one.
    pub fn subscribe(&self, index: usize, track: (TrackId, MediaKind), source: usize, ssrc: u32) {
        let egress = Egress {
            track: track.0,
            source: self.legs[source],
            kind: track.1,
            mid: Mid::new(b"7").unwrap(),
            ssrc: Ssrc(ssrc),
            rtx: (track.1 == MediaKind::Video).then_some(Ssrc(ssrc + 1)),
        };
        let (leg, want) = (self.legs[index], Want::BEST);
        self.node.send(Command::AddEgress { leg, egress, want }).unwrap();
    }

    pub fn end_of(&self, leg: LegId) -> Vec<LegEnd> {
        let ends = self.seen.iter().filter_map(|event| match event {
            Event::LegDown { leg: l, end } if *l == leg => Some(*end),
            _ => None,
        });
        ends.collect()
    }
}

pub fn sound(track: u64, mid: &str) -> Ingress {
    ingress(track, MediaKind::Audio, mid, &[None])
}

pub fn video(track: u64, mid: &str) -> Ingress {
    ingress(track, MediaKind::Video, mid, &[None])
}

pub fn simulcast(track: u64, mid: &str) -> Ingress {
    ingress(track, MediaKind::Video, mid, &[Some("q"), Some("h"), Some("f")])
}

fn ingress(track: u64, kind: MediaKind, mid: &str, rids: &[Option<&str>]) -> Ingress {
    let layer = |rid: &Option<&str>| Layer {
        rid: rid.map(|rid| Rid::new(rid.as_bytes()).unwrap()),
        ..Layer::default()
    };
    Ingress {
        track: TrackId(track),
        kind,
        mid: Mid::new(mid.as_bytes()),
        layers: rids.iter().map(layer).collect(),
    }
}
