//! The DTLS handshake of a leg (RFC 5763, RFC 5764; DTLS 1.2 and 1.3 by `dimpl`): it ends with SRTP
//! keys whose owner has shown the announced certificate, and then carries SCTP. Costs about a
//! millisecond of processor time per handshake, so it is [`Send`] and belongs on a thread that does
//! not move media.
//!
//! Feed it only datagrams from an address that passed a connectivity check. Whatever is wrong with
//! a datagram costs a counter: an error ends `dimpl`'s engine, not the leg, so an engine that dies
//! before the handshake is done is replaced a few times, and one that dies later leaves the keys
//! valid.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use offhook_types::counted;
use offhook_types::counters::Counters;
use offhook_types::media::{DtlsRole, DtlsVersion, Fingerprint, SrtpProfile};
use offhook_types::time::Time;

use crate::srtp::{MasterKey, SrtpKeys};

use hello::{Choice, Hello};

mod hello;

counted! {
    /// Why a datagram had no effect.
    pub enum Drop {
        /// Not a DTLS record, or not what this state waits for.
        Unexpected = "unexpected",
        /// It broke the handshake, which was started again.
        Restarted = "restarted",
        /// It broke an established connection: keys stay valid, data channels are gone.
        Broken = "broken",
        /// The leg is closed or refused.
        Over = "over",
    }
}

/// A certificate and its key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a self-signed certificate")]
pub struct CertificateError;

/// A node's self-signed ECDSA P-256 certificate.
pub struct Certificate {
    certificate: dimpl::DtlsCertificate,
    fingerprint: Fingerprint,
    config: Arc<dimpl::Config>,
}

impl Certificate {
    /// A new key and certificate. Called once at start: it draws system randomness and dates the
    /// certificate.
    pub fn generate() -> Result<Self, CertificateError> {
        let certificate =
            dimpl::certificate::generate_self_signed_certificate().map_err(|_| CertificateError)?;
        let fingerprint = sha256(&certificate.certificate).ok_or(CertificateError)?;
        let config = dimpl::Config::builder()
            // Only addresses that passed a connectivity check get this far, so a cookie would prove
            // nothing new and cost a round trip.
            .use_server_cookie(false)
            .mtu(MTU)
            .flight_start_rto(FIRST_RETRY)
            .flight_retries(MAX_RETRIES)
            .handshake_timeout(HANDSHAKE_LIMIT)
            .max_queue_rx(MAX_QUEUE)
            .max_queue_tx(MAX_QUEUE)
            .build()
            .map_err(|_| CertificateError)?;
        Ok(Self { certificate, fingerprint, config: Arc::new(config) })
    }

    /// What `a=fingerprint:sha-256` announces.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// How to shake hands.
#[derive(Clone)]
pub struct Setup {
    /// Ours.
    pub certificate: Arc<Certificate>,
    /// The side that we take.
    pub role: DtlsRole,
    /// What the peer's certificate must hash to.
    pub peer: Fingerprint,
    /// The instant that [`Time::ZERO`] stands for.
    pub base: Instant,
}

impl Setup {
    fn instant(&self, time: Time) -> Instant {
        self.base.checked_add(Duration::from_micros(time.as_micros())).unwrap_or(self.base)
    }

    /// Rounded up, or the engine would be woken before its time and ask for the same time again.
    fn time(&self, instant: Instant) -> Time {
        Time::ZERO + instant.saturating_duration_since(self.base) + Duration::from_micros(1)
    }
}

/// The handshake succeeded.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Keys of both directions.
    pub keys: SrtpKeys,
    /// What was negotiated.
    pub version: DtlsVersion,
}

/// Why a handshake cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The peer's certificate is not the announced one.
    WrongCertificate,
    /// No SRTP profile in common.
    NoProfile,
    /// It failed too often or took too long.
    Failed,
}

/// What [`Dtls::poll`] yields.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this datagram to the peer.
    Packet(&'a [u8]),
    /// Comes once.
    Connected(Connected),
    /// Application data: an SCTP packet.
    Data(&'a [u8]),
    /// Comes at most once: end the leg as refused.
    Refused(Refusal),
    /// Comes at most once: the peer said goodbye.
    Closed,
    /// Nothing more now. Call [`Dtls::handle_timeout`] at this time at the latest.
    Timeout(Time),
}

/// One leg's DTLS.
pub struct Dtls {
    setup: Setup,
    state: State,
    handshake: Handshake,
    restarts: u8,
    /// Datagrams that the engine may hold at most: a full queue would kill it.
    unpolled: usize,
    verdict: Option<Verdict>,
    drops: Counters<Drop>,
}

enum State {
    /// A server that has not seen a whole ClientHello.
    Waiting(Hello),
    Running(Box<dimpl::Dtls>),
    Over,
}

/// What the engine told of a handshake so far.
#[derive(Default)]
struct Handshake {
    fingerprint: Option<Fingerprint>,
    finished: bool,
    keys: Option<SrtpKeys>,
    announced: bool,
}

/// An end that waits to be polled.
enum Verdict {
    Refused(Refusal),
    Closed,
}

/// One output of the engine, with lengths instead of borrows.
enum Step {
    Packet(usize),
    Data(usize),
    Again,
    Closed,
    Idle(Instant),
}

impl Dtls {
    /// A handshake that waits for the ClientHello (server) or sends it on the first poll (client).
    pub fn new(now: Time, setup: Setup) -> Self {
        let state = State::fresh(&setup, now);
        Self {
            setup,
            state,
            handshake: Handshake::default(),
            restarts: 0,
            unpolled: 0,
            verdict: None,
            drops: Counters::default(),
        }
    }

    /// Takes one datagram. Poll afterwards until [`Output::Timeout`].
    pub fn handle_packet(&mut self, now: Time, packet: &[u8]) {
        match &mut self.state {
            State::Waiting(hello) => match hello.add(packet) {
                Some(choice) => self.begin(now, choice),
                None if hello.is_waiting_for_more() => {}
                None => self.drops.add(Drop::Unexpected),
            },
            State::Running(engine) => {
                // Before the version is known, a client's engine dies of anything but the server's
                // first flight.
                if engine.is_active()
                    && engine.protocol_version().is_none()
                    && !hello::is_server_answer(packet)
                {
                    self.drops.add(Drop::Unexpected);
                    return;
                }
                let instant = self.setup.instant(now);
                let result =
                    engine.handle_timeout(instant).and_then(|()| engine.handle_packet(packet));
                if let Err(error) = result {
                    self.engine_died(now, &error);
                }
            }
            State::Over => self.drops.add(Drop::Over),
        }
    }

    /// Lets time pass. Poll afterwards until [`Output::Timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        if let State::Running(engine) = &mut self.state
            && let Err(error) = engine.handle_timeout(self.setup.instant(now))
        {
            self.engine_died(now, &error);
        }
    }

    /// The next output, in `buf` where it has bytes. `buf` is grown when too small.
    pub fn poll<'a>(&mut self, buf: &'a mut Vec<u8>) -> Output<'a> {
        loop {
            match self.verdict.take() {
                Some(Verdict::Refused(refusal)) => {
                    self.state = State::Over;
                    return Output::Refused(refusal);
                }
                Some(Verdict::Closed) => return Output::Closed,
                None => {}
            }
            let State::Running(engine) = &mut self.state else {
                return Output::Timeout(Time::MAX);
            };
            let step = self.handshake.step(engine, buf);
            if let Some(output) = self.announce() {
                return output;
            }
            match step {
                Step::Packet(len) => {
                    self.unpolled = self.unpolled.saturating_sub(1);
                    return Output::Packet(buf.get(..len).unwrap_or_default());
                }
                Step::Data(len) => return Output::Data(buf.get(..len).unwrap_or_default()),
                Step::Again => {}
                Step::Closed => self.verdict = Some(Verdict::Closed),
                Step::Idle(_) if self.handshake.finished && !self.handshake.announced => {
                    // Finished without keys: nothing in common (RFC 5764 §4.1).
                    self.verdict = Some(Verdict::Refused(Refusal::NoProfile));
                }
                Step::Idle(instant) => {
                    self.unpolled = 0;
                    return Output::Timeout(self.setup.time(instant));
                }
            }
        }
    }

    /// Queues application data. False when not connected, or when too much waits to be polled: it
    /// is lost then, as on the network. Poll afterwards.
    pub fn send(&mut self, now: Time, data: &[u8]) -> bool {
        if !self.handshake.announced || self.unpolled >= MAX_UNPOLLED {
            return false;
        }
        let State::Running(engine) = &mut self.state else { return false };
        let instant = self.setup.instant(now);
        let result =
            engine.handle_timeout(instant).and_then(|()| engine.send_application_data(data));
        match result {
            Ok(_) => {
                self.unpolled += 1;
                true
            }
            Err(error) => {
                self.engine_died(now, &error);
                false
            }
        }
    }

    /// Says goodbye, once connected. Poll afterwards for the packet.
    pub fn close(&mut self, now: Time) {
        if let State::Running(engine) = &mut self.state {
            let instant = self.setup.instant(now);
            // An engine that cannot say goodbye has nothing else to say either.
            if engine.handle_timeout(instant).and_then(|()| engine.close()).is_err() {
                self.state = State::Over;
            }
        }
    }

    /// Datagrams that had no effect.
    pub fn drops(&self) -> &Counters<Drop> {
        &self.drops
    }

    /// The whole ClientHello is there: start the engine that will get the best profile, and let it
    /// read what came.
    fn begin(&mut self, now: Time, choice: Choice) {
        let State::Waiting(hello) = &mut self.state else { return };
        let datagrams = hello.take();
        let certificate = &self.setup.certificate;
        let config = Arc::clone(&certificate.config);
        let own = certificate.certificate.clone();
        let instant = self.setup.instant(now);
        let engine = match choice {
            Choice::Only12 => dimpl::Dtls::new_12(config, own, instant),
            Choice::Either => dimpl::Dtls::new_auto(config, own, instant),
        };
        self.state = State::Running(Box::new(engine));
        self.handle_timeout(now);
        for datagram in datagrams {
            if let State::Running(engine) = &mut self.state
                && let Err(error) = engine.handle_packet(&datagram)
            {
                self.engine_died(now, &error);
            }
        }
    }

    fn engine_died(&mut self, now: Time, error: &dimpl::Error) {
        if self.handshake.announced {
            self.drops.add(Drop::Broken);
            self.state = State::Over;
            // Alerts are authenticated by now, so this one is the peer's own word.
            if matches!(error, dimpl::Error::SecurityError(dimpl::SecurityError::FatalAlert { .. }))
            {
                self.verdict = Some(Verdict::Closed);
            }
            return;
        }
        if self.restarts >= MAX_RESTARTS {
            self.state = State::Over;
            self.verdict = Some(Verdict::Refused(Refusal::Failed));
            return;
        }
        self.restarts += 1;
        self.drops.add(Drop::Restarted);
        self.handshake = Handshake::default();
        self.state = State::fresh(&self.setup, now);
    }

    /// The engine finished and has keys: is the peer who it should be?
    fn announce(&mut self) -> Option<Output<'static>> {
        let handshake = &mut self.handshake;
        if !handshake.finished || handshake.announced {
            return None;
        }
        let keys = handshake.keys.take()?;
        let State::Running(engine) = &self.state else { return None };
        if handshake.fingerprint != Some(self.setup.peer) {
            self.state = State::Over;
            return Some(Output::Refused(Refusal::WrongCertificate));
        }
        handshake.announced = true;
        let version = match engine.protocol_version() {
            Some(dimpl::ProtocolVersion::DTLS1_3) => DtlsVersion::V13,
            _ => DtlsVersion::V12,
        };
        Some(Output::Connected(Connected { keys, version }))
    }
}

impl State {
    fn fresh(setup: &Setup, now: Time) -> Self {
        match setup.role {
            DtlsRole::Server => Self::Waiting(Hello::default()),
            DtlsRole::Client => {
                let certificate = &setup.certificate;
                let config = Arc::clone(&certificate.config);
                let instant = setup.instant(now);
                let own = certificate.certificate.clone();
                let mut engine = dimpl::Dtls::new_auto(config, own, instant);
                engine.set_active(true);
                Self::Running(Box::new(engine))
            }
        }
    }
}

impl Handshake {
    fn step(&mut self, engine: &mut dimpl::Dtls, buf: &mut Vec<u8>) -> Step {
        if buf.len() < BUFFER_LEN {
            buf.resize(BUFFER_LEN, 0);
        }
        let needed = match engine.poll_output(buf) {
            dimpl::Output::Packet(packet) => return Step::Packet(packet.len()),
            dimpl::Output::ApplicationData(data) => return Step::Data(data.len()),
            dimpl::Output::Timeout(instant) => return Step::Idle(instant),
            dimpl::Output::CloseNotify => return Step::Closed,
            dimpl::Output::BufferTooSmall { needed } => needed,
            dimpl::Output::Connected => {
                self.finished = true;
                return Step::Again;
            }
            dimpl::Output::PeerCert(der) => {
                self.fingerprint = sha256(der);
                return Step::Again;
            }
            dimpl::Output::KeyingMaterial(material, profile) => {
                self.keys = split(&material, profile, engine.is_active());
                return Step::Again;
            }
            _ => return Step::Again,
        };
        buf.resize(needed, 0);
        Step::Again
    }
}

/// Exported material in the order of RFC 5764 §4.2: client key, server key, client salt, server
/// salt.
fn split(material: &[u8], profile: dimpl::SrtpProfile, is_client: bool) -> Option<SrtpKeys> {
    let (profile, key_len, salt_len) = match profile {
        dimpl::SrtpProfile::AEAD_AES_256_GCM => (SrtpProfile::AeadAes256Gcm, 32, 12),
        dimpl::SrtpProfile::AEAD_AES_128_GCM => (SrtpProfile::AeadAes128Gcm, 16, 12),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => (SrtpProfile::Aes128CmSha1_80, 16, 14),
        _ => return None,
    };
    let (client_key, rest) = material.split_at_checked(key_len)?;
    let (server_key, rest) = rest.split_at_checked(key_len)?;
    let (client_salt, server_salt) = rest.split_at_checked(salt_len)?;
    let client = MasterKey::new(profile, client_key, client_salt)?;
    let server = MasterKey::new(profile, server_key, server_salt)?;
    let (local, remote) = if is_client { (client, server) } else { (server, client) };
    Some(SrtpKeys { profile, local, remote })
}

fn sha256(bytes: &[u8]) -> Option<Fingerprint> {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().ok().map(Fingerprint)
}

/// Fits into an IPv6 path of 1280 bytes with UDP and a TURN header around it.
const MTU: usize = 1200;
/// The peer proved reachable and a person waits, so a lost flight is repeated sooner than RFC
/// 6347's one second; nine doublings reach beyond the limit of the whole handshake.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const MAX_RETRIES: usize = 9;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// Datagrams that wait in the engine. Some are left to its own alerts and acknowledgements.
const MAX_QUEUE: usize = 512;
const MAX_UNPOLLED: usize = MAX_QUEUE - 64;
/// Engines used up per handshake before the peer is refused.
const MAX_RESTARTS: u8 = 8;
/// A record carries at most 2^14 bytes (RFC 6347 §4.1) and some overhead.
const BUFFER_LEN: usize = (1 << 14) + 512;

#[cfg(test)]
mod tests;
