//! The minimal relay loop.

use std::collections::HashMap;
use std::mem::zeroed;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use super::{Cipher, HEADER, PACKET, TAG};

/// Datagrams in one recvmmsg.
const RECEIVE: usize = 64;
/// Longest datagram taken.
const ROOM: usize = 2048;
/// Messages in one sendmmsg.
const SEND: usize = 16;
/// Most packets of one publisher forwarded together.
const TOGETHER: usize = 16;

/// One receiver.
struct Receiver {
    cipher: Cipher,
    header: [u8; HEADER],
    ssrc: u32,
    index: u64,
    name: libc::sockaddr_in,
}

/// One publisher, known by its port, and its receivers.
struct Source {
    cipher: Cipher,
    receivers: Vec<Receiver>,
}

/// One message to one receiver on its way out: where it starts and ends among the bytes.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
    /// Bytes of each packet in it.
    segment: usize,
    name: libc::sockaddr_in,
}

/// The relay.
pub struct Relay {
    socket: UdpSocket,
    sources: HashMap<u16, Source>,
    inbox: Vec<u8>,
    /// Plain payloads of one publisher's packets.
    plain: Vec<u8>,
    outbox: Vec<u8>,
    /// Packets sent so far.
    pub forwarded: u64,
}

/// A datagram in the inbox.
#[derive(Clone, Copy)]
struct Arrived {
    port: u16,
    len: usize,
}

impl Relay {
    /// On a bound socket.
    pub fn new(socket: UdpSocket) -> Self {
        socket.set_nonblocking(true).expect("a socket");
        Self {
            socket,
            sources: HashMap::new(),
            inbox: vec![0; RECEIVE * ROOM],
            plain: vec![0; TOGETHER * ROOM],
            outbox: vec![0; SEND * TOGETHER * PACKET],
            forwarded: 0,
        }
    }

    /// A publisher by its port, with its session key and salt, and where its receivers are.
    pub fn add(&mut self, port: u16, keys: (&[u8; 16], [u8; 12]), receivers: &[SocketAddrV4]) {
        let receiver = |(nth, &address): (usize, &SocketAddrV4)| {
            let (ssrc, mut header) = (0x8000 + nth as u32, [0; HEADER]);
            header[..2].copy_from_slice(&[0x90, 96]);
            header[8..12].copy_from_slice(&ssrc.to_be_bytes());
            // A block of one word (RFC 8285 §4.2): one element of one byte, and two of padding.
            header[12..].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x40, b'1', 0, 0]);
            let mut key = [nth as u8; 16];
            key[..2].copy_from_slice(&port.to_be_bytes());
            let name = super::stage::name(address);
            Receiver { cipher: Cipher::new(&key, [3; 12]), header, ssrc, index: 1000, name }
        };
        let receivers = receivers.iter().enumerate().map(receiver).collect();
        self.sources.insert(port, Source { cipher: Cipher::new(keys.0, keys.1), receivers });
    }

    /// Take one batch and forward it. False when nothing was there.
    pub fn turn(&mut self) -> bool {
        let mut arrived = [Arrived { port: 0, len: 0 }; RECEIVE];
        let count = self.receive(&mut arrived);
        let mut from = 0;
        while from < count {
            let port = arrived[from].port;
            let same = arrived[from..count].iter().take_while(|next| next.port == port).count();
            let to = from + same.min(TOGETHER);
            self.forward(port, from, &arrived[from..to]);
            from = to;
        }
        count > 0
    }

    fn receive(&mut self, arrived: &mut [Arrived; RECEIVE]) -> usize {
        // SAFETY: plain C structures, for which all zeroes is a valid value.
        let (mut headers, mut vectors, mut names) = unsafe {
            (
                zeroed::<[libc::mmsghdr; RECEIVE]>(),
                zeroed::<[libc::iovec; RECEIVE]>(),
                zeroed::<[libc::sockaddr_in; RECEIVE]>(),
            )
        };
        for (i, buffer) in self.inbox.chunks_exact_mut(ROOM).enumerate() {
            vectors[i] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: ROOM };
            headers[i].msg_hdr.msg_iov = &mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_name = ptr::from_mut(&mut names[i]).cast();
            headers[i].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        let fd = self.socket.as_raw_fd();
        // SAFETY: every header points to a buffer and a name of the stated length that outlive the call.
        let count = unsafe {
            let flags = libc::MSG_DONTWAIT;
            libc::recvmmsg(fd, headers.as_mut_ptr(), RECEIVE as u32, flags, ptr::null_mut())
        };
        let count = usize::try_from(count).unwrap_or(0);
        for i in 0..count {
            let port = u16::from_be(names[i].sin_port);
            arrived[i] = Arrived { port, len: headers[i].msg_len as usize };
        }
        count
    }

    /// Packets of one publisher, which stand in the inbox from place `first` on, to all its receivers.
    fn forward(&mut self, port: u16, first: usize, packets: &[Arrived]) {
        let Some(source) = self.sources.get_mut(&port) else { return };
        let mut opened = [(0, [0; HEADER]); TOGETHER];
        let mut count = 0;
        for (i, packet) in packets.iter().enumerate() {
            let bytes = &self.inbox[(first + i) * ROOM..][..packet.len];
            let plain = &mut self.plain[count * ROOM..(count + 1) * ROOM];
            let header: [u8; HEADER] = bytes[..HEADER].try_into().expect("a header");
            let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
            let index = u64::from(u16::from_be_bytes([header[2], header[3]]));
            if let Some(len) = source.cipher.open((ssrc, index), bytes, plain) {
                opened[count] = (len, header);
                count += 1;
            }
        }
        let (mut runs, mut filled, mut used) = ([None; SEND], 0, 0);
        for receiver in &mut source.receivers {
            let start = used;
            for (i, (len, from)) in opened[..count].iter().enumerate() {
                let out = &mut self.outbox[used..used + HEADER + len + TAG];
                receiver.index += 1;
                receiver.header[1] = from[1];
                receiver.header[2..4].copy_from_slice(&(receiver.index as u16).to_be_bytes());
                receiver.header[4..8].copy_from_slice(&from[4..8]);
                out[..HEADER].copy_from_slice(&receiver.header);
                let payload = &self.plain[i * ROOM..][..*len];
                receiver.cipher.seal((receiver.ssrc, receiver.index), payload, out);
                used += out.len();
            }
            let segment = (used - start) / count.max(1);
            runs[filled] = Some(Run { start, end: used, segment, name: receiver.name });
            filled += 1;
            if filled == SEND {
                send(&self.socket, &runs[..filled], &self.outbox);
                (filled, used) = (0, 0);
            }
        }
        send(&self.socket, &runs[..filled], &self.outbox);
        self.forwarded += (source.receivers.len() * count) as u64;
    }
}

/// Room for one control message with a `u16`, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 24]);

/// Send runs, each of packets of one size.
fn send(socket: &UdpSocket, runs: &[Option<Run>], bytes: &[u8]) {
    // SAFETY: plain C structures, for which all zeroes is a valid value.
    let (mut headers, mut vectors) =
        unsafe { (zeroed::<[libc::mmsghdr; SEND]>(), zeroed::<[libc::iovec; SEND]>()) };
    let (mut controls, mut names) = ([Control([0; 24]); SEND], runs.iter().flatten().copied());
    let mut kept: [Option<Run>; SEND] = [None; SEND];
    kept.iter_mut().zip(names.by_ref()).for_each(|(place, run)| *place = Some(run));
    let mut count = 0;
    for (i, run) in kept.iter_mut().flatten().enumerate() {
        let message = &mut headers[i].msg_hdr;
        let part = &bytes[run.start..run.end];
        vectors[i] = libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
        message.msg_iov = &mut vectors[i];
        message.msg_iovlen = 1;
        message.msg_name = ptr::from_mut(&mut run.name).cast();
        message.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        message.msg_control = controls[i].0.as_mut_ptr().cast();
        message.msg_controllen = size_of::<Control>();
        // SAFETY: the control block is as long as one `cmsghdr` with a `u16` behind it takes.
        unsafe {
            let control = libc::CMSG_FIRSTHDR(message);
            (*control).cmsg_level = libc::SOL_UDP;
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(2) as usize;
            libc::CMSG_DATA(control).cast::<u16>().write_unaligned(run.segment as u16);
        }
        count += 1;
    }
    // SAFETY: every header points to a name, a control block and bytes that outlive the call.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
    assert_eq!(usize::try_from(sent), Ok(count), "{}", std::io::Error::last_os_error());
}

/// Where a socket is reached on this machine.
pub fn address(socket: &UdpSocket) -> SocketAddrV4 {
    let port = socket.local_addr().expect("a bound socket").port();
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}
