//! How a call describes its sound (RFC 3264): offers, answers, and what follows from them.

use std::net::SocketAddr;

use offhook_sip::agent::Body;
use offhook_wire::phone_sdp::{
    Agreed, Direction, Local, PhoneCodec, Prefs, Protection, Session, accept, answer, offer,
};

use super::g711::Law;
use super::media::Route;

/// Both sides' descriptions of one call.
#[derive(Debug)]
pub struct Description {
    local: Local,
    /// Their offer that was not answered yet.
    theirs: Option<Session>,
    /// Our last.
    ours: Option<Session>,
}

impl Description {
    /// Nothing was said yet. Sound comes to `address`.
    pub fn new(id: u64, address: SocketAddr) -> Self {
        let (direction, keys) = (Direction::SendRecv, Vec::new());
        let local = Local { id, version: 0, address, direction, keys };
        Self { local, theirs: None, ours: None }
    }

    /// Keeps their offer until it is answered. False where nothing in it can be agreed on.
    pub fn offered(&mut self, body: &Body) -> bool {
        let offer = Session::parse(&body.bytes).ok();
        self.theirs = offer.filter(|offer| answer(&self.local, &prefs(), offer).is_ok());
        self.theirs.is_some()
    }

    /// Their offer waits for an answer.
    pub fn is_asked(&self) -> bool {
        self.theirs.is_some()
    }

    /// Our last description once more.
    pub fn ours(&self) -> Option<Body> {
        self.ours.as_ref().map(body_of)
    }

    /// Keys may go as events.
    pub fn has_events(&self) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.to_string().contains("telephone-event"))
    }

    /// An answer to their offer where one waits, with what follows from it; else an offer of ours.
    pub fn say(&mut self) -> Option<(Body, Option<Agreed>)> {
        self.local.version += 1;
        let (session, agreed) = match self.theirs.take() {
            Some(offer) => {
                let (session, agreed) = answer(&self.local, &prefs(), &offer).ok()?;
                (session, Some(agreed))
            }
            None => (offer(&self.local, &prefs()), None),
        };
        Some((self.remember(session), agreed))
    }

    /// An offer that puts the far side on hold, or takes the call back.
    pub fn hold(&mut self, held: bool) -> Option<Body> {
        self.local.direction = if held { Direction::SendOnly } else { Direction::SendRecv };
        let session = self.ours.as_ref()?.again(self.local.direction);
        Some(self.remember(session))
    }

    /// What follows from their answer to our offer.
    pub fn answered(&self, body: &Body) -> Option<Agreed> {
        let theirs = Session::parse(&body.bytes).ok()?;
        accept(self.ours.as_ref()?, &theirs).ok()
    }

    /// Whether the far side has put us on hold with this.
    pub fn is_held(&self, agreed: &Agreed) -> bool {
        self.local.direction == Direction::SendRecv && !sends(agreed)
    }

    fn remember(&mut self, session: Session) -> Body {
        self.local.version = session.version;
        let body = body_of(&session);
        self.ours = Some(session);
        body
    }
}

impl From<&Agreed> for Route {
    fn from(agreed: &Agreed) -> Self {
        let law = |codec| match codec {
            PhoneCodec::Pcmu => Some(Law::Mu),
            PhoneCodec::Pcma => Some(Law::A),
            PhoneCodec::G722 | PhoneCodec::Opus => None,
        };
        let receives = agreed.receives.iter();
        let receives = receives.filter_map(|(number, codec)| Some((*number, law(*codec)?)));
        Self {
            rtp: agreed.remote_rtp.filter(|_| sends(agreed)),
            rtcp: agreed.remote_rtcp,
            law: law(agreed.codec).unwrap_or(Law::Mu),
            payload_type: agreed.payload_type,
            receives: receives.collect(),
            events: agreed.events,
            comfort_noise: agreed.comfort_noise,
        }
    }
}

fn sends(agreed: &Agreed) -> bool {
    matches!(agreed.direction, Direction::SendRecv | Direction::SendOnly)
}

fn body_of(session: &Session) -> Body {
    Body::sdp(session.to_string().into_bytes())
}

fn prefs() -> Prefs {
    Prefs {
        codecs: vec![PhoneCodec::Pcmu, PhoneCodec::Pcma],
        events: true,
        comfort_noise: true,
        ptime_ms: 20,
        protection: Protection::Never,
        rtcp_mux: false,
    }
}
