//! What surrounds a relay while it is measured: where its packets go, and who sends to it.

use std::mem::zeroed;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::ptr;

use super::relay::address;
use super::{BURST, HEADER, PACKET, TAG};

/// Where packets end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// A device that drops in its transmit function and takes uncut runs as a card with segmentation offload does: the
    /// whole way down to a driver, and no receiver.
    Device(&'static str),
    /// Sockets on the loopback, whose delivery the kernel charges to the sender. They take merged runs.
    Loopback,
}

/// Where a measurement plays.
pub struct Stage {
    /// What it could get.
    pub sink: Sink,
    sockets: Vec<UdpSocket>,
    /// Receivers so far.
    given: usize,
}

/// The network behind the device.
const NETWORK: [u8; 2] = [10, 99];

impl Stage {
    /// A network namespace of the calling thread's own with a device that drops, where root may have one; else the
    /// loopback. The namespace ends with the process. Threads started later are in it, earlier ones are not.
    pub fn enter() -> Self {
        let sink = own_namespace().unwrap_or(Sink::Loopback);
        Self { sink, sockets: Vec::new(), given: 0 }
    }

    /// The loopback, whatever we may do.
    pub fn loopback() -> Self {
        Self { sink: Sink::Loopback, sockets: Vec::new(), given: 0 }
    }

    /// Addresses of receivers, as many as asked for, that nobody else has.
    pub fn receivers(&mut self, count: usize) -> Vec<SocketAddrV4> {
        if let Sink::Device(_) = self.sink {
            let address = |nth: usize| {
                let [a, b] = NETWORK;
                let ip = Ipv4Addr::new(a, b, 1 + (nth / 200) as u8, 2 + (nth % 200) as u8);
                SocketAddrV4::new(ip, 6000 + (nth % 50_000) as u16)
            };
            self.given += count;
            return (self.given - count..self.given).map(address).collect();
        }
        let first = self.sockets.len();
        for _ in 0..count {
            let socket = bind(8 << 20);
            set(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
            socket.set_nonblocking(true).expect("a socket");
            self.sockets.push(socket);
        }
        self.sockets[first..].iter().map(address).collect()
    }

    /// Throw away what arrived.
    pub fn drain(&self) {
        let mut buffer = vec![0; 1 << 16];
        for socket in &self.sockets {
            while socket.recv(&mut buffer).is_ok() {}
        }
    }
}

/// A UDP socket with buffers of this many bytes, if we may. It is bound to no address: from the loopback's nothing
/// leaves through a device.
pub fn bind(buffer: i32) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, buffer);
    set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, buffer);
    socket
}

fn set(socket: &UdpSocket, level: i32, name: i32, value: i32) {
    let value = &raw const value;
    // SAFETY: `value` points to an integer that outlives the call. What it cannot have, it goes without.
    unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), 4) };
}

fn own_namespace() -> Option<Sink> {
    // SAFETY: no memory is passed.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } < 0 {
        return None;
    }
    let ip = |arguments: &str| {
        let done = Command::new("ip").args(arguments.split(' ')).output();
        done.is_ok_and(|done| done.status.success())
    };
    assert!(ip("link set lo up"), "a namespace without a loopback: is iproute2 installed?");
    let device = |kind: &'static str| {
        let [a, b] = NETWORK;
        (ip(&format!("link add sink0 type {kind}"))
            && ip(&format!("addr add {a}.{b}.0.1/16 dev sink0"))
            && ip("link set sink0 up"))
        .then_some(Sink::Device(kind))
    };
    device("ifb").or_else(|| device("dummy"))
}

/// A socket address as the kernel takes it.
pub fn name(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// User and system time of this thread in nanoseconds.
fn thread_cpu() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// One measurement of work on this thread.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU time in nanoseconds.
    pub nanos: u64,
    /// Nobody else had the core meanwhile, who would have left cold caches.
    #[allow(dead_code)] // Only the benches choose by it.
    pub quiet: bool,
}

/// Do something and measure it.
pub fn measure(work: impl FnOnce()) -> Cost {
    let (switches, start) = (taken_away(), thread_cpu());
    work();
    let nanos = thread_cpu() - start;
    Cost { nanos, quiet: taken_away() == switches }
}

/// How often the core was taken from this thread.
fn taken_away() -> i64 {
    // SAFETY: plain C structure, for which all zeroes is a valid value; it outlives the call.
    unsafe {
        let mut usage = zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage.ru_nivcsw
    }
}

/// Encrypts a payload behind the header that stands in the last argument, under an SSRC and an index.
pub type Seal = Box<dyn FnMut((u32, u64), &[u8], &mut [u8])>;

/// Sends frames of protected packets to a relay.
pub struct Publisher {
    socket: UdpSocket,
    seal: Seal,
    server: SocketAddrV4,
    ssrc: u32,
    index: u64,
    frame: Frame,
    bytes: Vec<u8>,
}

/// What a publisher sends at once.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// At most [`BURST`].
    pub packets: usize,
    /// Bytes of each on the wire, at most [`PACKET`].
    pub bytes: usize,
}

impl Frame {
    /// A frame of video.
    pub const VIDEO: Self = Self { packets: BURST, bytes: PACKET };
}

impl Publisher {
    /// Sends frames under an SSRC.
    pub fn new(server: SocketAddrV4, (ssrc, frame): (u32, Frame), seal: Seal) -> Self {
        let bytes = vec![0; frame.packets * frame.bytes];
        Self { socket: bind(8 << 20), seal, server, ssrc, index: 0, frame, bytes }
    }

    /// Where it sends from.
    pub fn address(&self) -> SocketAddrV4 {
        address(&self.socket)
    }

    /// Send one frame, VP8. The first 65,000 packets have no rollover.
    pub fn burst(&mut self, key_frame: bool) {
        let Frame { packets, bytes } = self.frame;
        let picture = (self.index / packets as u64) as u16 & 0x7fff;
        let mut room = [0x55; PACKET];
        let payload = &mut room[..bytes - HEADER - TAG];
        for (nth, out) in self.bytes.chunks_exact_mut(bytes).enumerate() {
            self.index += 1;
            let first = nth == 0;
            // RFC 7741 §4.2: X, S on the first packet; I with a 15-bit picture id. RFC 6386 §9.1: a frame's first bit
            // is 0 for a key frame, which goes on with a start code and a size.
            payload[0] = 0x80 | if first { 0x10 } else { 0 };
            payload[1] = 0x80;
            payload[2..4].copy_from_slice(&(0x8000 | picture).to_be_bytes());
            let frame = [u8::from(!key_frame) | 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 1];
            payload[4..14].copy_from_slice(&frame);
            out[..2].copy_from_slice(&[0x90, 96 | if nth + 1 == packets { 0x80 } else { 0 }]);
            out[2..4].copy_from_slice(&(self.index as u16).to_be_bytes());
            out[4..8].copy_from_slice(&(u32::from(picture) * 3000).to_be_bytes());
            out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
            out[12..HEADER].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x40, b'1', 0, 0]);
            (self.seal)((self.ssrc, self.index), payload, out);
        }
        self.send();
    }

    fn send(&self) {
        // SAFETY: plain C structures, for which all zeroes is a valid value.
        let (mut headers, mut vectors) =
            unsafe { (zeroed::<[libc::mmsghdr; BURST]>(), zeroed::<[libc::iovec; BURST]>()) };
        let mut server = name(self.server);
        for (i, part) in self.bytes.chunks_exact(self.frame.bytes).enumerate() {
            vectors[i] =
                libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
            headers[i].msg_hdr.msg_iov = &mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_name = ptr::from_mut(&mut server).cast();
            headers[i].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        // SAFETY: every header points to a name and bytes that outlive the call.
        let sent = unsafe {
            let many = self.frame.packets as u32;
            libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), many, 0)
        };
        assert_eq!(sent, self.frame.packets as i32, "{}", std::io::Error::last_os_error());
    }
}
