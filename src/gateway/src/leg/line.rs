//! The session descriptions of one dialog (RFC 3264): what we offer and answer, and what that means for the
//! bridge. Nothing of SDP goes further than this file.

use std::net::SocketAddr;
use std::sync::Arc;

use offhook_bridge::{Carrier, Events, Format, Latch, PhoneCodec, RtcpPath, Sdes};
use offhook_types::media::SrtpProfile;
use offhook_types::{PayloadType, Rng};
use offhook_wire::phone_sdp::{
    Agreed, Crypto, Direction, Local, PhoneCodec as Sdp, Prefs, Protection, Session, Suite, accept,
    answer, offer,
};

use super::OFFERED;
use crate::trunk::{Codec, Dtmf, Latch as TrunkLatch, Srtp, Trunk};

/// What offer and answer said so far.
#[derive(Debug)]
pub struct Line {
    trunk: Arc<Trunk>,
    local: Local,
    /// Our latest description, offer or answer.
    ours: Option<Session>,
    /// Our offer that is not answered yet.
    offered: Option<Session>,
    agreed: Option<Agreed>,
    held: bool,
}

/// Nothing was agreed: no codec in common, no audio, no encryption where there has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the two sides have no media in common")]
pub struct Unfit;

impl Line {
    /// The line of a new dialog. `rng` draws the session's name; `secret` is cut into keys.
    pub fn new(rng: &mut Rng, trunk: &Arc<Trunk>, address: SocketAddr, secret: &[u8]) -> Self {
        let keys = (1..).zip(OFFERED);
        let keys = keys.filter_map(|(tag, suite)| Crypto::new(tag, suite, secret)).collect();
        let local = Local {
            // Some peers read it into a signed 64-bit number.
            id: rng.next_u64() >> 2,
            version: 1,
            address,
            direction: Direction::SendRecv,
            keys,
        };
        Self { trunk: trunk.clone(), local, ours: None, offered: None, agreed: None, held: false }
    }

    /// Where the bridge of a call that came in listens.
    pub fn set_local(&mut self, address: SocketAddr) {
        self.local.address = address;
    }

    /// Offer what the trunk wants, or again what was agreed.
    pub fn offer(&mut self) -> Vec<u8> {
        let session = offer(&self.local, &self.prefs());
        self.describe(session, true)
    }

    /// Put the far side on hold (RFC 3264 §8.4), or take it back.
    pub fn hold(&mut self, held: bool) -> Vec<u8> {
        self.local.direction = if held { Direction::SendOnly } else { Direction::SendRecv };
        self.offer()
    }

    /// Their answer to our offer.
    ///
    /// # Errors
    /// Nothing was agreed; what held before holds on.
    pub fn take_answer(&mut self, bytes: &[u8]) -> Result<Carrier, Unfit> {
        let theirs = Session::parse(bytes).map_err(|_| Unfit)?;
        let offered = self.offered.as_ref().ok_or(Unfit)?;
        let agreed = accept(offered, &theirs).map_err(|_| Unfit)?;
        Ok(self.settle(agreed))
    }

    /// Their offer, and our answer to it.
    ///
    /// # Errors
    /// Nothing can be agreed; what held before holds on.
    pub fn take_offer(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, Carrier), Unfit> {
        let theirs = Session::parse(bytes).map_err(|_| Unfit)?;
        let (session, agreed) = answer(&self.local, &self.prefs(), &theirs).map_err(|_| Unfit)?;
        let text = self.describe(session, false);
        Ok((text, self.settle(agreed)))
    }

    /// Whether anything was agreed.
    pub fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// The far side has put us on hold.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Remember our description and write it. Early answers repeat: an offer stands until it is replaced.
    fn describe(&mut self, session: Session, offers: bool) -> Vec<u8> {
        let text = session.to_string().into_bytes();
        self.local.version = self.local.version.saturating_add(1);
        if offers {
            self.offered = Some(session.clone());
        }
        self.ours = Some(session);
        text
    }

    fn settle(&mut self, agreed: Agreed) -> Carrier {
        // Whoever does not want to hear us has put us on hold, music or not.
        self.held = !agreed.direction.sends() || agreed.remote_rtp.is_none();
        let carrier = carrier(&agreed, &self.trunk);
        self.agreed = Some(agreed);
        carrier
    }

    fn prefs(&self) -> Prefs {
        let settings = &self.trunk.settings;
        let codec = |codec: &Codec| match codec {
            Codec::Pcmu => Sdp::Pcmu,
            Codec::Pcma => Sdp::Pcma,
            Codec::G722 => Sdp::G722,
            Codec::Opus => Sdp::Opus,
        };
        Prefs {
            codecs: settings.codecs.iter().map(codec).collect(),
            events: settings.dtmf == Dtmf::Auto,
            comfort_noise: true,
            ptime_ms: settings.ptime_ms.into(),
            protection: match settings.srtp {
                Srtp::Off => Protection::Never,
                Srtp::Required => Protection::Required,
            },
            rtcp_mux: false,
        }
    }
}

/// What was agreed, as the bridge wants it.
fn carrier(agreed: &Agreed, trunk: &Trunk) -> Carrier {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let codec = |codec: Sdp| match codec {
        Sdp::Pcmu => PhoneCodec::Pcmu,
        Sdp::Pcma => PhoneCodec::Pcma,
        Sdp::G722 => PhoneCodec::G722,
        Sdp::Opus => PhoneCodec::Opus,
    };
    let format = |receive: u8, kind: Sdp| Format {
        codec: codec(kind),
        send: PayloadType(if kind == agreed.codec { agreed.payload_type } else { receive }),
        receive: PayloadType(receive),
    };
    let mut formats: Vec<Format> =
        agreed.receives.iter().map(|&(receive, kind)| format(receive, kind)).collect();
    // What is sent comes first.
    formats.sort_by_key(|format| format.codec != codec(agreed.codec));
    let events = agreed.events.filter(|events| events.clock == EVENT_CLOCK);
    Carrier {
        remote: agreed.remote_rtp.unwrap_or(nowhere),
        rtcp: match (agreed.rtcp_mux, agreed.remote_rtcp) {
            (true, _) => RtcpPath::Mux,
            (false, remote) => RtcpPath::Separate(remote.unwrap_or(nowhere)),
        },
        sends: agreed.direction.sends(),
        receives: agreed.direction.receives(),
        formats,
        telephone_event: events.map(|events| Events {
            send: PayloadType(events.send),
            receive: PayloadType(events.receive),
            clock: events.clock,
        }),
        comfort_noise: agreed.comfort_noise.map(PayloadType),
        ptime_ms: u8::try_from(agreed.ptime_ms).unwrap_or(20),
        srtp: agreed.keys.as_ref().map(|keys| Sdes {
            profile: profile(keys.suite),
            local: keys.local.clone(),
            remote: keys.remote.clone(),
        }),
        latch: match trunk.settings.latch {
            TrunkLatch::Strict => Latch::Strict,
            TrunkLatch::SignaledIp => Latch::SignaledIp,
        },
        inband_digits: events.is_none(),
    }
}

fn profile(suite: Suite) -> SrtpProfile {
    match suite {
        Suite::AeadAes256Gcm => SrtpProfile::AeadAes256Gcm,
        Suite::AeadAes128Gcm => SrtpProfile::AeadAes128Gcm,
        Suite::AesCm128HmacSha1_80 => SrtpProfile::Aes128CmSha1_80,
        Suite::AesCm128HmacSha1_32 => SrtpProfile::Aes128CmSha1_32,
    }
}

/// RFC 4733 events of every codec that phones have but Opus.
const EVENT_CLOCK: u32 = 8000;
