//! DTLS and SCTP of one leg, and the decision when its handshake may begin.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use offhook_rtc::dtls::{self, Dtls, Refusal};
use offhook_rtc::sctp::{self, Sctp, SendError};
use offhook_rtc::srtp::SrtpKeys;
use offhook_types::counters::Counters;
use offhook_types::media::{DataKind, DtlsRole, DtlsVersion, Fingerprint, LegEnd};
use offhook_types::{LegId, Time};

use super::Shared;
use crate::socket::{Path, Run, Sent, UdpSocket};
use crate::{Drop, Snapshot};

/// What others need to know of.
pub(super) enum Change {
    /// The handshake began.
    Started,
    /// It succeeded, or there was none and no version of it.
    Up { keys: Box<SrtpKeys>, version: Option<DtlsVersion> },
    /// The leg must end.
    Ended(LegEnd),
    /// A message from the peer.
    Data { kind: DataKind, payload: Vec<u8> },
}

/// A leg's half of DTLS and SCTP.
pub(super) struct Peer {
    leg: LegId,
    pub(super) worker: usize,
    socket: Arc<UdpSocket>,
    opens_channels: bool,
    remote: Option<(Fingerprint, DtlsRole)>,
    path: Option<Path>,
    dtls: Option<Dtls>,
    sctp: Option<Sctp>,
    shaking_hands: bool,
    just_started: bool,
    ended: bool,
    /// When its timer is set to.
    pub(super) wake_at: Option<Time>,
    /// When to try to begin again, after every handshake place was taken.
    pub(super) retry: Option<Time>,
    dtls_timeout: Option<Time>,
    /// Ends the leg at the next poll.
    ending: Option<LegEnd>,
    /// What SCTP threw away, after it is gone.
    channels: Counters<sctp::Drop>,
}

impl Peer {
    pub(super) fn new(
        leg: LegId,
        worker: usize,
        socket: Arc<UdpSocket>,
        opens_channels: bool,
    ) -> Self {
        Self {
            leg,
            worker,
            socket,
            opens_channels,
            remote: None,
            path: None,
            dtls: None,
            sctp: None,
            shaking_hands: false,
            just_started: false,
            ended: false,
            wake_at: None,
            retry: None,
            dtls_timeout: None,
            ending: None,
            channels: Counters::default(),
        }
    }

    /// The peer's half. A handshake that has begun keeps what it began with: an ICE restart keeps DTLS.
    pub(super) fn set_remote(&mut self, fingerprint: Fingerprint, role: DtlsRole) {
        if self.dtls.is_none() {
            self.remote = Some((fingerprint, role));
        }
    }

    pub(super) fn set_path(&mut self, path: Path) {
        self.path = Some(path);
    }

    pub(super) fn is_shaking_hands(&self) -> bool {
        self.shaking_hands
    }

    /// We are to speak first, know to whom, and have not.
    pub(super) fn may_begin(&self) -> bool {
        self.dtls.is_none()
            && self.path.is_some()
            && !self.ended
            && matches!(self.remote, Some((_, DtlsRole::Client)))
    }

    /// Begin the handshake, if the node has a place for one more.
    pub(super) fn begin(&mut self, now: Time, shared: &Shared) -> bool {
        let Some((peer, role)) = self.remote else { return true };
        let limit = shared.limits.handshakes;
        let place = |taken: usize| (taken < limit).then_some(taken + 1);
        if shared.handshakes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, place).is_err() {
            return false;
        }
        let certificate = shared.certificate.clone();
        let setup = dtls::Setup { certificate, role, peer, base: shared.clock.origin };
        self.dtls = Some(Dtls::new(now, setup));
        self.retry = None;
        (self.shaking_hands, self.just_started) = (true, true);
        true
    }

    /// False when every handshake place is taken; the peer will send again.
    pub(super) fn handle_datagram(&mut self, now: Time, bytes: &[u8], shared: &Shared) -> bool {
        if self.ended {
            return true;
        }
        if self.dtls.is_none() && self.path.is_some() && !self.begin(now, shared) {
            return false;
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_packet(now, bytes);
        }
        true
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if self.dtls_timeout.is_some_and(|due| due <= now)
            && let Some(dtls) = &mut self.dtls
        {
            dtls.handle_timeout(now);
        }
        if let Some(sctp) = &mut self.sctp
            && sctp.next_timeout().is_some_and(|due| due <= now)
        {
            sctp.handle_timeout(now);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        if self.ended {
            return None;
        }
        let sctp = self.sctp.as_ref().and_then(Sctp::next_timeout);
        [self.dtls_timeout, sctp, self.retry].into_iter().flatten().min()
    }

    pub(super) fn send(&mut self, kind: DataKind, payload: &[u8]) -> Result<(), Drop> {
        let sctp = self.sctp.as_mut().ok_or(Drop::DataNotOpen)?;
        match sctp.send(kind, payload) {
            Ok(()) => Ok(()),
            Err(SendError::NotOpen | SendError::Closed) => Err(Drop::DataNotOpen),
            Err(SendError::TooLong) => Err(Drop::DataRefused),
            Err(SendError::Full) => {
                self.ending = Some(LegEnd::SlowReader);
                Err(Drop::DataRefused)
            }
        }
    }

    /// Move everything between DTLS, SCTP and the socket until nothing moves.
    pub(super) fn poll(
        &mut self,
        now: Time,
        shared: &Shared,
        buffer: &mut Vec<u8>,
        changes: &mut Vec<Change>,
    ) {
        if core::mem::take(&mut self.just_started) {
            changes.push(Change::Started);
        }
        loop {
            self.poll_dtls(now, shared, buffer, changes);
            if !self.poll_sctp(now, changes) {
                break;
            }
        }
        if let Some(end) = self.ending.take() {
            self.end(end, shared, changes);
        }
    }

    fn end(&mut self, end: LegEnd, shared: &Shared, changes: &mut Vec<Change>) {
        if !core::mem::replace(&mut self.ended, true) {
            changes.push(Change::Ended(end));
        }
        self.leave_handshake(shared);
    }

    fn leave_handshake(&mut self, shared: &Shared) {
        if core::mem::take(&mut self.shaking_hands) {
            shared.handshakes.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn poll_dtls(
        &mut self,
        now: Time,
        shared: &Shared,
        buffer: &mut Vec<u8>,
        changes: &mut Vec<Change>,
    ) {
        while let Some(dtls) = &mut self.dtls {
            match dtls.poll(buffer) {
                dtls::Output::Packet(bytes) => {
                    if let Some(path) = self.path {
                        let run = Run { path, bytes, segment: bytes.len() };
                        // What is lost here is sent again by DTLS or SCTP.
                        self.socket.send(&[run], &mut Sent::default());
                    }
                }
                dtls::Output::Connected(connected) => {
                    self.leave_handshake(shared);
                    let role = self.remote.map_or(DtlsRole::Server, |(_, role)| role);
                    let setup = sctp::Setup {
                        role,
                        opens_channels: self.opens_channels,
                        max_message: shared.limits.message_bytes,
                        max_buffered: shared.limits.data_buffer_bytes,
                        base: shared.clock.origin,
                    };
                    self.sctp = Some(Sctp::new(now, setup));
                    let keys = Box::new(connected.keys);
                    changes.push(Change::Up { keys, version: Some(connected.version) });
                }
                dtls::Output::Data(packet) => {
                    if let Some(sctp) = &mut self.sctp {
                        sctp.handle_packet(now, packet);
                    }
                }
                dtls::Output::Refused(refusal) => {
                    let leg = self.leg;
                    match refusal {
                        Refusal::WrongCertificate => {
                            tracing::warn!(%leg, "peer shows another certificate than announced");
                        }
                        Refusal::NoProfile => tracing::info!(%leg, "no common srtp profile"),
                        Refusal::Failed => tracing::info!(%leg, "handshake failed"),
                    }
                    self.end(LegEnd::HandshakeRefused, shared, changes);
                }
                dtls::Output::Closed => self.end(LegEnd::PeerClosed, shared, changes),
                dtls::Output::Timeout(due) => {
                    self.dtls_timeout = (due != Time::MAX).then_some(due);
                    return;
                }
            }
        }
    }

    /// True when something was handed to DTLS.
    fn poll_sctp(&mut self, now: Time, changes: &mut Vec<Change>) -> bool {
        let (Some(sctp), Some(dtls)) = (&mut self.sctp, &mut self.dtls) else { return false };
        let mut moved = false;
        while let Some(output) = sctp.poll(now) {
            match output {
                sctp::Output::Packet(packet) => moved |= dtls.send(now, &packet),
                sctp::Output::Opened(kind) => {
                    tracing::debug!(leg = %self.leg, ?kind, "data channel open");
                }
                sctp::Output::Message { kind, payload } => {
                    changes.push(Change::Data { kind, payload });
                }
                sctp::Output::Closed => tracing::debug!(leg = %self.leg, "data channels closed"),
            }
        }
        moved
    }

    /// Add what its protocols threw away.
    pub(super) fn count(&self, figures: &mut Snapshot) {
        figures.channels.merge(&self.channels);
        if let Some(sctp) = &self.sctp {
            figures.channels.merge(sctp.drops());
        }
        if let Some(dtls) = &self.dtls {
            figures.handshake.merge(dtls.drops());
        }
    }

    /// Say goodbye.
    pub(super) fn close(&mut self, now: Time, shared: &Shared, buffer: &mut Vec<u8>) {
        self.leave_handshake(shared);
        if let Some(sctp) = self.sctp.take() {
            self.channels.merge(sctp.drops());
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.poll_dtls(now, shared, buffer, &mut Vec::new());
    }
}
