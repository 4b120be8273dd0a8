//! What the client receives: tracks placed on sections, and sections asked for.

use livekit_protocol as proto;
use offhook_call::room::{Notice, Subscribed};
use offhook_types::TrackId;
use offhook_types::media::Command;
use offhook_wire::sdp::Session as Description;
use proto::signal_response::Message as Response;
use proto::{StreamState, SubscriptionError};
use tracing::debug;

use super::connect::Mode;
use super::session::{End, Session};
use super::transport::{Asked, description};
use crate::negotiation::{Demand, Wish, credentials};

/// How often a client is asked for room for the same track, before it is told that it cannot have
/// it.
const TRIES: u8 = 3;

/// Tracks that the client shall receive, in the order in which it was told.
#[derive(Debug, Default)]
pub(super) struct Received {
    tracks: Vec<Subscribed>,
    asked: Asked,
}

impl Received {
    pub fn start(&mut self, tracks: Vec<Subscribed>) {
        self.tracks = tracks;
    }

    pub fn wishes(&self) -> Vec<Wish> {
        let wish = |track: &Subscribed| Wish {
            track: track.track,
            kind: track.kind,
            mime: track.mime.clone(),
            source: track.source,
            // Clients find the publisher and the stream in this name.
            stream: format!("{}|{}", track.publisher, track.stream),
            reused: Some(format!("{}|{}", track.publisher, track.track)),
            label: track.track.to_string(),
            want: track.want,
        };
        self.tracks.iter().map(wish).collect()
    }

    /// An offer came, with whatever room was asked for.
    pub fn offered(&mut self) {
        self.asked.waiting = false;
        (self.asked.audio, self.asked.video) = (0, 0);
    }

    fn put(&mut self, track: Subscribed) {
        match self.tracks.iter_mut().find(|known| known.track == track.track) {
            Some(known) => *known = track,
            None => self.tracks.push(track),
        }
    }

    fn remove(&mut self, track: TrackId) {
        self.tracks.retain(|known| known.track != track);
        self.asked.tries.remove(&track);
    }
}

impl Session {
    pub fn receive_notice(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Subscribed(track) => {
                self.received.put(track);
                self.ask()
            }
            Notice::Unsubscribed { track } => {
                self.received.remove(track);
                self.ask()
            }
            Notice::Want { track, want } => {
                let known = self.received.tracks.iter_mut().find(|known| known.track == track);
                if let Some(known) = known {
                    known.want = want;
                }
                let wishes = self.received.wishes();
                let Some(peer) = self.peers.receiving() else { return Ok(()) };
                peer.negotiation.wish(wishes);
                let leg = peer.leg();
                self.command(Command::SetWant { leg, track, want })
            }
            Notice::Allowed { publisher, track, allowed } => {
                let update = proto::SubscriptionPermissionUpdate {
                    participant_sid: publisher.to_string(),
                    track_sid: track.to_string(),
                    allowed,
                };
                self.say(Response::SubscriptionPermissionUpdate(update))
            }
            Notice::NotSubscribed { track } => {
                self.not_subscribed(track, SubscriptionError::SeTrackNotfound)
            }
            _ => Ok(()),
        }
    }

    /// The relay paused a track that does not fit on the way to the client, or sends it again.
    pub fn paused(&mut self, track: TrackId, paused: bool) -> Result<(), End> {
        let known = self.received.tracks.iter().find(|known| known.track == track);
        let Some(known) = known else { return Ok(()) };
        let state = if paused { StreamState::Paused } else { StreamState::Active };
        let info = proto::StreamStateInfo {
            participant_sid: known.publisher.to_string(),
            track_sid: track.to_string(),
            state: state.into(),
        };
        let update = proto::StreamStateUpdate { stream_states: vec![info] };
        self.say(Response::StreamStateUpdate(update))
    }

    fn not_subscribed(&mut self, track: TrackId, error: SubscriptionError) -> Result<(), End> {
        let response =
            proto::SubscriptionResponse { track_sid: track.to_string(), err: error.into() };
        self.say(Response::SubscriptionResponse(response))
    }

    /// See to it that every track finds a section: offer, or ask the client to.
    pub fn ask(&mut self) -> Result<(), End> {
        let wishes = self.received.wishes();
        let Some(peer) = self.peers.receiving() else { return Ok(()) };
        let demand = peer.negotiation.wish(wishes);
        // What is no longer wished stops at once, without waiting for descriptions.
        peer.sync(&self.door)?;
        match self.peers.mode {
            Mode::Dual if demand.offer || demand.audio + demand.video > 0 => self.offer(false),
            Mode::Dual => Ok(()),
            Mode::Single => self.require(&demand),
        }
    }

    /// Ask the client to offer sections enough for the demand.
    fn require(&mut self, demand: &Demand) -> Result<(), End> {
        let asked = &mut self.received.asked;
        let more = demand.audio > asked.audio || demand.video > asked.video;
        if !(more || (demand.offer && !asked.waiting)) {
            return Ok(());
        }
        let mut hopeless = Vec::new();
        for &track in &demand.unplaced {
            let tries = asked.tries.entry(track).or_default();
            *tries = tries.saturating_add(1);
            if *tries == TRIES + 1 {
                hopeless.push(track);
            }
        }
        let hope = demand.unplaced.iter().any(|track| asked.tries.get(track) <= Some(&TRIES));
        let requirement = proto::MediaSectionsRequirement {
            num_audios: demand.audio.saturating_sub(asked.audio),
            num_videos: demand.video.saturating_sub(asked.video),
        };
        (asked.audio, asked.video) = (asked.audio.max(demand.audio), asked.video.max(demand.video));
        asked.waiting = true;
        for track in hopeless {
            self.not_subscribed(track, SubscriptionError::SeCodecUnsupported)?;
        }
        if hope || demand.unplaced.is_empty() {
            self.say(Response::MediaSectionsRequirement(requirement))?;
        }
        Ok(())
    }

    /// Offer the receiving connection anew, with `restart` under new ICE credentials. While an
    /// offer waits for its answer nothing happens; the answer brings us back here.
    pub fn offer(&mut self, restart: bool) -> Result<(), End> {
        let id = self.peers.next_offer();
        let Some(peer) = &mut self.peers.subscriber else { return Ok(()) };
        let Some(offer) = peer.negotiation.offer(restart.then(credentials)) else { return Ok(()) };
        peer.sync(&self.door)?;
        let offer = description("offer", id, &offer, peer);
        self.say(Response::Offer(offer))
    }

    /// After a resume: a client with two connections restarts its own and leaves the receiving one
    /// to us.
    pub fn restart_receiving(&mut self) -> Result<(), End> {
        self.received.offered();
        if let Some(peer) = &mut self.peers.subscriber {
            peer.negotiation.withdraw();
            return self.offer(true);
        }
        self.ask()
    }

    /// The client's answer to our offer.
    pub fn answered(&mut self, answer: &proto::SessionDescription) -> Result<(), End> {
        let Some(peer) = &mut self.peers.subscriber else { return self.strike() };
        let parsed = match Description::parse(&answer.sdp) {
            Ok(parsed) => parsed,
            Err(error) => {
                debug!(%error, "answer is malformed");
                return self.strike();
            }
        };
        if let Err(refused) = peer.negotiation.accept_answer(&parsed) {
            debug!(%refused, "answer is refused");
            return self.strike();
        }
        peer.sync(&self.door)?;
        self.ask()
    }
}
