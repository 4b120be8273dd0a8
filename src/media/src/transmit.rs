//! What leaves a worker, grouped by destination. Each leg with something to send holds one run: a buffer in which its
//! packets stand one behind the other as they are protected. Consecutive packets of one size (the last may be shorter)
//! are a group, which leaves as one message that the kernel or the card cuts up. After a receive batch all runs leave.

use offhook_types::LegId;
use offhook_types::counters::Counters;

use crate::socket::{MAX_SEGMENTS, Path, Run, SEND_BATCH, Sent, UdpSocket};
use crate::tunnel::Departures;
use crate::{Count, Drop};

/// Bytes of one run: 20 packets of 1200. At 16 segments a message costs within 10% of what it costs at 54.
const RUN_BYTES: usize = 24 * 1024;
/// Longest packet; also what must be free in a run for one more.
pub(crate) const PACKET_BYTES: usize = 1600;
/// Groups in one run. Audio packets differ in size, each then is a group of its own.
const GROUPS: usize = 24;
/// A leg without a run.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Default)]
struct Group {
    start: u32,
    end: u32,
    segment: u32,
    /// A shorter packet has ended it.
    closed: bool,
}

/// How a leg's packets leave.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Over the worker's own socket.
    Socket(Path),
    /// Through the tunnel.
    Tunnel(LegId),
}

struct Pending {
    path: Path,
    leg: u32,
    used: usize,
    groups: [Group; GROUPS],
    count: usize,
}

/// The runs of one worker.
pub(crate) struct Transmit {
    /// All runs' bytes, touched only as far as used.
    bytes: Box<[u8]>,
    runs: Vec<Pending>,
    /// How many of `runs` are in use: the first ones.
    active: usize,
    /// By leg, the index of its run.
    by_leg: Vec<u32>,
    sent: Sent,
    tunnel: Option<Departures>,
    /// Packets that the tunnel had no room for.
    stuck: u64,
}

impl Transmit {
    /// For legs with indices below `legs`.
    pub(crate) fn new(legs: usize, tunnel: Option<Departures>) -> Self {
        let runs = legs.clamp(1, 1024);
        let pending = || Pending {
            path: Run::EMPTY.path,
            leg: NONE,
            used: 0,
            groups: [Group::default(); GROUPS],
            count: 0,
        };
        Self {
            bytes: vec![0; runs * RUN_BYTES].into_boxed_slice(),
            runs: (0..runs).map(|_| pending()).collect(),
            active: 0,
            by_leg: vec![NONE; legs.max(1)],
            sent: Sent::default(),
            tunnel,
            stuck: 0,
        }
    }

    /// Where the next packet of a leg is to be written, [`PACKET_BYTES`] long; then [`Transmit::commit`] it. Sends
    /// what is in the way.
    #[inline]
    pub(crate) fn space(
        &mut self,
        socket: &UdpSocket,
        leg: u32,
        way: Way,
    ) -> Option<(Place, &mut [u8])> {
        match way {
            Way::Socket(path) => self.space_in_run(socket, leg, path),
            Way::Tunnel(leg) => Some((Place::Tunnel(leg), self.tunnel.as_mut()?.space())),
        }
    }

    #[inline]
    fn space_in_run(
        &mut self,
        socket: &UdpSocket,
        leg: u32,
        path: Path,
    ) -> Option<(Place, &mut [u8])> {
        let known = self.by_leg.get(leg as usize).copied()?;
        let index = match known {
            NONE => self.open(socket, leg, path),
            index => index,
        };
        let run = self.runs.get_mut(index as usize)?;
        if run.used + PACKET_BYTES > RUN_BYTES || run.count == GROUPS {
            let start = index as usize * RUN_BYTES;
            let bytes = self.bytes.get(start..start + RUN_BYTES)?;
            send_one(socket, run, bytes, &mut self.sent);
            (run.used, run.count, run.path) = (0, 0, path);
        }
        let start = index as usize * RUN_BYTES + run.used;
        let place = self.bytes.get_mut(start..start + PACKET_BYTES)?;
        Some((Place::Run(index), place))
    }

    /// The packet in the place given is `len` bytes long.
    #[inline]
    pub(crate) fn commit(&mut self, place: Place, len: usize) {
        let index = match place {
            Place::Run(index) => index,
            Place::Tunnel(leg) => return self.commit_to_tunnel(leg, len),
        };
        let Some(run) = self.runs.get_mut(index as usize) else { return };
        let (start, end, len) = (run.used as u32, (run.used + len) as u32, len as u32);
        run.used += len as usize;
        let last = run.count.checked_sub(1).and_then(|last| run.groups.get_mut(last));
        if let Some(group) = last
            && !group.closed
            && len <= group.segment
            && (group.end - group.start) / group.segment.max(1) < MAX_SEGMENTS as u32
        {
            group.end = end;
            group.closed = len < group.segment;
        } else if let Some(group) = run.groups.get_mut(run.count) {
            *group = Group { start, end, segment: len, closed: false };
            run.count += 1;
        }
    }

    fn commit_to_tunnel(&mut self, leg: LegId, len: usize) {
        let sent = self.tunnel.as_mut().is_some_and(|tunnel| tunnel.send(leg, len));
        self.stuck += u64::from(!sent);
    }

    /// Send everything.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) {
        let mut batch = [Run::EMPTY; SEND_BATCH];
        let mut filled = 0;
        for (run, bytes) in
            self.runs.iter().zip(self.bytes.chunks_exact(RUN_BYTES)).take(self.active)
        {
            for next in messages(run, bytes) {
                if let Some(place) = batch.get_mut(filled) {
                    *place = next;
                }
                filled += 1;
                if filled == SEND_BATCH {
                    socket.send(&batch, &mut self.sent);
                    filled = 0;
                }
            }
        }
        socket.send(batch.get(..filled).unwrap_or_default(), &mut self.sent);
        for run in self.runs.iter_mut().take(self.active) {
            (run.used, run.count) = (0, 0);
            if let Some(place) = self.by_leg.get_mut(run.leg as usize) {
                *place = NONE;
            }
        }
        self.active = 0;
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.settle();
        }
    }

    /// Move what sending did into the counters.
    pub(crate) fn count(&mut self, counts: &mut Counters<Count>, drops: &mut Counters<Drop>) {
        let sent = core::mem::take(&mut self.sent);
        counts.add_many(Count::SendCalls, sent.calls);
        counts.add_many(Count::MessagesSent, sent.messages);
        counts.add_many(Count::SegmentedRuns, sent.segmented);
        counts.add_many(Count::SegmentationRefused, sent.refused);
        drops.add_many(Drop::SendBufferFull, sent.full);
        drops.add_many(Drop::SendFailed, sent.failed);
        drops.add_many(Drop::TunnelFull, core::mem::take(&mut self.stuck));
    }

    /// Send bytes that belong to no leg yet, at once.
    pub(crate) fn reply(&mut self, socket: &UdpSocket, path: Path, bytes: &[u8]) {
        socket.send(&[Run { path, bytes, segment: bytes.len() }], &mut self.sent);
    }

    fn open(&mut self, socket: &UdpSocket, leg: u32, path: Path) -> u32 {
        if self.active == self.runs.len() {
            self.flush(socket);
        }
        let index = self.active as u32;
        if let Some(run) = self.runs.get_mut(self.active) {
            (run.path, run.leg, run.used, run.count) = (path, leg, 0, 0);
        }
        if let Some(place) = self.by_leg.get_mut(leg as usize) {
            *place = index;
        }
        self.active += 1;
        index
    }
}

/// A place for one packet.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In this run.
    Run(u32),
    /// In the tunnel's scratch space.
    Tunnel(LegId),
}

fn messages<'a>(run: &'a Pending, bytes: &'a [u8]) -> impl Iterator<Item = Run<'a>> {
    run.groups.iter().take(run.count).filter_map(|group| {
        let bytes = bytes.get(group.start as usize..group.end as usize)?;
        Some(Run { path: run.path, bytes, segment: group.segment as usize })
    })
}

fn send_one(socket: &UdpSocket, run: &Pending, bytes: &[u8], sent: &mut Sent) {
    let mut batch = [Run::EMPTY; SEND_BATCH];
    let mut filled = 0;
    for next in messages(run, bytes) {
        if let Some(place) = batch.get_mut(filled) {
            *place = next;
        }
        filled += 1;
        if filled == SEND_BATCH {
            socket.send(&batch, sent);
            filled = 0;
        }
    }
    socket.send(batch.get(..filled).unwrap_or_default(), sent);
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddr};
    use core::time::Duration;

    use super::*;
    use crate::socket::{Bell, Inbox};

    fn socket() -> UdpSocket {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), 1 << 20, 1 << 20).unwrap()
    }

    /// Packets of the given lengths to one leg leave in `messages` messages and arrive whole and in order.
    fn check(lengths: &[usize], messages: u64) {
        let (from, to) = (socket(), socket());
        let path = Way::Socket(Path { peer: to.address(), local: None });
        let mut transmit = Transmit::new(4, None);
        for (i, &len) in lengths.iter().enumerate() {
            let (place, bytes) = transmit.space(&from, 2, path).unwrap();
            bytes[..len].fill(i as u8);
            transmit.commit(place, len);
        }
        transmit.flush(&from);
        assert_eq!(transmit.sent.messages, messages, "{lengths:?}");
        let (mut got, mut inbox, bell) = (Vec::new(), Inbox::new(), Bell::new().unwrap());
        while got.len() < lengths.len() {
            to.wait(&bell, Duration::from_secs(5));
            assert_ne!(to.receive(&mut inbox).unwrap(), 0);
            got.extend(
                inbox
                    .messages()
                    .flat_map(|m| m.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>()),
            );
        }
        for (i, (packet, &len)) in got.iter().zip(lengths).enumerate() {
            assert_eq!(packet, &vec![i as u8; len]);
        }
    }

    #[test]
    fn equal_packets_leave_as_one_message() {
        check(&[1200; 8], 1);
        check(&[100], 1);
    }

    #[test]
    fn a_shorter_packet_ends_a_group_and_a_longer_one_begins_one() {
        check(&[1200, 1200, 100, 1200, 1200, 700], 2);
        check(&[100, 200, 300], 3);
        check(&[300, 200, 200], 2);
    }

    #[test]
    fn a_full_run_leaves_early_and_in_order() {
        check(&[1200; 45], 3);
        check(&(0..60).map(|i| 100 + i).collect::<Vec<_>>(), 60);
    }

    #[test]
    fn more_than_a_message_takes_is_split() {
        check(&[60; 100], 2);
    }

    #[test]
    fn more_legs_than_runs_still_leave() {
        let (from, to) = (socket(), socket());
        let path = Way::Socket(Path { peer: to.address(), local: None });
        let mut transmit = Transmit::new(3000, None);
        for leg in 0..3000 {
            let (place, _) = transmit.space(&from, leg, path).unwrap();
            transmit.commit(place, 20);
        }
        transmit.flush(&from);
        assert_eq!(transmit.sent.messages, 3000);
        let refused: SocketAddr = (Ipv4Addr::LOCALHOST, 1).into();
        let refused = Way::Socket(Path { peer: refused, local: None });
        assert!(transmit.space(&from, 3000, refused).is_none());
        assert!(transmit.space(&from, 1, Way::Tunnel(LegId(1))).is_none(), "no tunnel");
    }
}
