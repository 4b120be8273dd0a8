//! Offers and answers of one peer connection (RFC 9429, seen from an ICE-lite relay that bundles
//! everything). A machine without clock, socket or room: doors hand it parsed descriptions and the
//! tracks that the peer shall get, and send the media node what [`Negotiation::commands`] yields.
//!
//! It decides which sections, codecs and header extensions are agreed, which section carries which
//! track, and under which SSRC. Who may receive what is decided elsewhere.
//!
//! One object serves one direction of offering: [`Negotiation::answer`] where the peer offers,
//! [`Negotiation::offer`] and [`Negotiation::accept_answer`] where we do.
//!
//! Not agreed, on purpose: redundant audio (a receiver without it could not hear a publisher with
//! it), FEC, receiver-side bandwidth estimation, absolute send times (nobody stamps them anew), and
//! transport-wide feedback about what we send, until we act on it.

mod agree;
mod answer;
mod commands;
mod layers;
mod local;
mod offer;
mod place;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use offhook_types::media::{
    DtlsRole, Fingerprint, IceCredentials, Layer, Negotiated, Placement, Remote, Want,
};
use offhook_types::{Codec, LegId, MediaKind, Mid, Rng, RoomId, Ssrc, TrackId};
use offhook_wire::sdp::{Format, Fragment, Msid, Protocol, SectionKind, Session};

pub use local::{credentials, seed};
pub(crate) use offer::{AUDIO, VIDEO};

/// Our half of the transport, decided before the first description.
#[derive(Debug, Clone)]
pub struct Local {
    /// The room of the leg.
    pub room: RoomId,
    /// Where the leg lives.
    pub placement: Placement,
    /// Our ICE credentials, fresh from [`credentials`].
    pub ice: IceCredentials,
    /// Of the node's certificate.
    pub fingerprint: Fingerprint,
}

/// What a peer connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The peer may send media.
    pub publish: bool,
    /// The peer may receive media.
    pub subscribe: bool,
    /// Data channels are taken.
    pub data: bool,
    /// What a section is answered that could receive but has no track.
    pub idle: Idle,
}

/// A section that could receive but has no track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Answered inactive; a track is placed on it when the peer offers again.
    Inactive,
    /// Answered as sending under SSRCs announced ahead, so that tracks come and go without another
    /// offer. What WHEP needs, which has no way back to the client.
    Announced,
}

/// A track that the peer shall get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which track.
    pub track: TrackId,
    /// Audio or video.
    pub kind: MediaKind,
    /// `video/VP8` and the like; empty when not known, which fits every section.
    pub mime: String,
    /// The publisher's leg.
    pub source: LegId,
    /// Stream for `a=msid`: tracks of one stream are played in step.
    pub stream: String,
    /// Stream instead, on a section that carried another track before. Browsers keep the label that
    /// a section had first, so whoever reads the label must find the track here.
    pub reused: Option<String>,
    /// Track label for `a=msid`; clients of LiveKit expect the track's id.
    pub label: String,
    /// What to ask of the relay when it starts.
    pub want: Want,
}

/// A section in which the peer sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Position of the section; what [`Negotiation::bind`] takes.
    pub section: usize,
    /// Its identifier.
    pub mid: Option<Mid>,
    /// Audio or video.
    pub kind: MediaKind,
    /// The codec that the peer will use unless it changes its mind: the first agreed.
    pub codec: Codec,
    /// Stream and label that the peer gave it.
    pub msid: Option<Msid>,
    /// Its encodings from the smallest to the largest.
    pub layers: Vec<Layer>,
    /// The track it was bound to, if it was.
    pub track: Option<TrackId>,
}

/// What an offer and its answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Sections in which the peer sends, bound or not.
    pub incoming: Vec<Incoming>,
    /// Tracks whose section stopped sending; they are no longer bound.
    pub stopped: Vec<TrackId>,
    /// ICE was restarted.
    pub restarted: bool,
}

/// What is needed to send all wished tracks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// Tracks without a section.
    pub unplaced: Vec<TrackId>,
    /// Receiving audio sections that the peer should add.
    pub audio: u32,
    /// Receiving video sections that the peer should add.
    pub video: u32,
    /// Another offer, by whoever offers, would change something.
    pub offer: bool,
}

/// Why a description is not agreed to. The state is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// No section that we can take.
    #[error("no section can be accepted: bundled sections with rtcp-mux and a known codec are")]
    NothingAcceptable,
    /// ICE credentials are missing.
    #[error("a=ice-ufrag and a=ice-pwd are missing")]
    NoIce,
    /// No SHA-256 fingerprint.
    #[error("a=fingerprint with sha-256 is missing")]
    NoFingerprint,
    /// `a=setup` leaves us no side to take, or swaps sides of a running connection.
    #[error("a=setup does not fit")]
    Setup,
    /// The certificate changed, which needs another connection.
    #[error("the certificate of a running connection cannot change")]
    CertificateChanged,
    /// Sections disappeared or changed place (RFC 3264 §8).
    #[error("sections of the earlier description are missing or changed")]
    SectionsChanged,
    /// There is no offer that it could answer.
    #[error("there is no offer to answer")]
    NotOffered,
}

/// The state of one peer connection's descriptions.
#[derive(Debug)]
pub struct Negotiation {
    local: Local,
    policy: Policy,
    rng: Rng,
    /// Of the `o=` line.
    id: u64,
    version: u64,
    cname: String,
    remote: Option<Remote>,
    /// Local credentials changed since the peer's half was last issued.
    restarted: bool,
    slots: Vec<Slot>,
    wishes: Vec<Wish>,
    negotiated: Negotiated,
    /// Tracks that the peer refused to receive.
    refused: BTreeSet<TrackId>,
    offering: Offering,
    issued: commands::Issued,
}

/// Whether we offer, and how far we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offering {
    /// The peer offers.
    Never,
    /// We do; nothing is on its way.
    Stable,
    /// We do, and wait for the answer.
    Pending,
}

/// What is remembered of one section.
#[derive(Debug, Clone, Default)]
struct Slot {
    mid: Option<Mid>,
    kind: SectionKind,
    protocol: Protocol,
    accepted: bool,
    /// The peer can receive on it.
    sendable: bool,
    /// Where we offer: the peer knows it as sending.
    described: bool,
    formats: Vec<Format>,
    inbound: Option<Inbound>,
    outbound: Option<Outbound>,
    /// It carried a track to the peer before.
    used: bool,
}

/// A section's receiving half.
#[derive(Debug, Clone)]
struct Inbound {
    codec: Codec,
    msid: Option<Msid>,
    layers: Vec<Layer>,
    track: Option<TrackId>,
    /// Its layers as the door was told of them.
    told: Vec<Layer>,
}

/// A section's sending half.
#[derive(Debug, Clone)]
struct Outbound {
    ssrc: Ssrc,
    rtx: Ssrc,
    msid: Msid,
    track: Option<TrackId>,
}

impl Negotiation {
    /// Nothing is agreed yet.
    pub fn new(local: Local, policy: Policy, mut rng: Rng) -> Self {
        // RFC 3264 §5: the id is a 64-bit integer that others read as signed.
        let id = rng.next_u64() >> 2;
        let cname = format!("{:016x}", rng.next_u64());
        Self {
            local,
            policy,
            rng,
            id,
            version: 0,
            cname,
            remote: None,
            restarted: false,
            slots: Vec::new(),
            wishes: Vec::new(),
            negotiated: Negotiated::default(),
            refused: BTreeSet::new(),
            offering: Offering::Never,
            issued: commands::Issued::default(),
        }
    }

    /// Whether an offer would be answered, before anything is set up for it.
    pub fn check(offer: &Session, policy: Policy) -> Result<Agreement, Refused> {
        let blank = || IceCredentials { ufrag: String::new(), pwd: String::new() };
        let local = Local {
            room: RoomId(0),
            placement: Placement {
                leg: LegId(0),
                candidates: Vec::new(),
                inside: SocketAddr::from(([0; 4], 0)),
            },
            ice: blank(),
            fingerprint: Fingerprint([0; 32]),
        };
        let mut scratch = Self::new(local, policy, Rng::from_seed(0));
        scratch.answer(offer, &mut || blank()).map(|(agreement, _)| agreement)
    }

    /// The leg that all this is about.
    pub fn leg(&self) -> LegId {
        self.local.placement.leg
    }

    /// Our current ICE credentials.
    pub fn local_ice(&self) -> &IceCredentials {
        &self.local.ice
    }

    /// The peer's current ICE credentials.
    pub fn remote_ice(&self) -> Option<&IceCredentials> {
        self.remote.as_ref().map(|remote| &remote.ice)
    }

    /// Sections that carry a track, in either direction.
    pub fn mids(&self) -> Vec<(Mid, TrackId)> {
        let tracks = |slot: &Slot| {
            let incoming = slot.inbound.as_ref().and_then(|inbound| inbound.track);
            slot.outbound.as_ref().and_then(|outbound| outbound.track).or(incoming)
        };
        self.slots.iter().filter_map(|slot| Some((slot.mid?, tracks(slot)?))).collect()
    }

    /// Sections on which the peer can receive, by kind.
    pub fn receiving(&self, kind: MediaKind) -> usize {
        let fits = |slot: &&Slot| slot.sendable && slot.kind.media() == Some(kind);
        self.slots.iter().filter(fits).count()
    }

    /// Sections in which the peer sends.
    pub fn incoming(&self) -> Vec<Incoming> {
        let incoming = |(section, slot): (usize, &Slot)| {
            let inbound = slot.inbound.as_ref()?;
            Some(Incoming {
                section,
                mid: slot.mid,
                kind: slot.kind.media()?,
                codec: inbound.codec,
                msid: inbound.msid.clone(),
                layers: inbound.layers.clone(),
                track: inbound.track,
            })
        };
        self.slots.iter().enumerate().filter_map(incoming).collect()
    }

    /// What the peer sends in a section is this track from now on. `told` names its encodings from
    /// the smallest to the largest where the door knows better than their names tell, and what they
    /// are set to; encodings that it leaves out come last. Returns the section as it is now.
    pub fn bind(&mut self, section: usize, track: TrackId, told: &[Layer]) -> Option<Incoming> {
        let inbound = self.slots.get_mut(section)?.inbound.as_mut()?;
        inbound.track = Some(track);
        inbound.told = told.to_vec();
        layers::arrange(&mut inbound.layers, told);
        self.incoming().into_iter().find(|incoming| incoming.section == section)
    }

    /// A section's track is gone although the peer may still send in it. A new one can be bound.
    pub fn unbind(&mut self, track: TrackId) {
        for inbound in self.slots.iter_mut().filter_map(|slot| slot.inbound.as_mut()) {
            if inbound.track == Some(track) {
                inbound.track = None;
            }
        }
    }

    /// ICE restart without an offer (RFC 9725 §4.3.3). Returns our half for the peer.
    pub fn restart(
        &mut self,
        remote: IceCredentials,
        local: IceCredentials,
    ) -> Result<Fragment, Refused> {
        let known = self.remote.as_mut().ok_or(Refused::NotOffered)?;
        known.ice = remote;
        self.local.ice = local;
        self.restarted = true;
        let tagged = self.slots.iter().find(|slot| slot.accepted);
        Ok(Fragment {
            ice: Some(self.local.ice.clone()),
            ice_lite: true,
            mid: tagged.and_then(|slot| slot.mid),
            candidates: self.local.candidates(),
            end_of_candidates: true,
        })
    }

    /// The side that we have in DTLS, once known.
    fn role(&self) -> Option<DtlsRole> {
        self.remote.as_ref().map(|remote| remote.role)
    }
}
