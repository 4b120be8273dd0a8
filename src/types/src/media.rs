//! The words in which the control plane (rooms, doors) and a media node speak to each other: [`Command`]s go
//! down, [`Event`]s come up. No SDP, no user, no socket: only typed transport parameters (RFC 8834 in values).
//!
//! Rules of the conversation:
//! - Commands about one leg are applied in the order in which they were sent. A command about a leg, track or
//!   egress that is gone is ignored; nothing here needs an answer to make progress.
//! - A leg lives from [`Command::OpenLeg`] to [`Event::LegDown`], which comes exactly once, also after
//!   [`Command::CloseLeg`].
//! - Events about one leg arrive in order. Nothing is promised about the order between legs.

use core::fmt;
use core::net::SocketAddr;
use std::sync::Arc;

use crate::codec::{Codec, MediaKind};
use crate::id::{LegId, RoomId, TrackId, WorkerId};
use crate::rtp::{Mid, PayloadType, Rid, Ssrc};

/// Where a new leg will live, decided before anything is opened so that its candidates can be written into a session
/// description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The id to open the leg under; it names the worker.
    pub leg: LegId,
    /// Where the peer finds the leg, best first. Host candidates, component 1.
    pub candidates: Vec<Candidate>,
    /// Where processes of ours on the same host reach the worker, whatever address is advertised to the world.
    /// Relay legs are served from there.
    pub inside: SocketAddr,
}

/// A host candidate of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// What it runs over.
    pub protocol: Protocol,
    /// Where.
    pub address: SocketAddr,
}

impl Candidate {
    /// A worker's own port.
    pub const fn udp(address: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, address }
    }

    /// A port that streams are accepted on.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self { protocol: Protocol::Tcp, address }
    }
}

/// What a candidate runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The worker's own port (RFC 8445).
    Udp,
    /// A stream that the peer opens (RFC 6544, `tcptype passive`), with packets in the frames of RFC 4571.
    Tcp,
}

/// What the control plane tells a media node.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Start a leg. With [`Connection::Ice`] it waits for connectivity checks from the peer (we are ICE-lite) and then
    /// for DTLS; with [`Connection::Keyed`] and [`Connection::Tunnelled`] it is up at once.
    OpenLeg(OpenLeg),
    /// The peer's half became known, or changed (ICE restart keeps DTLS and SRTP). Means nothing to a leg that
    /// is keyed.
    SetRemote {
        /// Which leg.
        leg: LegId,
        /// The peer's half.
        remote: Remote,
        /// Our new half, on an ICE restart only: both sides change theirs (RFC 8839 §4.4.1.1.1). The earlier half
        /// stays valid until the first check with the new one.
        local: Option<IceCredentials>,
    },
    /// What the latest offer and answer agreed for the whole bundle.
    SetNegotiated {
        /// Which leg.
        leg: LegId,
        /// Replaces all that was agreed before.
        negotiated: Negotiated,
    },
    /// End a leg and everything it publishes and receives.
    CloseLeg {
        /// Which leg.
        leg: LegId,
    },
    /// The peer will send this track. Sent again for a known track, it replaces the earlier one.
    AddIngress {
        /// The publisher's leg.
        leg: LegId,
        /// How to recognise its packets.
        ingress: Ingress,
    },
    /// The peer no longer sends this track.
    RemoveIngress {
        /// The publisher's leg.
        leg: LegId,
        /// Which track.
        track: TrackId,
    },
    /// Forward nothing of a track (muted by its owner or a moderator) until told otherwise.
    SetMuted {
        /// The publisher's leg.
        leg: LegId,
        /// Which track.
        track: TrackId,
        /// True stops forwarding.
        muted: bool,
    },
    /// Forward a track to a leg. Sent again for the same track, it replaces the earlier one (a section was reused, the
    /// publisher moved to another leg); numbering seen by the receiver continues.
    AddEgress {
        /// The receiver's leg.
        leg: LegId,
        /// What to forward, from where, under which numbers.
        egress: Egress,
        /// What the receiver asked for.
        want: Want,
    },
    /// The receiver changed its mind about size or attention.
    SetWant {
        /// The receiver's leg.
        leg: LegId,
        /// Which track.
        track: TrackId,
        /// From now on.
        want: Want,
    },
    /// Stop forwarding a track to a leg.
    RemoveEgress {
        /// The receiver's leg.
        leg: LegId,
        /// Which track.
        track: TrackId,
    },
    /// Send a message over the leg's data channel of that kind. Dropped and counted while the channel is not open.
    SendData {
        /// The receiver's leg.
        leg: LegId,
        /// Which channel.
        kind: DataKind,
        /// The message; shared, since it often goes to a whole room.
        payload: Arc<[u8]>,
    },
}

/// What a media node tells the control plane.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Connectivity and SRTP keys are in place; media flows from here.
    LegUp {
        /// Which leg.
        leg: LegId,
        /// The SRTP profile in use; `None` in a tunnel, whose transport encrypts.
        profile: Option<SrtpProfile>,
        /// The DTLS version in use; `None` on a leg that was given its keys.
        dtls: Option<DtlsVersion>,
    },
    /// The leg is gone and its id will not be seen again.
    LegDown {
        /// Which leg.
        leg: LegId,
        /// Why.
        end: LegEnd,
    },
    /// The first packet of a track's layer arrived.
    TrackLive {
        /// The publisher's leg.
        leg: LegId,
        /// Which track.
        track: TrackId,
        /// What it is encoded with.
        codec: Codec,
        /// Index into [`Ingress::layers`].
        layer: u8,
    },
    /// A data channel message from the peer.
    Data {
        /// The sender's leg.
        leg: LegId,
        /// Which channel.
        kind: DataKind,
        /// The message as sent.
        payload: Vec<u8>,
    },
    /// Who speaks among the tracks published through one worker. Sent when it changes, at most every 300 ms.
    Speakers {
        /// Which worker hears them.
        worker: WorkerId,
        /// Which room.
        room: RoomId,
        /// Loudest first; whoever else is published through this worker is silent.
        speakers: Vec<Speaker>,
    },
    /// A track that a leg wants was paused because the way to it is too narrow, or is sent again.
    Paused {
        /// The receiver's leg.
        leg: LegId,
        /// Which track.
        track: TrackId,
        /// True is paused.
        paused: bool,
    },
    /// How well a leg is doing, every few seconds.
    Quality {
        /// Which leg.
        leg: LegId,
        /// Figures since the previous report.
        quality: LegQuality,
    },
}

/// Everything needed to start a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLeg {
    /// From [`Placement::leg`].
    pub leg: LegId,
    /// The room whose tracks it may receive and whose members hear it.
    pub room: RoomId,
    /// How it reaches its peer.
    pub connection: Connection,
}

/// How a leg reaches its peer.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// A stranger's client, found by connectivity checks and keyed by DTLS-SRTP.
    Ice {
        /// Our half of the ICE credentials, unique on the node.
        local: IceCredentials,
        /// The peer's half, when already known.
        remote: Option<Remote>,
        /// Open the two data channels ourselves (true where we are the offerer) instead of waiting for the peer's.
        opens_channels: bool,
    },
    /// One of our own processes, which the control plane knows: a relay leg.
    Keyed(Keyed),
    /// A client whose transport another part of this process ends (QUIC), which has encrypted and authenticated its
    /// packets: they come and go through the worker's tunnel. The leg is up at once and lives until it is closed. It
    /// has no data channels. Refused where the node has no tunnels.
    Tunnelled,
}

/// The peer of a relay leg. It is never looked for and never moves: what does not come from this address under this key
/// is dropped. It has no data channels. It must be heard, by media or RTCP that authenticates, within the time after
/// which any leg counts as gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// Where it sends from and listens. A leg that already has this address keeps it, and the new one is refused.
    pub remote: SocketAddr,
    /// How both directions are protected. Keys of another length than it wants are refused.
    pub profile: SrtpProfile,
    /// Protects what the peer sends. The two directions must not share a key (RFC 3711 §9.1).
    pub receive: MasterKey,
    /// Protects what we send.
    pub send: MasterKey,
}

/// An SRTP master key and salt (RFC 3711 §3.2.1) of one direction, as long as the profile wants them.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// The key.
    pub key: Vec<u8>,
    /// The salt.
    pub salt: Vec<u8>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted key]")
    }
}

/// The peer's half of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The peer's ICE credentials.
    pub ice: IceCredentials,
    /// SHA-256 of the certificate that the peer must show (RFC 8122).
    pub fingerprint: Fingerprint,
    /// The side that we take in DTLS.
    pub role: DtlsRole,
}

/// An ICE user fragment and password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 ice-chars.
    pub ufrag: String,
    /// 22 to 256 ice-chars.
    pub pwd: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted ICE credentials]")
    }
}

/// SHA-256 over a certificate in DER (RFC 8122 §5). The only hash accepted: every WebRTC stack sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Which side of the DTLS handshake we are (RFC 5763 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// `a=setup:active` is ours: we send the ClientHello.
    Client,
    /// `a=setup:passive` is ours: we wait for it.
    Server,
}

/// DTLS version a leg ended up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DtlsVersion {
    /// RFC 6347.
    V12,
    /// RFC 9147.
    V13,
}

/// SRTP protection profiles, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// RFC 7714.
    AeadAes256Gcm,
    /// RFC 7714.
    AeadAes128Gcm,
    /// RFC 3711, RFC 5764 §4.1.2.
    Aes128CmSha1_80,
    /// RFC 4568 §6.2.2: like the one before with four bytes of tag on RTP. Offered by carriers in SDP,
    /// never by us, and not in DTLS.
    Aes128CmSha1_32,
}

/// What one bundle agreed on. A payload type or extension id means the same in every section of a bundle
/// (RFC 8843 §9.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Negotiated {
    /// Payload types both ways, in order of preference.
    pub codecs: Vec<CodecParams>,
    /// Header extension ids both ways.
    pub extensions: Extensions,
}

/// One payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecParams {
    /// Payload type of the media itself.
    pub payload_type: PayloadType,
    /// What it stands for.
    pub codec: Codec,
    /// Payload type of its retransmissions (RFC 4588), when agreed.
    pub rtx: Option<PayloadType>,
    /// Generic NACK agreed (RFC 4585 §6.2.1).
    pub nack: bool,
    /// Picture loss indication agreed (RFC 4585 §6.3.1).
    pub pli: bool,
    /// Transport-wide congestion control feedback agreed.
    pub transport_cc: bool,
    /// A receiver's estimate of the rate it can take is agreed (draft-alvestrand-rmcat-remb-03).
    pub remb: bool,
}

/// Header extensions that mean something to the relay or pass through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extension {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 8843).
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852).
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852).
    RepairedRid,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    AudioLevel,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    TransportCc,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    AbsSendTime,
    /// `urn:3gpp:video-orientation` (3GPP TS 26.114).
    VideoOrientation,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`.
    PlayoutDelay,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`.
    AbsCaptureTime,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`.
    DependencyDescriptor,
}

impl Extension {
    /// Every extension.
    pub const ALL: [Self; 10] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::AudioLevel,
        Self::TransportCc,
        Self::AbsSendTime,
        Self::VideoOrientation,
        Self::PlayoutDelay,
        Self::AbsCaptureTime,
        Self::DependencyDescriptor,
    ];

    /// The URI of an `a=extmap` line.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }
}

/// Extension ids of one bundle, 1 to 255 (RFC 8285); both directions of an extension share its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    ids: [u8; Extension::ALL.len()],
}

impl Extensions {
    /// The agreed id of an extension.
    #[inline]
    pub fn id(&self, extension: Extension) -> Option<u8> {
        self.ids.get(extension as usize).copied().filter(|&id| id != 0)
    }

    /// The extension that an id stands for.
    pub fn by_id(&self, id: u8) -> Option<Extension> {
        Extension::ALL.into_iter().find(|&extension| id != 0 && self.id(extension) == Some(id))
    }

    /// Agree on an id; zero withdraws it.
    pub fn set(&mut self, extension: Extension, id: u8) {
        if let Some(place) = self.ids.get_mut(extension as usize) {
            *place = id;
        }
    }
}

/// How a publisher's track arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// Which track.
    pub track: TrackId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The section it arrives in.
    pub mid: Option<Mid>,
    /// Its encodings from the smallest to the largest picture; one for audio or plain video.
    pub layers: Vec<Layer>,
}

/// One simulcast encoding. It is recognised by its SSRC where the description gave one, else by MID and RID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layer {
    /// Restriction identifier, when simulcast by RID.
    pub rid: Option<Rid>,
    /// Its SSRC, when described.
    pub ssrc: Option<Ssrc>,
    /// The SSRC of its retransmissions, when described.
    pub rtx: Option<Ssrc>,
    /// Bits a second that its encoder is set to at most, when told; else zero.
    pub rate: u32,
}

/// How a receiver gets a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Egress {
    /// Which track.
    pub track: TrackId,
    /// The publisher's leg, possibly on another worker.
    pub source: LegId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The section of the receiver that carries it.
    pub mid: Mid,
    /// The SSRC that the receiver was told. WHEP hands it on from one track to the next on its section, since there is
    /// no other offer: numbering then goes on under it, as SRTP must never use a number twice (RFC 3711 §9.1).
    pub ssrc: Ssrc,
    /// The SSRC of our retransmissions, when RTX was agreed.
    pub rtx: Option<Ssrc>,
}

/// What a receiver asks of a track. Layers above what is published mean the best published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Nothing for now (hidden, disabled).
    pub paused: bool,
    /// Highest simulcast layer, an index into [`Ingress::layers`]; of a track that arrives as one stream, the
    /// highest spatial layer inside.
    pub layer: u8,
    /// Highest temporal layer.
    pub temporal: u8,
    /// How much it matters when not everything fits.
    pub weight: Weight,
}

impl Want {
    /// The best there is.
    pub const BEST: Self =
        Self { paused: false, layer: u8::MAX, temporal: u8::MAX, weight: Weight::NONE };
}

/// How much a track matters to its receiver, compared field by field in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Weight {
    /// Said by the receiver; higher matters more, zero when nothing was said.
    pub priority: u8,
    /// It is a shared screen, whose text is useless when it cannot be read.
    pub screen: bool,
    /// Pixels that it fills at the receiver; zero when not said.
    pub pixels: u32,
}

impl Weight {
    /// Nothing was said.
    pub const NONE: Self = Self { priority: 0, screen: false, pixels: 0 };
}

/// The two data channels of a leg, named as LiveKit clients name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// `_reliable`: ordered, retransmitted until delivered.
    Reliable,
    /// `_lossy`: unordered, never retransmitted.
    Lossy,
}

/// Someone who speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaker {
    /// Their track.
    pub track: TrackId,
    /// Smoothed level below overload in -dBov, 0 (loudest) to 127 (RFC 6464 §3).
    pub level: u8,
}

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegEnd {
    /// By [`Command::CloseLeg`].
    Closed,
    /// The peer closed DTLS.
    PeerClosed,
    /// No valid connectivity check, or no finished handshake, within the limit.
    SetupTimeout,
    /// Nothing for 30 s on a live leg that shows its peer's consent: no connectivity check (RFC 7675 seen from the lite
    /// side), or from the peer of a relay leg no packet that authenticates.
    ConsentLost,
    /// The peer's certificate is not the one it announced, or no SRTP profile is common.
    HandshakeRefused,
    /// The peer does not read its reliable channel.
    SlowReader,
    /// The node had no room for it, or its address or keys cannot be had.
    Refused,
    /// The node is going down.
    Drained,
}

/// Figures of one leg since the previous report; rates per second, ratios in 1/1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegQuality {
    /// Packets that the peer sent and we missed, before repair, per 1000.
    pub uplink_loss: u16,
    /// Packets that we sent and the peer reported missing, per 1000.
    pub downlink_loss: u16,
    /// Smoothed round trip in milliseconds; zero when unknown.
    pub rtt_ms: u16,
    /// Jitter of what the peer sends, in milliseconds.
    pub jitter_ms: u16,
    /// Bits per second from the peer.
    pub uplink_bps: u64,
    /// Bits per second to the peer.
    pub downlink_bps: u64,
    /// Bits per second that may be sent to the peer; `None` while nothing limits it.
    pub estimate_bps: Option<u64>,
    /// Bits per second that would be sent to the peer without a limit.
    pub wanted_bps: u64,
}
