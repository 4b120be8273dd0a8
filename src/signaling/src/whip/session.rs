//! One WHIP or WHEP session from its offer to its end: a task that owns the seat in the room and
//! the leg on the media node, and keeps the two in step.

use std::collections::BTreeSet;
use std::sync::Arc;

use offhook_call::room::{
    Act, Joined, LayerView, Left, Notice, Published, Source, Subscribed, TrackRequest,
};
use offhook_types::media::{Command, Event, Layer};
use offhook_types::{Codec, MediaKind, Rng, TrackId};
use offhook_wire::sdp::{Fragment, Session as Description};
use tokio::sync::{mpsc, oneshot};

use crate::media_node::{Events, Leg, MediaNode, NodeFull};
use crate::negotiation::{self, Incoming, Local, Negotiation, Refused, Wish};
use crate::rooms::Seat;

use super::reply::Problem;
use super::{Door, mime};

/// Events of one leg that may wait for its session.
const EVENTS: usize = 64;

/// What a request asks of the session's task.
pub(super) enum Ask {
    Patch { fragment: Fragment, matched: String, reply: oneshot::Sender<Patched> },
    End { reply: oneshot::Sender<()> },
}

/// What became of a PATCH.
pub(super) enum Patched {
    /// Read and not needed.
    Trickled,
    /// Our new half.
    Restarted { fragment: Fragment, etag: String },
    /// Meant for another generation of ICE.
    Mismatch,
    /// Not possible.
    Refused(Refused),
    /// The media node does not take commands.
    NodeFull,
}

/// A session that is ready to run, and what its client is told.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) answer: String,
    pub(super) etag: String,
}

/// A running session.
pub(super) struct Session {
    door: Door,
    seat: Seat,
    notices: mpsc::Receiver<Notice>,
    events: mpsc::Receiver<Event>,
    leg: Leg,
    negotiation: Negotiation,
    published: Vec<Published>,
    /// In the order of publication.
    wishes: Vec<Wish>,
}

/// Answer the offer, tell the node and the room.
pub(super) async fn open(
    door: Door,
    (node, events): (Arc<dyn MediaNode>, &Events),
    (seat, joined, notices): (Seat, Joined, mpsc::Receiver<Notice>),
    offer: Description,
) -> Result<Opened, Problem> {
    let placement = node.place(seat.room()).ok_or_else(Problem::full)?;
    let (owner, heard) = mpsc::channel(EVENTS);
    let leg = Leg::attach(placement.leg, node.clone(), events.clone(), owner);
    let local = Local {
        room: seat.room(),
        placement,
        ice: negotiation::credentials(),
        fingerprint: node.fingerprint(),
    };
    let rng = Rng::from_seed(negotiation::seed());
    let mut session = Session {
        door,
        seat,
        notices,
        events: heard,
        leg,
        negotiation: Negotiation::new(local, door.policy(), rng),
        published: Vec::new(),
        wishes: joined.subscribed.iter().map(wish).collect(),
    };
    session.negotiation.wish(session.wishes.clone());
    let (agreement, answer) = session.negotiation.answer(&offer, &mut negotiation::credentials)?;
    session.announce(agreement.incoming).await?;
    session.update().map_err(|NodeFull| Problem::full())?;
    for published in session.published.clone() {
        session.seat.publish(published).await?;
    }
    tracing::info!(door = door.as_str(), leg = %session.leg.id, "session opened");
    let etag = session.etag();
    Ok(Opened { session, answer: answer.to_string(), etag })
}

/// Whether the session goes on.
type Step = Result<(), Left>;

impl Session {
    /// Live until the client, the room or the leg ends it.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let why = loop {
            let step = tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.handle_ask(ask),
                    None => Err(Left::ClientLeft),
                },
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.handle_notice(notice),
                    None => Err(Left::Misbehaved),
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => Err(Left::Misbehaved),
                },
            };
            if let Err(why) = step {
                break why;
            }
        };
        tracing::info!(door = self.door.as_str(), leg = %self.leg.id, ?why, "session ended");
        self.seat.leave(why).await;
    }

    fn handle_ask(&mut self, ask: Ask) -> Step {
        match ask {
            Ask::Patch { fragment, matched, reply } => {
                let patched = self.patch(fragment, &matched);
                let full = matches!(patched, Patched::NodeFull);
                // A client that no longer waits for the answer is not an error of ours.
                let _ = reply.send(patched);
                if full { Err(Left::JoinFailed) } else { Ok(()) }
            }
            Ask::End { reply } => {
                let _ = reply.send(());
                Err(Left::ClientLeft)
            }
        }
    }

    fn patch(&mut self, fragment: Fragment, matched: &str) -> Patched {
        let tags = || matched.split(',').map(str::trim);
        let current = self.etag();
        if !tags().any(|tag| tag == "*" || tag == current) {
            return Patched::Mismatch;
        }
        let known = self.negotiation.remote_ice();
        let Some(ice) = fragment.ice.filter(|ice| known != Some(ice)) else {
            return Patched::Trickled;
        };
        match self.negotiation.restart(ice, negotiation::credentials()) {
            Err(refused) => Patched::Refused(refused),
            Ok(fragment) => match self.update() {
                Ok(()) => Patched::Restarted { fragment, etag: self.etag() },
                Err(NodeFull) => Patched::NodeFull,
            },
        }
    }

    fn handle_event(&mut self, event: Event) -> Step {
        match event {
            Event::LegUp { .. } => {
                self.seat.post(Act::LegUp);
            }
            Event::LegDown { end, .. } => {
                self.leg.opened = false;
                return Err(Left::Media(end));
            }
            Event::TrackLive { track, codec, .. } => self.correct(track, codec),
            Event::Quality { quality, .. } => {
                self.seat.post(Act::Quality(quality));
            }
            Event::Data { .. } | Event::Paused { .. } | Event::Speakers { .. } => {}
        }
        Ok(())
    }

    fn handle_notice(&mut self, notice: Notice) -> Step {
        match notice {
            Notice::Subscribed(subscribed) => {
                let wish = wish(&subscribed);
                match self.wishes.iter_mut().find(|known| known.track == wish.track) {
                    Some(known) => *known = wish,
                    None => self.wishes.push(wish),
                }
            }
            Notice::Unsubscribed { track } => self.wishes.retain(|wish| wish.track != track),
            Notice::Want { track, want } => {
                let wish = self.wishes.iter_mut().find(|wish| wish.track == track);
                if let Some(wish) = wish {
                    wish.want = want;
                }
                let leg = self.leg.id;
                return self.send(vec![Command::SetWant { leg, track, want }]);
            }
            Notice::Muted { track, muted, .. } => {
                let leg = self.leg.id;
                return self.send(vec![Command::SetMuted { leg, track, muted }]);
            }
            Notice::Unpublished { track } => {
                self.negotiation.unbind(track);
                self.published.retain(|published| published.track != track);
                if self.published.is_empty() {
                    return Err(Left::Removed);
                }
            }
            Notice::Closed(why) => return Err(why),
            _ => return Ok(()),
        }
        self.negotiation.wish(self.wishes.clone());
        self.update().map_err(|NodeFull| Left::JoinFailed)
    }

    fn send(&mut self, commands: Vec<Command>) -> Step {
        self.leg.send(commands).map_err(|NodeFull| Left::JoinFailed)
    }

    fn update(&mut self) -> Result<(), NodeFull> {
        let commands = self.negotiation.commands();
        self.leg.send(commands)
    }

    /// Names one generation of ICE (RFC 9725 §4.3.1).
    fn etag(&self) -> String {
        format!("\"{}\"", self.negotiation.local_ice().ufrag)
    }

    /// Tell the room of the tracks that the offer brings, without showing them yet.
    async fn announce(&mut self, incoming: Vec<Incoming>) -> Result<(), Problem> {
        let mut seen = BTreeSet::new();
        for incoming in incoming {
            let first = seen.insert(incoming.kind);
            let track = self.seat.add_track(request(&incoming, first)).await?.id;
            let Some(bound) = self.negotiation.bind(incoming.section, track, &[]) else { continue };
            self.published.push(Published {
                track,
                leg: self.leg.id,
                mid: bound.mid,
                layers: bound.layers.iter().map(|layer| (layer.rid, layer.ssrc)).collect(),
                mime: mime(bound.codec),
            });
        }
        Ok(())
    }

    /// What arrives may be in another codec than the first of the answer.
    fn correct(&mut self, track: TrackId, codec: Codec) {
        let mime = mime(codec);
        let known = self.published.iter_mut().find(|published| published.track == track);
        if let Some(published) = known.filter(|published| published.mime != mime) {
            published.mime = mime;
            self.seat.post(Act::Publish(published.clone()));
        }
    }
}

fn wish(subscribed: &Subscribed) -> Wish {
    Wish {
        track: subscribed.track,
        kind: subscribed.kind,
        mime: subscribed.mime.clone(),
        source: subscribed.source,
        stream: subscribed.stream.clone(),
        reused: None,
        label: subscribed.track.to_string(),
        want: subscribed.want,
    }
}

/// What an offer says about a track. The first of each kind is taken for microphone and camera.
fn request(incoming: &Incoming, first: bool) -> TrackRequest {
    let msid = incoming.msid.as_ref();
    let label = msid.and_then(|msid| msid.track.clone());
    let section = incoming.mid.map(|mid| mid.to_string()).unwrap_or_default();
    let mut request = TrackRequest::new(label.unwrap_or(section), incoming.kind);
    request.source = match (incoming.kind, first) {
        (MediaKind::Audio, true) => Source::Microphone,
        (MediaKind::Video, true) => Source::Camera,
        (_, false) => Source::Unknown,
    };
    let last = incoming.layers.len().saturating_sub(1);
    let layer = |(index, layer): (usize, &Layer)| LayerView {
        // The largest is the high quality, the smallest of several the low one.
        quality: if index == last { 2 } else { u8::from(index != 0) },
        ssrc: layer.ssrc.map_or(0, |ssrc| ssrc.0),
        rid: layer.rid.map(|rid| rid.to_string()).unwrap_or_default(),
        ..LayerView::default()
    };
    if incoming.kind == MediaKind::Video {
        request.layers = incoming.layers.iter().enumerate().map(layer).collect();
    }
    request
}
