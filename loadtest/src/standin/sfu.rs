//! The media thread: one socket, every leg, who gets what.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use str0m::media::{Direction, KeyframeRequest, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Event, Input, Output, Rtc};

/// Who comes and goes.
pub enum Change {
    Join(Joined),
    Leave(u64),
}

/// A leg whose offer was answered.
pub struct Joined {
    pub id: u64,
    pub room: String,
    pub identity: String,
    pub rtc: Box<Rtc>,
}

struct Leg {
    joined: Joined,
    /// Sections that we send on, and whose track each carries, once one came by.
    sections: Vec<Section>,
    /// Which section each stream belongs to that it sends.
    streams: HashMap<Ssrc, (Mid, MediaKind)>,
    due: Instant,
}

struct Section {
    mid: Mid,
    kind: MediaKind,
    source: Option<(u64, Ssrc)>,
    /// Subtracted from the source's numbers, so that ours begin below 2^16.
    first: u64,
}

/// What came out of one leg and concerns others.
enum News {
    Packet(usize, Box<RtpPacket>),
    KeyFrame(usize, KeyframeRequest),
}

struct Sfu<'a> {
    socket: &'a UdpSocket,
    local: SocketAddr,
    legs: Vec<Leg>,
    by_address: HashMap<SocketAddr, u64>,
    news: Vec<News>,
}

/// Longest wait for a packet: how late a timer or a newcomer may be noticed.
const WAIT: Duration = Duration::from_millis(5);
/// Packets read before timers are looked at.
const TURN: usize = 64;

/// Serve until nobody can join any more.
pub fn run(socket: &UdpSocket, changes: &mpsc::Receiver<Change>) {
    let Ok(local) = socket.local_addr() else { return };
    let (legs, by_address, news) = (Vec::new(), HashMap::new(), Vec::new());
    let mut sfu = Sfu { socket, local, legs, by_address, news };
    let mut buffer = vec![0; 2000];
    loop {
        loop {
            match changes.try_recv() {
                Ok(change) => sfu.apply(change),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let mut wait = Some(WAIT);
        for _ in 0..TURN {
            if wait.take().is_some() {
                let _ = socket.set_nonblocking(false);
                let _ = socket.set_read_timeout(Some(WAIT));
            } else {
                let _ = socket.set_nonblocking(true);
            }
            match socket.recv_from(&mut buffer) {
                Ok((len, source)) => sfu.receive(source, &buffer[..len]),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
        sfu.look_at_timers();
    }
}

impl Sfu<'_> {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Join(joined) => {
                let (sections, streams) = (Vec::new(), HashMap::new());
                self.legs.push(Leg { joined, sections, streams, due: Instant::now() });
                self.drain(self.legs.len() - 1);
            }
            Change::Leave(id) => self.forget(id),
        }
    }

    fn forget(&mut self, id: u64) {
        self.legs.retain(|leg| leg.joined.id != id);
        self.by_address.retain(|_, leg| *leg != id);
        for section in self.legs.iter_mut().flat_map(|leg| &mut leg.sections) {
            section.source = section.source.filter(|(leg, _)| *leg != id);
        }
    }

    fn receive(&mut self, source: SocketAddr, bytes: &[u8]) {
        let Ok(contents) = bytes.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
        let input = Input::Receive(Instant::now(), receive);
        let known = self.by_address.get(&source).copied();
        let known = known.and_then(|id| self.legs.iter().position(|leg| leg.joined.id == id));
        let found =
            known.or_else(|| self.legs.iter().position(|leg| leg.joined.rtc.accepts(&input)));
        let Some(index) = found else { return };
        if known.is_none() {
            self.by_address.insert(source, self.legs[index].joined.id);
        }
        if self.legs[index].joined.rtc.handle_input(input).is_err() {
            self.legs[index].joined.rtc.disconnect();
        }
        self.drain(index);
        self.spread();
    }

    fn look_at_timers(&mut self) {
        let now = Instant::now();
        for index in 0..self.legs.len() {
            let leg = &mut self.legs[index];
            if leg.due <= now && leg.joined.rtc.is_alive() {
                if leg.joined.rtc.handle_input(Input::Timeout(now)).is_err() {
                    leg.joined.rtc.disconnect();
                }
                self.drain(index);
            }
        }
        self.spread();
        let gone = self.legs.iter().find(|leg| !leg.joined.rtc.is_alive());
        if let Some(id) = gone.map(|leg| leg.joined.id) {
            self.forget(id);
        }
    }

    /// Take everything that a leg has to say.
    fn drain(&mut self, index: usize) {
        let leg = &mut self.legs[index];
        while leg.joined.rtc.is_alive() {
            match leg.joined.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Ok(Output::Timeout(due)) => {
                    leg.due = due;
                    return;
                }
                Ok(Output::Event(Event::MediaAdded(added))) => {
                    if matches!(added.direction, Direction::SendOnly | Direction::SendRecv) {
                        let (mid, kind) = (added.mid, added.kind);
                        leg.sections.push(Section { mid, kind, source: None, first: 0 });
                    }
                }
                Ok(Output::Event(Event::RtpPacket(packet))) => {
                    self.news.push(News::Packet(index, Box::new(packet)));
                }
                Ok(Output::Event(Event::KeyframeRequest(request))) => {
                    self.news.push(News::KeyFrame(index, request));
                }
                Ok(Output::Event(_)) => {}
                Err(_) => leg.joined.rtc.disconnect(),
            }
        }
    }

    /// Let others have what came out.
    fn spread(&mut self) {
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Packet(index, packet) => self.forward(index, &packet),
                News::KeyFrame(index, request) => self.ask(index, &request),
            }
        }
    }

    fn forward(&mut self, index: usize, packet: &RtpPacket) {
        let ssrc = packet.header.ssrc;
        let from = &mut self.legs[index];
        let Some((_, kind)) = from.stream(ssrc) else { return };
        let (id, room, identity) =
            (from.joined.id, from.joined.room.clone(), from.joined.identity.clone());
        for to in 0..self.legs.len() {
            let leg = &mut self.legs[to];
            if to == index || leg.joined.room != room || leg.joined.identity == identity {
                continue;
            }
            if leg.send((id, ssrc), kind, packet) {
                self.drain(to);
            }
        }
    }

    /// A receiver wants a key frame: whoever sends what it sees is asked.
    fn ask(&mut self, index: usize, request: &KeyframeRequest) {
        let section = self.legs[index].sections.iter().find(|section| section.mid == request.mid);
        let Some((id, ssrc)) = section.and_then(|section| section.source) else { return };
        let Some(from) = self.legs.iter().position(|leg| leg.joined.id == id) else { return };
        let mut direct = self.legs[from].joined.rtc.direct_api();
        if let Some(stream) = direct.stream_rx(&ssrc) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        self.drain(from);
    }
}

impl Leg {
    fn stream(&mut self, ssrc: Ssrc) -> Option<(Mid, MediaKind)> {
        if let Some(&known) = self.streams.get(&ssrc) {
            return Some(known);
        }
        let mid = self.joined.rtc.direct_api().stream_rx(&ssrc)?.mid();
        let found = (mid, self.joined.rtc.media(mid)?.kind());
        self.streams.insert(ssrc, found);
        Some(found)
    }

    /// Send a packet of a track on the section that carries it, or on the first free one. False when there is none.
    fn send(&mut self, source: (u64, Ssrc), kind: MediaKind, packet: &RtpPacket) -> bool {
        let sections = &mut self.sections;
        let own = sections.iter().position(|section| section.source == Some(source));
        let free = || sections.iter().position(|s| s.source.is_none() && s.kind == kind);
        let Some(place) = own.or_else(free) else { return false };
        let section = &mut sections[place];
        if own.is_none() {
            section.source = Some(source);
            // Some room for packets that were overtaken.
            section.first = (*packet.seq_no).saturating_sub(1000);
        }
        let Some(sequence) = (*packet.seq_no).checked_sub(section.first) else { return false };
        let mut direct = self.joined.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(section.mid, None) else { return false };
        let (header, now) = (&packet.header, packet.timestamp);
        let write = RtpWrite::new(
            header.payload_type,
            sequence.into(),
            header.timestamp,
            now,
            packet.payload.clone(),
        );
        let write = write.marker(header.marker).ext_vals(header.ext_vals.clone());
        stream.write_rtp(write.nackable(kind == MediaKind::Video));
        true
    }
}
