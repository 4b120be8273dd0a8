//! The ports that streams are accepted on, and what leads from there to the workers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::AtomicBool;
use std::io;
use std::sync::{Arc, Mutex};

use mio::net::TcpListener;
use offhook_rtc::turn::Authority;
use offhook_types::media::{Candidate, Protocol};

use super::{StartError, WorkerDoor};
use crate::address::advertised;
use crate::clock::Clock;
use crate::streams::{self, Directory, Parts, Streams};
use crate::{Config, Snapshot};

/// Shown to TURN clients; their passwords are bound to it (RFC 8489 §9.2).
const REALM: &str = "offhook";

/// Open stream ports.
pub(super) struct Listening {
    listeners: Vec<TcpListener>,
    candidates: Vec<Candidate>,
    pub(super) directory: Arc<Directory>,
}

/// How the thread of the streams is reached.
pub(super) struct StreamDoor {
    pub(super) directory: Arc<Directory>,
    pub(super) authority: Arc<Authority>,
    /// Where streams under TLS are accepted: every stream port, when there is a certificate.
    pub(super) tls_ports: Vec<u16>,
    pub(super) published: Option<Arc<Mutex<Snapshot>>>,
}

impl Listening {
    /// What peers of a worker are told: its own port before the stream ports.
    pub(super) fn candidates(&self, config: &Config, own: &[Candidate]) -> Vec<Candidate> {
        let own = if config.stream_only { &[] } else { own };
        own.iter().chain(&self.candidates).copied().collect()
    }
}

/// Open the stream ports.
pub(super) fn listen(config: &Config) -> Result<Listening, StartError> {
    let (mut listeners, mut candidates) = (Vec::new(), Vec::new());
    for &port in &config.stream_ports {
        let failed = |source| StartError::Stream { port, source };
        let listener = bind(SocketAddr::new(config.bind, port)).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let addresses = match config.advertise.as_slice() {
            [] => advertised(bound.ip(), bound.is_ipv6()),
            named => named.to_vec(),
        };
        let at = |ip| Candidate::tcp(SocketAddr::new(ip, bound.port()));
        candidates.extend(addresses.into_iter().map(at));
        listeners.push(listener);
    }
    Ok(Listening { listeners, candidates, directory: Arc::default() })
}

/// The thread that serves them, where there are any, and how it is reached.
pub(super) fn stream_thread(
    config: &Config,
    listening: Listening,
    workers: &[WorkerDoor],
    (clock, stopping): (Clock, Arc<AtomicBool>),
) -> Result<(Option<Streams>, StreamDoor), StartError> {
    let Listening { listeners, directory, .. } = listening;
    let authority = Arc::new(Authority::new(&crate::secret::random::<32>(), REALM));
    let mut door = StreamDoor {
        directory: directory.clone(),
        authority: authority.clone(),
        tls_ports: Vec::new(),
        published: None,
    };
    if listeners.is_empty() {
        return Ok((None, door));
    }
    if config.stream_tls.is_some() {
        let bound = listeners.iter().filter_map(|listener| listener.local_addr().ok());
        door.tls_ports = bound.map(|address| address.port()).collect();
    }
    let tls = config.stream_tls.as_ref().map(streams::load).transpose()?;
    let udp = |candidate: &&Candidate| candidate.protocol == Protocol::Udp;
    let of_worker = |(worker, door): (usize, &WorkerDoor)| {
        let all = door.reach.own.iter().filter(udp);
        all.map(|candidate| (candidate.address, worker)).collect::<Vec<_>>()
    };
    let candidates = workers.iter().enumerate().flat_map(of_worker);
    let parts = Parts {
        clock,
        limits: config.limits.clone(),
        listeners,
        tls,
        directory,
        workers: workers.iter().map(|door| door.reach.inside).collect(),
        candidates: candidates.collect(),
        authority,
        stopping,
    };
    let streams = Streams::new(parts)?;
    door.published = Some(streams.published());
    Ok((Some(streams), door))
}

/// The unspecified IPv6 address takes both families, or only IPv4 where there is no IPv6.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address) {
        Err(error)
            if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        other => other,
    }
}
