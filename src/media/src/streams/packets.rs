//! Packets between streams and inlets.

use core::net::SocketAddr;

use offhook_rtc::ice;
use offhook_rtc::turn::{self, MAX_PEERS, Turn, WRAP};
use offhook_types::Time;
use offhook_wire::demux::Kind;
use offhook_wire::stream::{Dialect, frame_header};

use super::connection::{Connection, Filled};
use super::inlet::Inlet;
use super::queue::{Full, Worth};
use super::{READS, Streams, token};
use crate::address::{as_received, of_family};
use crate::socket::SEND_BATCH;
use crate::transmit::PACKET_BYTES;
use crate::{Count, Drop};

/// Longest message of a TURN client: a packet and what it is wrapped in.
const WRAPPED_BYTES: usize = PACKET_BYTES + WRAP;
/// Longest answer to a TURN client, about 200 bytes.
const REPLY_BYTES: usize = 512;
/// Batches taken from one inlet in one turn.
const BATCHES: usize = 4;

/// Ends the stream; a drop is counted. `Err(None)` is the peer's own doing.
type Served = Result<(), Option<Drop>>;

impl Streams {
    /// The stream has something for us, or takes more.
    pub(super) fn serve_stream(&mut self, now: Time, place: usize) -> Served {
        for _ in 0..READS {
            let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
            match connection.fill().map_err(super::reason)? {
                Filled::Dry => return self.flush(now, place),
                Filled::More => self.take_packets(now, place)?,
            }
        }
        self.again.push(token(place, 0));
        self.flush(now, place)
    }

    fn flush(&mut self, now: Time, place: usize) -> Served {
        let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
        connection.flush(now).map_err(super::reason)
    }

    /// Take every whole packet out of what was read.
    fn take_packets(&mut self, now: Time, place: usize) -> Served {
        let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
        if connection.dialect.is_none() {
            let dialect = Dialect::of(connection.received.bytes());
            connection.dialect = dialect.map_err(|_| Drop::StreamMalformed)?;
        }
        match connection.dialect {
            None => Ok(()),
            Some(Dialect::Framed) => self.take_framed(place),
            Some(Dialect::Turn) => self.take_turn(now, place),
        }
    }

    fn take_framed(&mut self, place: usize) -> Served {
        let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
        if connection.inlets.is_empty() {
            let cut = Dialect::Framed.split(connection.received.bytes(), PACKET_BYTES);
            let Some((first, _)) = cut.map_err(|_| Drop::StreamMalformed)? else { return Ok(()) };
            let ufrag = ice::addressee(first).ok_or(Drop::StreamMalformed)?;
            let leg = self.parts.directory.find(ufrag).ok_or(Drop::StreamUnknownUser)?;
            let worker = self.parts.workers.get(leg.worker).ok_or(Drop::StreamUnknownUser)?;
            let (registry, token) = (self.poll.registry(), token(place, 1));
            let inlet = Inlet::open(*worker, registry, token).map_err(|_| Drop::StreamLimit)?;
            connection.inlets.push(inlet);
            connection.leg = Some(leg);
        }
        loop {
            let (mut batch, mut filled, mut taken) = ([&[][..]; SEND_BATCH], 0, 0);
            let bytes = connection.received.bytes();
            while let Some(slot) = batch.get_mut(filled) {
                let rest = bytes.get(taken..).unwrap_or_default();
                let cut = Dialect::Framed.split(rest, PACKET_BYTES);
                let Some((packet, len)) = cut.map_err(|_| Drop::StreamMalformed)? else { break };
                taken += len;
                if !packet.is_empty() {
                    *slot = packet;
                    filled += 1;
                }
            }
            if taken == 0 {
                return Ok(());
            }
            if let Some(inlet) = connection.inlets.first() {
                inlet.send(batch.get(..filled).unwrap_or_default(), &mut self.sent);
            }
            self.figures.counts.add_many(Count::StreamPacketsIn, filled as u64);
            connection.received.taken(taken);
        }
    }

    fn take_turn(&mut self, now: Time, place: usize) -> Served {
        self.open_turn(place)?;
        loop {
            let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
            let Some(turn) = &mut connection.turn else { return Ok(()) };
            let cut = Dialect::Turn.split(connection.received.bytes(), WRAPPED_BYTES);
            let Some((message, taken)) = cut.map_err(|_| Drop::StreamMalformed)? else {
                return Ok(());
            };
            let mut reply = [0; REPLY_BYTES];
            match turn.handle(now, message, &mut reply) {
                turn::Outcome::Reply { len, authentic } => {
                    let answer = reply.get(..len).unwrap_or_default();
                    // The queue of a newcomer that asks without listening is soon full.
                    let _ = connection.queue.push(now, (&[], answer, false), Worth::Rest);
                    connection.received.taken(taken);
                    if authentic && !connection.proven {
                        self.admitted(place);
                    }
                }
                turn::Outcome::Over { len } => {
                    let answer = reply.get(..len).unwrap_or_default();
                    let _ = connection.queue.push(now, (&[], answer, false), Worth::Rest);
                    self.flush(now, place)?;
                    return Err(None);
                }
                turn::Outcome::Relay { peer, payload } => {
                    if connection.leg.is_none()
                        && Kind::of(payload) == Some(Kind::Stun)
                        && let Some(ufrag) = ice::addressee(payload)
                    {
                        connection.leg = self.parts.directory.find(ufrag);
                    }
                    let mut inlets = connection.inlets.iter();
                    let known = inlets.find(|inlet| inlet.peer == Some(peer));
                    if let Some(inlet) = known {
                        inlet.send(&[payload], &mut self.sent);
                        self.figures.counts.add(Count::StreamPacketsIn);
                        connection.received.taken(taken);
                    } else {
                        // It is looked at again when there is a way.
                        self.open_way(place, peer)?;
                    }
                }
                turn::Outcome::Drop(_) => {
                    self.figures.drops.add(Drop::StreamTurn);
                    connection.received.taken(taken);
                }
            }
        }
    }

    /// A TURN server for one stream. Its first inlet stands for the address that is lent, so that the worker's
    /// answers to checks name the address that the client expects; which peer it leads to shows with the first
    /// packet.
    fn open_turn(&mut self, place: usize) -> Served {
        let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
        if connection.turn.is_some() {
            return Ok(());
        }
        let (candidates, workers) = (&self.parts.candidates, &self.parts.workers);
        let (Some((first, _)), Some(worker)) = (candidates.first(), workers.first()) else {
            return Err(Some(Drop::StreamTurn));
        };
        let Ok(client) = connection.socket.peer_addr() else { return Err(None) };
        let inlet = Inlet::open(*worker, self.poll.registry(), token(place, 1));
        let inlet = inlet.map_err(|_| Drop::StreamLimit)?;
        let relayed = of_family(inlet.address(), first.is_ipv4());
        connection.inlets.push(inlet);
        connection.turn = Some(Box::new(Turn::new(turn::Setup {
            authority: self.parts.authority.clone(),
            peers: candidates.iter().map(|(address, _)| *address).collect(),
            client: as_received(client),
            relayed,
            nonce: crate::secret::random(),
        })));
        Ok(())
    }

    /// An inlet to a peer of a TURN client, which is one of our candidates.
    fn open_way(&mut self, place: usize, peer: SocketAddr) -> Served {
        let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
        let found = self.parts.candidates.iter().find(|(address, _)| *address == peer);
        let worker = found.and_then(|(_, worker)| self.parts.workers.get(*worker));
        let worker = *worker.ok_or(Drop::StreamTurn)?;
        if let Some(unused) = connection.inlets.iter_mut().find(|inlet| inlet.peer.is_none()) {
            unused.lead_to(peer, worker);
            return Ok(());
        }
        let nth = connection.inlets.len();
        if nth >= MAX_PEERS {
            return Err(Some(Drop::StreamTurn));
        }
        let inlet = Inlet::open(worker, self.poll.registry(), token(place, nth + 1));
        let mut inlet = inlet.map_err(|_| Drop::StreamLimit)?;
        inlet.lead_to(peer, worker);
        connection.inlets.push(inlet);
        Ok(())
    }

    /// A worker has something for the stream.
    pub(super) fn serve_inlet(&mut self, now: Time, place: usize, nth: usize) -> Served {
        let mut answered = false;
        for batch in 0..=BATCHES {
            let Some(Some(connection)) = self.places.get_mut(place) else { return Ok(()) };
            let Some(inlet) = connection.inlets.get(nth) else { return Ok(()) };
            if batch == BATCHES {
                self.again.push(token(place, nth + 1));
                break;
            }
            if inlet.socket.receive(&mut self.inbox).unwrap_or(0) == 0 {
                break;
            }
            let peer = inlet.peer;
            for message in self.inbox.messages() {
                if !connection.inlets.get(nth).is_some_and(|t| t.is_from_worker(message.path)) {
                    self.figures.drops.add(Drop::UnknownAddress);
                    continue;
                }
                answered = true;
                for packet in message.datagrams() {
                    let worth = connection.worth(packet);
                    match put(now, connection, (peer, packet), worth) {
                        Ok(()) => self.figures.counts.add(Count::StreamPacketsOut),
                        Err(Full) if worth == Worth::Video => {
                            self.figures.drops.add(Drop::StreamVideo);
                        }
                        Err(Full) => self.figures.drops.add(Drop::StreamFull),
                    }
                }
            }
        }
        let framed = |c: &Connection| c.dialect == Some(Dialect::Framed) && !c.proven;
        if answered && self.places.get(place).is_some_and(|p| p.as_deref().is_some_and(framed)) {
            self.admitted(place);
        }
        self.flush(now, place)
    }
}

/// Put a packet in line with what its dialect has in front.
fn put(
    now: Time,
    connection: &mut Connection,
    (peer, packet): (Option<SocketAddr>, &[u8]),
    worth: Worth,
) -> Result<(), Full> {
    match &connection.turn {
        None => {
            let header = frame_header(packet).ok_or(Full)?;
            connection.queue.push(now, (&header, packet, false), worth)
        }
        Some(turn) => {
            let (peer, mut header) = (peer.ok_or(Full)?, [0; WRAP]);
            let header = turn.wrap(now, (peer, packet.len()), &mut header).ok_or(Full)?;
            connection.queue.push(now, (header, packet, true), worth)
        }
    }
}
