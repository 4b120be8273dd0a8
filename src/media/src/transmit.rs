//! What leaves a worker, grouped by destination. Packets are written and protected one behind the other into one
//! buffer; neighbours for one leg of one size (the last may be shorter) are a run, which leaves as one message that the
//! kernel or the card cuts up. As many runs as one system call takes leave together, so the buffer is small and its
//! bytes are still near when the kernel copies them.

use offhook_rtc::srtp::{Signer, Unsigned};
use offhook_types::LegId;
use offhook_types::counters::Counters;

use crate::socket::{MAX_SEGMENTS, Path, Run, SEND_BATCH, Sent, UdpSocket};
use crate::tunnel::Departures;
use crate::{Count, Drop};

/// Bytes of the buffer: 16 frames of 8 packets of 1200 bytes are 150 KiB.
const BYTES: usize = 192 * 1024;
/// Most bytes of one run: a UDP datagram's, less room for the last packet.
const RUN_BYTES: usize = 60_000;
/// Longest packet; also what must be free in the buffer for one more.
pub(crate) const PACKET_BYTES: usize = 1600;

/// How a leg's packets leave.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Over the worker's own socket.
    Socket(Path),
    /// Through the tunnel.
    Tunnel(LegId),
}

#[derive(Clone, Copy)]
struct Pending {
    path: Path,
    leg: u32,
    start: usize,
    end: usize,
    segment: usize,
    /// A shorter packet has ended it.
    closed: bool,
}

impl Pending {
    const NONE: Self =
        Self { path: Run::EMPTY.path, leg: 0, start: 0, end: 0, segment: 0, closed: true };

    /// Whether a packet of this length may follow.
    #[inline]
    fn takes(&self, leg: u32, len: usize) -> bool {
        let size = self.end - self.start;
        let full = size >= self.segment * MAX_SEGMENTS || size >= RUN_BYTES;
        self.leg == leg && len <= self.segment && !self.closed && !full
    }
}

/// The runs of one worker that have not left yet.
pub(crate) struct Transmit {
    bytes: Box<[u8]>,
    used: usize,
    runs: [Pending; SEND_BATCH],
    count: usize,
    signer: Signer,
    sent: Sent,
    tunnel: Option<Departures>,
    /// Packets that the tunnel had no room for.
    stuck: u64,
}

impl Transmit {
    pub(crate) fn new(tunnel: Option<Departures>) -> Self {
        Self {
            bytes: vec![0; BYTES].into_boxed_slice(),
            used: 0,
            runs: [Pending::NONE; SEND_BATCH],
            count: 0,
            signer: Signer::default(),
            sent: Sent::default(),
            tunnel,
            stuck: 0,
        }
    }

    /// Where the next packet that leaves this way is to be written, [`PACKET_BYTES`] long; then [`Transmit::commit`]
    /// it. Sends what has its place.
    #[inline]
    pub(crate) fn space(
        &mut self,
        socket: &UdpSocket,
        (leg, way): (u32, &Way),
    ) -> Option<&mut [u8]> {
        if let Way::Tunnel(_) = way {
            return Some(self.tunnel.as_mut()?.space());
        }
        let others = self.count == SEND_BATCH && self.runs.last().is_some_and(|run| run.leg != leg);
        if others || self.used + PACKET_BYTES > BYTES {
            self.flush(socket);
        }
        self.bytes.get_mut(self.used..self.used + PACKET_BYTES)
    }

    /// The packet in the place given goes to a leg and is `len` bytes long.
    #[inline]
    pub(crate) fn commit(&mut self, socket: &UdpSocket, (leg, way): (u32, &Way), len: usize) {
        let path = match way {
            Way::Socket(path) => path,
            Way::Tunnel(leg) => return self.commit_to_tunnel(*leg, len),
        };
        let last = self.count.checked_sub(1).and_then(|last| self.runs.get_mut(last));
        if let Some(run) = last.filter(|run| run.takes(leg, len)) {
            run.end += len;
            run.closed = len < run.segment;
            self.used += len;
            return;
        }
        if self.count == SEND_BATCH {
            self.send(socket);
        }
        let (start, end) = (self.used, self.used + len);
        if let Some(run) = self.runs.get_mut(self.count) {
            *run = Pending { path: *path, leg, start, end, segment: len, closed: false };
            self.count += 1;
            self.used = end;
        }
    }

    fn commit_to_tunnel(&mut self, leg: LegId, len: usize) {
        let sent = self.tunnel.as_mut().is_some_and(|tunnel| tunnel.send(leg, len));
        self.stuck += u64::from(!sent);
    }

    /// The packet in the place given, which is committed next, lacks its tag: it is written before it leaves.
    #[inline]
    pub(crate) fn sign_later(&mut self, unsigned: Unsigned) {
        if self.signer.add(self.used, unsigned) {
            self.signer.sign(&mut self.bytes);
        }
    }

    /// Send everything.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) {
        self.send(socket);
        self.used = 0;
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.settle();
        }
    }

    fn send(&mut self, socket: &UdpSocket) {
        self.signer.sign(&mut self.bytes);
        let mut batch = [Run::EMPTY; SEND_BATCH];
        let pending = self.runs.iter().take(self.count);
        for (place, run) in batch.iter_mut().zip(pending) {
            let bytes = self.bytes.get(run.start..run.end).unwrap_or_default();
            *place = Run { path: run.path, bytes, segment: run.segment };
        }
        socket.send(batch.get(..self.count).unwrap_or_default(), &mut self.sent);
        self.count = 0;
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
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use core::time::Duration;

    use super::*;
    use crate::socket::{Bell, Inbox};

    fn socket() -> UdpSocket {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), 1 << 20, 1 << 20).unwrap()
    }

    /// Packets of the given lengths, each to the leg named with it, leave in `messages` messages and arrive whole and
    /// in order.
    fn check(packets: &[(u32, usize)], messages: u64) {
        let (from, to) = (socket(), socket());
        let way = Way::Socket(Path { peer: to.address(), local: None });
        let mut transmit = Transmit::new(None);
        assert!(transmit.space(&from, (0, &Way::Tunnel(LegId(1)))).is_none(), "no tunnel");
        for (i, &(leg, len)) in packets.iter().enumerate() {
            transmit.space(&from, (leg, &way)).unwrap()[..len].fill(i as u8);
            transmit.commit(&from, (leg, &way), len);
        }
        transmit.flush(&from);
        assert_eq!(transmit.sent.messages, messages, "{packets:?}");
        let (mut got, mut inbox, bell) = (Vec::new(), Inbox::new(), Bell::new().unwrap());
        while got.len() < packets.len() {
            to.wait(&bell, Duration::from_secs(5));
            assert_ne!(to.receive(&mut inbox).unwrap(), 0);
            got.extend(
                inbox
                    .messages()
                    .flat_map(|m| m.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>()),
            );
        }
        for (i, (packet, &(_, len))) in got.iter().zip(packets).enumerate() {
            assert_eq!(packet, &vec![i as u8; len]);
        }
    }

    fn one_leg(lengths: &[usize]) -> Vec<(u32, usize)> {
        lengths.iter().map(|&len| (2, len)).collect()
    }

    #[test]
    fn equal_packets_leave_as_one_message() {
        check(&one_leg(&[1200; 8]), 1);
        check(&one_leg(&[100]), 1);
    }

    #[test]
    fn a_shorter_packet_ends_a_run_and_a_longer_one_begins_one() {
        check(&one_leg(&[1200, 1200, 100, 1200, 1200, 700]), 2);
        check(&one_leg(&[100, 200, 300]), 3);
        check(&one_leg(&[300, 200, 200]), 2);
    }

    #[test]
    fn legs_do_not_share_a_message() {
        check(&[(1, 500), (1, 500), (2, 500), (1, 500)], 3);
    }

    #[test]
    fn more_than_a_message_takes_is_split() {
        check(&one_leg(&[60; 100]), 2);
        check(&one_leg(&[1200; 60]), 2);
    }

    #[test]
    fn more_than_a_call_takes_leaves_early_and_in_order() {
        let legs: Vec<(u32, usize)> = (0..100).map(|leg| (leg, 20 + leg as usize)).collect();
        check(&legs, 100);
        let frames: Vec<(u32, usize)> = (0..200).map(|packet| (packet / 8, 1200)).collect();
        check(&frames, 25);
    }
}
