//! A peer connection's transport: connectivity checks, DTLS, SRTP and data channels, made of the pieces of
//! `offhook-rtc` seen from the client's side.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_rtc::dtls::{self, Dtls};
use offhook_rtc::sctp::{self, Sctp};
use offhook_rtc::srtp::{Protect, Unprotect};
use offhook_types::media::{DataKind, DtlsRole, Fingerprint, IceCredentials};
use offhook_types::{Rng, Ssrc, Time};
use offhook_wire::demux::Kind;

use super::{Identity, LONGEST, Opened, State, Transport, Write};
use crate::caller::agreed::Agreed;
use crate::caller::ice::Ice;
use crate::caller::outbox::Outbox;

/// Bytes that protection adds at most.
const OVERHEAD: usize = 32;
/// As WebRTC stacks announce it.
pub const MAX_MESSAGE: usize = 65_536;

/// The server's half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its ICE credentials.
    pub ice: IceCredentials,
    /// Of its certificate.
    pub fingerprint: Fingerprint,
    /// The side that we take in DTLS.
    pub role: DtlsRole,
    /// Where it listens.
    pub candidates: Vec<SocketAddr>,
}

/// The machine.
pub struct Peer {
    identity: Identity,
    ice: Ice,
    remote: Option<Remote>,
    dtls: Option<Dtls>,
    dtls_due: Time,
    protect: Option<Protect>,
    unprotect: Option<Unprotect>,
    wants_data: bool,
    sctp: Option<Sctp>,
    state: State,
    buffer: Vec<u8>,
    messages: VecDeque<(DataKind, Vec<u8>)>,
    rejected: u64,
    out: Outbox,
}

impl Peer {
    /// One that waits for the server's description.
    pub fn new(identity: Identity, local: IceCredentials, wants_data: bool, rng: Rng) -> Self {
        Self {
            identity,
            ice: Ice::new(local, rng),
            remote: None,
            dtls: None,
            dtls_due: Time::MAX,
            protect: None,
            unprotect: None,
            wants_data,
            sctp: None,
            state: State::Connecting,
            buffer: Vec::new(),
            messages: VecDeque::new(),
            rejected: 0,
            out: Outbox::default(),
        }
    }

    fn shake_hands(&mut self, now: Time) {
        let Some(remote) = &self.remote else { return };
        let setup = dtls::Setup {
            certificate: self.identity.certificate.clone(),
            role: remote.role,
            peer: remote.fingerprint,
            base: self.identity.base,
        };
        self.dtls = Some(Dtls::new(now, setup));
        self.poll(now);
    }

    fn poll(&mut self, now: Time) {
        loop {
            self.poll_dtls(now);
            let mut moved = false;
            while let Some(output) = self.sctp.as_mut().and_then(|sctp| sctp.poll(now)) {
                match output {
                    sctp::Output::Packet(packet) => {
                        moved |= self.dtls.as_mut().is_some_and(|dtls| dtls.send(now, &packet));
                    }
                    sctp::Output::Message { kind, payload } => {
                        self.messages.push_back((kind, payload));
                    }
                    sctp::Output::Opened(_) | sctp::Output::Closed => {}
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn poll_dtls(&mut self, now: Time) {
        let Some(to) = self.ice.selected() else { return };
        while let Some(dtls) = &mut self.dtls {
            match dtls.poll(&mut self.buffer) {
                dtls::Output::Packet(packet) => self.out.push(to, packet),
                dtls::Output::Connected(connected) => self.connected(now, connected),
                dtls::Output::Data(data) => {
                    if let Some(sctp) = &mut self.sctp {
                        sctp.handle_packet(now, data);
                    }
                }
                dtls::Output::Refused(_) => self.state = State::Over("the handshake failed"),
                dtls::Output::Closed => self.state = State::Over("the server closed"),
                dtls::Output::Timeout(due) => {
                    self.dtls_due = due;
                    return;
                }
            }
        }
    }

    fn connected(&mut self, now: Time, connected: dtls::Connected) {
        let keys = connected.keys;
        self.protect = Protect::new(keys.profile, &keys.local);
        self.unprotect = Unprotect::new(keys.profile, &keys.remote, SOURCES);
        self.state = State::Up;
        let role = self.remote.as_ref().map_or(DtlsRole::Client, |remote| remote.role);
        if self.wants_data {
            let setup = sctp::Setup {
                role,
                opens_channels: true,
                max_message: MAX_MESSAGE,
                max_buffered: 1 << 20,
                base: self.identity.base,
            };
            self.sctp = Some(Sctp::new(now, setup));
            self.poll(now);
        }
    }
}

impl Transport for Peer {
    /// Later descriptions of the same connection change nothing.
    fn agree(&mut self, now: Time, agreed: &Agreed) {
        if self.remote.is_none()
            && let Some(remote) = &agreed.remote
        {
            self.ice.connect(now, &remote.ice, &remote.candidates);
            self.remote = Some(remote.clone());
        }
    }

    fn candidates(&mut self, now: Time, candidates: &[SocketAddr]) {
        if let Some(remote) = self.remote.as_ref().filter(|_| self.ice.selected().is_none()) {
            self.ice.connect(now, &remote.ice, candidates);
            self.ice.poll(now, &mut self.out);
        }
    }

    fn state(&self) -> State {
        self.state
    }

    fn rtt(&self) -> Duration {
        self.ice.rtt()
    }

    fn handle(&mut self, now: Time, from: SocketAddr, packet: &[u8], plain: &mut [u8]) -> Opened {
        match Kind::of(packet) {
            Some(Kind::Stun) => {
                if self.ice.handle(now, from, packet, &mut self.out) {
                    self.shake_hands(now);
                }
            }
            Some(Kind::Dtls) => {
                if let Some(dtls) = &mut self.dtls {
                    dtls.handle_packet(now, packet);
                    self.poll(now);
                }
            }
            Some(Kind::Rtp) => {
                let opened = self.unprotect.as_mut().map(|u| u.unprotect_rtp(packet, plain));
                match opened {
                    Some(Ok(opened)) => return Opened::Rtp(opened.len),
                    _ => self.rejected += 1,
                }
            }
            Some(Kind::Rtcp) => {
                let opened = self.unprotect.as_mut().map(|u| u.unprotect_rtcp(packet, plain));
                match opened {
                    Some(Ok(len)) => return Opened::Rtcp(len),
                    _ => self.rejected += 1,
                }
            }
            None => self.rejected += 1,
        }
        Opened::Nothing
    }

    fn handle_timeout(&mut self, now: Time) {
        self.ice.poll(now, &mut self.out);
        if self.ice.is_lost(now) && self.state == State::Up {
            self.state = State::Over("the server went silent");
        }
        if self.dtls_due <= now
            && let Some(dtls) = &mut self.dtls
        {
            dtls.handle_timeout(now);
            self.poll(now);
        }
        if let Some(sctp) = &mut self.sctp
            && sctp.next_timeout().is_some_and(|due| due <= now)
        {
            sctp.handle_timeout(now);
            self.poll(now);
        }
    }

    fn next_timeout(&self) -> Time {
        let sctp = self.sctp.as_ref().and_then(Sctp::next_timeout).unwrap_or(Time::MAX);
        self.ice.next_timeout().min(self.dtls_due).min(sctp)
    }

    fn send_rtp(
        &mut self,
        (_, sequence): (Ssrc, u64),
        payload: &[u8],
        write: Write<'_>,
    ) -> Option<usize> {
        let (to, protect) = (self.ice.selected()?, self.protect.as_mut()?);
        self.out.write(to, LONGEST.max(payload.len() + 200), |out| {
            let header = write(out)?;
            protect.protect_rtp(sequence, header, payload, out)
        })
    }

    fn send_rtcp(&mut self, write: Write<'_>) -> Option<usize> {
        let (to, protect) = (self.ice.selected()?, self.protect.as_mut()?);
        self.out.write(to, LONGEST, |out| {
            let room = out.len().saturating_sub(OVERHEAD);
            let len = write(&mut out[..room])?;
            protect.protect_rtcp(len, out)
        })
    }

    fn send_message(&mut self, now: Time, kind: DataKind, payload: &[u8]) -> bool {
        let sent = self.sctp.as_mut().is_some_and(|sctp| sctp.send(kind, payload).is_ok());
        self.poll(now);
        sent
    }

    fn next_message(&mut self) -> Option<(DataKind, Vec<u8>)> {
        self.messages.pop_front()
    }

    fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    fn take_rejected(&mut self) -> u64 {
        std::mem::take(&mut self.rejected)
    }

    fn close(&mut self, now: Time) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
            self.poll(now);
        }
    }
}

/// Streams that one caller hears at most, retransmissions included.
const SOURCES: usize = 2048;
