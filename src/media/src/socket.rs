//! The system calls: one UDP socket per worker, received from and sent on in batches, with the kernel merging and
//! splitting runs of equal datagrams (UDP_GRO, UDP_SEGMENT). All `unsafe` of the project is here; what leaves this file
//! is slices and addresses.
//!
//! Raw pointers live on the stack of one call only, so nothing here is self-referential and every type moves freely
//! between threads.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::mem::{size_of, size_of_val, zeroed};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::ptr;
use core::time::Duration;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Where packets of a leg go, and from which of our addresses, so that a host with several answers from the
/// one that was
/// asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) peer: SocketAddr,
    pub(crate) local: Option<IpAddr>,
}

/// One or several datagrams to one peer.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) path: Path,
    pub(crate) bytes: &'a [u8],
    /// Length of each datagram in `bytes`; the last may be shorter.
    pub(crate) segment: usize,
}

impl Run<'_> {
    pub(crate) const EMPTY: Run<'static> = Run {
        path: Path { peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), local: None },
        bytes: &[],
        segment: 0,
    };

    fn datagrams(&self) -> u64 {
        self.bytes.len().div_ceil(self.segment.max(1)) as u64
    }
}

/// What became of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) calls: u64,
    pub(crate) messages: u64,
    pub(crate) segmented: u64,
    /// Runs sent datagram by datagram because they exceed the path's MTU.
    pub(crate) refused: u64,
    /// Datagrams dropped because the send buffer is full.
    pub(crate) full: u64,
    /// Datagrams that the kernel refused.
    pub(crate) failed: u64,
}

/// Messages in one sendmmsg. Sixteen runs of eight packets were the best of 4, 16 and 50 in the limits benchmark.
pub(crate) const SEND_BATCH: usize = 16;
/// Messages in one recvmmsg: merged runs of eight cost 150 ns a packet at 8 messages and 222 ns at 32, by cache misses.
pub(crate) const RECEIVE_BATCH: usize = 8;
/// The kernel merges up to 64 KiB.
const RECEIVE_BYTES: usize = 1 << 16;
/// Most datagrams in one run (the kernel takes 128, older ones 64).
pub(crate) const MAX_SEGMENTS: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    /// IPv6 socket that takes IPv4 too, as mapped addresses.
    Dual,
    V4,
}

/// A bound, non-blocking UDP socket. Sending works from several threads at once.
pub(crate) struct UdpSocket {
    fd: OwnedFd,
    family: Family,
    address: SocketAddr,
    /// What the kernel granted, in bytes (it counts its own overhead too).
    pub(crate) receive_buffer: usize,
    pub(crate) send_buffer: usize,
}

impl UdpSocket {
    /// Bind to an address; the unspecified IPv6 address takes both families, or only IPv4 where there is no IPv6.
    pub(crate) fn bind(address: SocketAddr, receive: usize, send: usize) -> io::Result<Self> {
        match Self::bind_one(address, receive, send) {
            Err(error)
                if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                    && matches!(
                        error.raw_os_error(),
                        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
                    ) =>
            {
                let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
                Self::bind_one(v4, receive, send)
            }
            other => other,
        }
    }

    fn bind_one(address: SocketAddr, receive: usize, send: usize) -> io::Result<Self> {
        let (family, domain) = match address {
            SocketAddr::V4(_) => (Family::V4, libc::AF_INET),
            SocketAddr::V6(_) => (Family::Dual, libc::AF_INET6),
        };
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no memory is passed; a non-negative result is a new descriptor that nobody else owns.
        let fd = unsafe {
            let fd = libc::socket(domain, kind, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        if family == Family::Dual {
            set_option(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        }
        if address.ip().is_unspecified() {
            match family {
                Family::Dual => {
                    set_option(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
                }
                Family::V4 => set_option(&fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            }
        }
        // An old kernel without it delivers datagrams one by one, which works too.
        let _ = set_option(&fd, libc::SOL_UDP, libc::UDP_GRO, 1);
        let (name, len) = to_raw(address, family);
        // SAFETY: `name` outlives the call and is at least `len` bytes of an initialised socket address.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), ptr::from_ref(&name).cast(), len) };
        if bound < 0 {
            return Err(io::Error::last_os_error());
        }
        let port = bound_port(&fd)?;
        let receive_buffer =
            buffer(&fd, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, receive).unwrap_or(0);
        let send_buffer = buffer(&fd, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, send).unwrap_or(0);
        let address = SocketAddr::new(address.ip(), port);
        Ok(Self { fd, family, address, receive_buffer, send_buffer })
    }

    /// The address bound to, with the port that was given.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams that the kernel has thrown away since the socket was bound, because its receive buffer was full.
    pub(crate) fn overflowed(&self) -> u64 {
        self.memory().last().copied().unwrap_or(0).into()
    }

    /// How full the receive buffer is, in thousandths of what the kernel grants.
    pub(crate) fn fill(&self) -> u32 {
        let [used, granted, ..] = self.memory();
        u32::try_from(u64::from(used) * 1000 / u64::from(granted.max(1))).unwrap_or(u32::MAX)
    }

    fn memory(&self) -> [u32; MEMINFO] {
        let (mut info, mut len) = ([0u32; MEMINFO], size_of::<[u32; MEMINFO]>() as u32);
        // SAFETY: `info` and `len` outlive the call and `len` is the size of `info`.
        let result = unsafe {
            let value = info.as_mut_ptr().cast::<c_void>();
            libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, value, &mut len)
        };
        if result < 0 { [0; MEMINFO] } else { info }
    }

    /// Whether IPv6 peers can be reached.
    pub(crate) fn takes_v6(&self) -> bool {
        self.family == Family::Dual
    }

    /// Take what has arrived, at most one batch, without waiting. Returns the number of messages, zero when
    /// there is none.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.received = 0;
        // SAFETY: these are plain C structures for which all zeroes is a valid value.
        let (mut headers, mut vectors) = unsafe {
            (zeroed::<[libc::mmsghdr; RECEIVE_BATCH]>(), zeroed::<[libc::iovec; RECEIVE_BATCH]>())
        };
        let places = inbox.buffers.chunks_exact_mut(RECEIVE_BYTES).zip(&mut inbox.metas);
        for (((header, vector), (buffer, meta)), _) in
            headers.iter_mut().zip(&mut vectors).zip(places).zip(0..RECEIVE_BATCH)
        {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = buffer.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(&mut meta.name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as u32;
            header.msg_hdr.msg_control = meta.control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        // SAFETY: each header points to a distinct buffer, name and control block of the stated length, which are
        // borrowed from `inbox` and stay in place during the call.
        let count = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                headers.as_mut_ptr(),
                RECEIVE_BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if count < 0 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            };
        }
        let count = usize::try_from(count).unwrap_or(0);
        for (header, meta) in headers.iter().zip(&mut inbox.metas).take(count) {
            meta.len = (header.msg_len as usize).min(RECEIVE_BYTES);
            meta.read_control(&header.msg_hdr);
        }
        inbox.received = count;
        Ok(count)
    }

    /// Send runs, at most [`SEND_BATCH`]. What cannot be sent now is dropped and counted.
    pub(crate) fn send(&self, runs: &[Run<'_>], sent: &mut Sent) {
        // SAFETY: these are plain C structures for which all zeroes is a valid value.
        let (mut headers, mut vectors, mut names) = unsafe {
            (
                zeroed::<[libc::mmsghdr; SEND_BATCH]>(),
                zeroed::<[libc::iovec; SEND_BATCH]>(),
                zeroed::<[libc::sockaddr_in6; SEND_BATCH]>(),
            )
        };
        let mut controls = [Control::EMPTY; SEND_BATCH];
        let runs = runs.get(..runs.len().min(SEND_BATCH)).unwrap_or_default();
        let places = headers.iter_mut().zip(&mut vectors).zip(names.iter_mut().zip(&mut controls));
        for (run, ((header, vector), (name, control))) in runs.iter().zip(places) {
            let (raw, len) = to_raw(run.path.peer, self.family);
            *name = raw;
            // The kernel only reads from what a sending iovec points to.
            vector.iov_base = run.bytes.as_ptr().cast_mut().cast();
            vector.iov_len = run.bytes.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = len;
            let used = control.write(self.family, run);
            if used > 0 {
                header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = used as _;
            }
        }
        let mut done = 0;
        while let Some(rest) = headers.get_mut(done..runs.len()).filter(|rest| !rest.is_empty()) {
            // SAFETY: each header points to a name, control block and payload that outlive the call.
            let count = unsafe {
                libc::sendmmsg(self.fd.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
            };
            sent.calls += 1;
            if let Ok(count @ 1..) = usize::try_from(count) {
                for run in runs.iter().skip(done).take(count) {
                    sent.messages += 1;
                    sent.segmented += u64::from(run.bytes.len() > run.segment);
                }
                done += count;
            } else {
                done += self.send_failed(io::Error::last_os_error(), runs.get(done..), sent);
            }
        }
    }

    /// The first of `rest` was refused. Returns how many of them are settled.
    fn send_failed(&self, error: io::Error, rest: Option<&[Run<'_>]>, sent: &mut Sent) -> usize {
        let rest = rest.unwrap_or_default();
        let Some(first) = rest.first() else { return 1 };
        match error.raw_os_error() {
            Some(libc::EINTR) => 0,
            Some(libc::EAGAIN | libc::ENOBUFS) => {
                sent.full += rest.iter().map(Run::datagrams).sum::<u64>();
                rest.len()
            }
            // The segments exceed the path's MTU, or the device cannot checksum them: one by one, the kernel
            // may fragment.
            Some(libc::EMSGSIZE | libc::EIO | libc::EINVAL)
                if first.bytes.len() > first.segment =>
            {
                sent.refused += 1;
                for datagram in first.bytes.chunks(first.segment.max(1)) {
                    let single = Run { path: first.path, bytes: datagram, segment: datagram.len() };
                    self.send(&[single], sent);
                }
                1
            }
            _ => {
                sent.failed += first.datagrams();
                1
            }
        }
    }

    /// Sleep until a datagram arrives, the bell rings or time is up.
    pub(crate) fn wait(&self, bell: &Bell, timeout: Duration) {
        if sleep([self.fd.as_raw_fd(), bell.file.as_raw_fd()], timeout) {
            bell.clear();
        }
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The option and its figures (linux/sock_diag.h): what of the receive buffer is in use, how large it is, and so on;
/// the last is what was dropped.
const SO_MEMINFO: c_int = 55;
const MEMINFO: usize = 9;

/// Let the kernel take no more of a stream than its window and so many bytes; the rest is refused and waits with us.
pub(crate) fn limit_unsent(socket: &impl AsRawFd, bytes: usize) -> io::Result<()> {
    let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, bytes)
}

/// An eventfd that ends another thread's [`UdpSocket::wait`].
pub(crate) struct Bell {
    file: File,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed; a non-negative result is a new descriptor that nobody else owns.
        let fd = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { file: File::from(fd) })
    }

    pub(crate) fn ring(&self) {
        // It fails only when 2^64 - 2 rings are pending, and then it rings anyway.
        let _ = (&self.file).write(&1u64.to_ne_bytes());
    }

    /// Sleep until it rings or time is up.
    pub(crate) fn wait(&self, timeout: Duration) {
        if sleep([self.file.as_raw_fd()], timeout) {
            self.clear();
        }
    }

    fn clear(&self) {
        let _ = (&self.file).read(&mut [0; 8]);
    }
}

/// Sleep until one of the descriptors is readable or time is up. Says whether the last one is.
fn sleep<const N: usize>(descriptors: [RawFd; N], timeout: Duration) -> bool {
    let mut entries = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(3600) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: `entries` and `timeout` outlive the call and the count is the array's.
    unsafe {
        libc::ppoll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, &timeout, ptr::null());
    }
    entries.last().is_some_and(|last| last.revents != 0)
}

/// Buffers for one batch of received messages.
pub(crate) struct Inbox {
    buffers: Box<[u8]>,
    metas: [Meta; RECEIVE_BATCH],
    received: usize,
}

/// One received message: one datagram, or several of one peer that the kernel merged.
pub(crate) struct Message<'a> {
    pub(crate) path: Path,
    bytes: &'a [u8],
    segment: usize,
}

impl<'a> Message<'a> {
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.segment.max(1))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffers: vec![0; RECEIVE_BATCH * RECEIVE_BYTES].into_boxed_slice(),
            metas: [Meta::EMPTY; RECEIVE_BATCH],
            received: 0,
        }
    }

    /// What the last [`UdpSocket::receive`] took.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let received = self.buffers.chunks_exact(RECEIVE_BYTES).zip(&self.metas);
        received.take(self.received).filter_map(|(buffer, meta)| {
            let bytes = buffer.get(..meta.len)?;
            let path = Path { peer: from_raw(&meta.name)?, local: meta.local };
            let segment = if meta.segment == 0 { bytes.len() } else { meta.segment };
            Some(Message { path, bytes, segment })
        })
    }
}

struct Meta {
    name: libc::sockaddr_in6,
    control: Control,
    len: usize,
    segment: usize,
    local: Option<IpAddr>,
}

impl Meta {
    const EMPTY: Self =
        Self { name: EMPTY_NAME, control: Control::EMPTY, len: 0, segment: 0, local: None };

    fn read_control(&mut self, header: &libc::msghdr) {
        (self.segment, self.local) = (0, None);
        // SAFETY: `header` is as the kernel left it, its control block belongs to `self` and has not moved; the CMSG
        // macros stay within the length that the kernel wrote, and each payload is read unaligned with the type that
        // its level and type define.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while !message.is_null() {
                let data = libc::CMSG_DATA(message);
                match ((*message).cmsg_level, (*message).cmsg_type) {
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        let segment = ptr::read_unaligned(data.cast::<c_int>());
                        self.segment = usize::try_from(segment).unwrap_or(0);
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = ptr::read_unaligned(data.cast::<libc::in6_pktinfo>());
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        // A link-local source would need its interface; the route knows it as well.
                        self.local = (!address.is_unicast_link_local())
                            .then(|| IpAddr::V6(address).to_canonical());
                    }
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info = ptr::read_unaligned(data.cast::<libc::in_pktinfo>());
                        self.local =
                            Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                    }
                    _ => {}
                }
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
    }
}

/// Ancillary data of one message: a packet info (40 bytes) and a segment size (24), aligned as a `cmsghdr`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 96]);

impl Control {
    const EMPTY: Self = Self([0; 96]);

    /// Write what a run needs and return the length used.
    fn write(&mut self, family: Family, run: &Run<'_>) -> usize {
        let mut used = 0;
        if run.bytes.len() > run.segment {
            let segment = u16::try_from(run.segment).unwrap_or(u16::MAX);
            used = self.append(used, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
        match (family, run.path.local) {
            (Family::Dual, Some(local)) => {
                let address = match local {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                    ipi6_ifindex: 0,
                };
                self.append(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
            (Family::V4, Some(IpAddr::V4(local))) => {
                let none = libc::in_addr { s_addr: 0 };
                let source = libc::in_addr { s_addr: u32::from(local).to_be() };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: none };
                self.append(used, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            _ => used,
        }
    }

    fn append<T: Copy>(&mut self, used: usize, level: c_int, kind: c_int, value: T) -> usize {
        let size = size_of::<T>() as u32;
        // SAFETY: these two only compute lengths.
        let (space, len) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size)) };
        let Some(place) = self.0.get_mut(used..used + space) else { return used };
        // SAFETY: `place` is `CMSG_SPACE` bytes, so header and value fit; it is written unaligned, from plain data.
        unsafe {
            let mut header = zeroed::<libc::cmsghdr>();
            header.cmsg_len = len as _;
            header.cmsg_level = level;
            header.cmsg_type = kind;
            ptr::write_unaligned(place.as_mut_ptr().cast(), header);
            let data = place.as_mut_ptr().add(len as usize - size as usize);
            ptr::write_unaligned(data.cast(), value);
        }
        used + space
    }
}

const EMPTY_NAME: libc::sockaddr_in6 = libc::sockaddr_in6 {
    sin6_family: 0,
    sin6_port: 0,
    sin6_flowinfo: 0,
    sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
    sin6_scope_id: 0,
};

/// A socket address as the kernel wants it for a socket of this family. An IPv4 address is written over the
/// beginning of
/// the larger structure.
fn to_raw(address: SocketAddr, family: Family) -> (libc::sockaddr_in6, u32) {
    let mut raw = EMPTY_NAME;
    match (family, address) {
        (Family::V4, SocketAddr::V4(v4)) => {
            let small = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: `sockaddr_in` is 16 bytes, `raw` 28 and at least as aligned.
            unsafe { ptr::write(ptr::from_mut(&mut raw).cast(), small) };
            (raw, size_of_val(&small) as u32)
        }
        (_, address) => {
            let (ip, scope) = match address {
                SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
                SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
            };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = address.port().to_be();
            raw.sin6_addr.s6_addr = ip.octets();
            raw.sin6_scope_id = scope;
            (raw, size_of_val(&raw) as u32)
        }
    }
}

/// The address that the kernel wrote, with mapped IPv4 as IPv4.
fn from_raw(raw: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match c_int::from(raw.sin6_family) {
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let port = u16::from_be(raw.sin6_port);
            Some(match ip.to_ipv4_mapped() {
                Some(v4) => SocketAddrV4::new(v4, port).into(),
                None => SocketAddrV6::new(ip, port, 0, raw.sin6_scope_id).into(),
            })
        }
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a `sockaddr_in`, which is shorter and no more aligned.
            let small = unsafe { ptr::read(ptr::from_ref(raw).cast::<libc::sockaddr_in>()) };
            let ip = Ipv4Addr::from(u32::from_be(small.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(small.sin_port)).into())
        }
        _ => None,
    }
}

fn set_option(fd: &impl AsRawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: `value` outlives the call and its size is passed.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast::<c_void>(),
            size_of::<c_int>() as u32,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ask for a buffer size, with privilege if we have it, and return what is granted.
fn buffer(fd: &OwnedFd, forced: c_int, plain: c_int, size: usize) -> io::Result<usize> {
    let wanted = c_int::try_from(size).unwrap_or(c_int::MAX);
    set_option(fd, libc::SOL_SOCKET, forced, wanted)
        .or_else(|_| set_option(fd, libc::SOL_SOCKET, plain, wanted))?;
    let (mut granted, mut len): (c_int, u32) = (0, size_of::<c_int>() as u32);
    // SAFETY: `granted` and `len` outlive the call and `len` is the size of `granted`.
    let result = unsafe {
        let value = ptr::from_mut(&mut granted).cast::<c_void>();
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, plain, value, &mut len)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // The kernel doubles the value for its own use and reports the double (socket(7)).
    Ok(usize::try_from(granted).unwrap_or(0) / 2)
}

fn bound_port(fd: &OwnedFd) -> io::Result<u16> {
    let (mut name, mut len) = (EMPTY_NAME, size_of::<libc::sockaddr_in6>() as u32);
    // SAFETY: `name` and `len` outlive the call and `len` is the size of `name`.
    let result =
        unsafe { libc::getsockname(fd.as_raw_fd(), ptr::from_mut(&mut name).cast(), &mut len) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    from_raw(&name).map(|address| address.port()).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Let other threads of the process go first where there are more than cores.
pub(crate) fn yield_to_others() -> io::Result<()> {
    // SAFETY: no memory is passed. On Linux the zero stands for the calling thread alone (setpriority(2), notes).
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Have the calling thread run soon after it is woken where there are more threads than cores: it asks for short
/// slices, and the scheduler lets who wants less go first (since Linux 6.12; before, it changes nothing). Its share
/// stays.
pub(crate) fn wake_promptly() -> io::Result<()> {
    // SAFETY: no memory is passed; as above for the zero.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let attributes = SchedulerAttributes {
        size: size_of::<SchedulerAttributes>() as u32,
        nice,
        runtime: SLICE_NANOS,
        ..SchedulerAttributes::default()
    };
    // SAFETY: `attributes` outlives the call and says its size; zero stands for the calling thread (sched_setattr(2)).
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The least slice there is.
const SLICE_NANOS: u64 = 100_000;

/// What sched_setattr(2) takes in its first version: 48 bytes. Policy zero is the ordinary one.
#[repr(C)]
#[derive(Default)]
struct SchedulerAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// CPU time that the calling thread has used, user and system.
pub(crate) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call. It cannot fail for a thread's own clock; it would leave zero.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Keep the calling thread on the `nth` core that the process may use (modulo their number).
pub(crate) fn pin_thread(nth: usize) -> io::Result<()> {
    // SAFETY: a `cpu_set_t` is plain bits, for which all zeroes is a valid value; it outlives both calls with its size.
    unsafe {
        let size = size_of::<libc::cpu_set_t>();
        let mut allowed = zeroed::<libc::cpu_set_t>();
        if libc::sched_getaffinity(0, size, &mut allowed) < 0 {
            return Err(io::Error::last_os_error());
        }
        let count = usize::try_from(libc::CPU_COUNT(&allowed)).unwrap_or(1).max(1);
        let mut cores =
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed));
        let Some(core) = cores.nth(nth % count) else { return Ok(()) };
        let mut one = zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(core, &mut one);
        if libc::sched_setaffinity(0, size, &one) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
