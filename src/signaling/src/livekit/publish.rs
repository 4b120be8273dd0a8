//! What the client publishes: tracks announced, found in its offers, muted, gone.

use livekit_protocol as proto;
use offhook_call::room::{Act, LayerView, Notice, Published, Refusal};
use offhook_types::media::{Command, Layer};
use offhook_types::{Codec, MediaKind, Rid, TrackId};
use offhook_wire::sdp::Session as Description;
use proto::request_response::{Reason, Request};
use proto::signal_response::Message as Response;
use tracing::debug;

use super::convert;
use super::session::{End, Session};
use super::transport::{Peer, description};
use crate::negotiation::Incoming;

/// Labels of sections to ignore that are remembered.
const IGNORED: usize = 16;

/// A track of the client's.
pub(super) struct Own {
    pub track: TrackId,
    kind: MediaKind,
    /// Names under which its section may appear in an offer.
    cids: Vec<String>,
    /// Its layers from the smallest, as they were told of.
    layers: Vec<Layer>,
    pub muted: bool,
    /// A section was found for it.
    bound: bool,
    /// What others are told it is encoded with, once it is known.
    codec: Option<Codec>,
    info: proto::TrackInfo,
}

impl Session {
    pub async fn add_track(&mut self, request: proto::AddTrackRequest) -> Result<(), End> {
        if !request.sid.is_empty() {
            return self.add_codec(request);
        }
        let Some(wanted) = convert::track_request(&request) else {
            let what = Request::AddTrack(request);
            return self.unsupported(0, Some(what));
        };
        let codecs = wanted.codecs.iter().map(|codec| codec.cid.clone());
        let cids = codecs.chain([wanted.cid.clone()]).filter(|cid| !cid.is_empty()).collect();
        match self.seat.add_track(wanted).await {
            Ok(view) => {
                let info = convert::track(&view);
                let layers = view.request.layers.iter();
                self.own.push(Own {
                    track: view.id,
                    kind: view.request.kind,
                    cids,
                    layers: layers.map(layer).collect(),
                    muted: view.request.muted,
                    bound: false,
                    codec: None,
                    info: info.clone(),
                });
                let published =
                    proto::TrackPublishedResponse { cid: request.cid, track: Some(info) };
                self.say(Response::TrackPublished(published))?;
                self.bind().await
            }
            Err(refusal) => self.refused(0, refusal, Some(Request::AddTrack(request))),
        }
    }

    /// A second codec of a track that is there already. Receivers that cannot decode the first are
    /// told so; the second is agreed to and not forwarded.
    fn add_codec(&mut self, request: proto::AddTrackRequest) -> Result<(), End> {
        let known = self.own.iter().find(|own| own.track.to_string() == request.sid);
        let Some(info) = known.map(|own| own.info.clone()) else {
            return self.refused(0, Refusal::NoTrack, Some(Request::AddTrack(request)));
        };
        let codecs = request.simulcast_codecs.iter().map(|codec| codec.cid.clone());
        for cid in codecs.chain([request.cid.clone()]).take(IGNORED) {
            self.ignored.truncate(IGNORED);
            self.ignored.push_front(cid);
        }
        let published = proto::TrackPublishedResponse { cid: request.cid, track: Some(info) };
        self.say(Response::TrackPublished(published))
    }

    /// The client offers.
    pub async fn offered(&mut self, offer: &proto::SessionDescription) -> Result<(), End> {
        let parsed = match Description::parse(&offer.sdp) {
            Ok(parsed) => parsed,
            Err(error) => {
                debug!(%error, "offer is malformed");
                return self.bad_description(&error.to_string());
            }
        };
        if self.peers.publisher.is_none() {
            let policy = self.peers.publishing_policy();
            let mut peer = Peer::new(&self.door, self.seat.room(), policy)?;
            if policy.subscribe {
                peer.negotiation.wish(self.received.wishes());
            }
            self.peers.publisher = Some(peer);
        }
        let Some(peer) = &mut self.peers.publisher else { return Ok(()) };
        let (agreement, answer) = match peer.answer(&parsed) {
            Ok(agreed) => agreed,
            Err(refused) => {
                debug!(%refused, "offer is refused");
                return self.bad_description(&refused.to_string());
            }
        };
        peer.sync(&self.door)?;
        let answer = description("answer", offer.id, &answer, peer);
        self.say(Response::Answer(answer))?;
        for track in agreement.stopped {
            self.own.retain(|own| own.track != track);
            let _ = self.seat.unpublish(track).await;
        }
        self.bind().await?;
        self.received.offered();
        self.ask()
    }

    fn bad_description(&mut self, why: &str) -> Result<(), End> {
        self.respond(0, Reason::InvalidRequest, why, None)?;
        self.strike()
    }

    /// Find the sections of announced tracks, and let others see what is found.
    async fn bind(&mut self) -> Result<(), End> {
        let Some(peer) = &mut self.peers.publisher else { return Ok(()) };
        let mut found = Vec::new();
        for incoming in peer.negotiation.incoming() {
            let own = match incoming.track {
                Some(track) => self.own.iter_mut().find(|own| own.track == track),
                None => claim(&mut self.own, &self.ignored, &incoming),
            };
            let Some(own) = own else { continue };
            own.bound = true;
            let bound = peer.negotiation.bind(incoming.section, own.track, &own.layers);
            found.extend(bound.map(|bound| (own.track, own.codec.unwrap_or(bound.codec), bound)));
        }
        peer.sync(&self.door)?;
        let leg = peer.leg();
        for (track, codec, incoming) in found {
            let published = Published {
                track,
                leg,
                mid: incoming.mid,
                layers: incoming.layers.iter().map(|layer| (layer.rid, layer.ssrc)).collect(),
                mime: mime(codec),
            };
            if let Err(refusal) = self.seat.publish(published).await {
                debug!(%refusal, "track not published");
                continue;
            }
            if self.own.iter().any(|own| own.track == track && own.muted) {
                self.command(Command::SetMuted { leg, track, muted: true })?;
            }
        }
        Ok(())
    }

    /// The first packet shows what a track is really encoded with.
    pub async fn track_live(&mut self, track: TrackId, codec: Codec) -> Result<(), End> {
        let Some(own) = self.own.iter_mut().find(|own| own.track == track) else { return Ok(()) };
        if own.codec.replace(codec) == Some(codec) {
            return Ok(());
        }
        self.bind().await
    }

    pub fn publish_notice(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Muted { track, muted, forced } => {
                if let Some(own) = self.own.iter_mut().find(|own| own.track == track) {
                    own.muted = muted;
                }
                if let Some(leg) = self.peers.publisher.as_ref().map(Peer::leg) {
                    self.command(Command::SetMuted { leg, track, muted })?;
                }
                if forced {
                    let sid = track.to_string();
                    self.say(Response::Mute(proto::MuteTrackRequest { sid, muted }))?;
                }
                Ok(())
            }
            Notice::Unpublished { track } => {
                self.own.retain(|own| own.track != track);
                if let Some(peer) = &mut self.peers.publisher {
                    peer.negotiation.unbind(track);
                    peer.sync(&self.door)?;
                }
                let track_sid = track.to_string();
                let unpublished = proto::TrackUnpublishedResponse { track_sid };
                self.say(Response::TrackUnpublished(unpublished))
            }
            Notice::FirstSubscriber { track } => {
                let track_sid = track.to_string();
                self.say(Response::TrackSubscribed(proto::TrackSubscribed { track_sid }))
            }
            Notice::Qualities { track, mime, wanted } => {
                let update = convert::qualities(track, &mime, wanted);
                self.say(Response::SubscribedQualityUpdate(update))
            }
            _ => Ok(()),
        }
    }

    pub fn command(&self, command: Command) -> Result<(), End> {
        self.door.node.send(command).map_err(|_| super::transport::NodeGone.into())
    }

    pub async fn mute(&mut self, request: proto::MuteTrackRequest) -> Result<(), End> {
        let Ok(track) = request.sid.parse() else {
            return self.refused(0, Refusal::NoTrack, Some(Request::Mute(request)));
        };
        let muted = request.muted;
        match self.seat.act(Act::Mute { track, muted }).await {
            Ok(_) => Ok(()),
            Err(refusal) => self.refused(0, refusal, Some(Request::Mute(request))),
        }
    }
}

fn layer(told: &LayerView) -> Layer {
    let rid = Rid::new(told.rid.as_bytes());
    Layer { rid, rate: told.bitrate, ..Layer::default() }
}

/// The announced track that a section belongs to: by the name that the client gave it, else the
/// first of its kind, because some browsers name sections as they like.
fn claim<'a>(
    own: &'a mut [Own],
    ignored: &std::collections::VecDeque<String>,
    incoming: &Incoming,
) -> Option<&'a mut Own> {
    let label = incoming.msid.as_ref().and_then(|msid| msid.track.as_deref()).unwrap_or_default();
    if ignored.iter().any(|cid| cid == label) {
        return None;
    }
    let open = |own: &Own| !own.bound && own.kind == incoming.kind;
    let named = own.iter().position(|o| open(o) && o.cids.iter().any(|cid| cid == label));
    let place = named.or_else(|| own.iter().position(open))?;
    own.get_mut(place)
}

fn mime(codec: Codec) -> String {
    let kind = match codec.kind() {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    format!("{kind}/{}", codec.name())
}
