//! The peer connections of a session: descriptions agreed, commands sent, events heard.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use offhook_types::media::{Command, Event, LegEnd, LegQuality};
use offhook_types::{LegId, Rng, RoomId};
use offhook_wire::sdp::Session as Description;
use tokio::sync::mpsc;

use super::Inner;
use super::connect::Mode;
use crate::negotiation::{Agreement, Idle, Local, Negotiation, Policy, Refused, credentials, seed};

/// Events that may wait for a session. At 50 reliable messages a second this is ten seconds.
const EVENTS: usize = 512;

/// One peer connection.
pub(super) struct Peer {
    pub negotiation: Negotiation,
    events: mpsc::Receiver<Event>,
    /// The node has it.
    opened: bool,
    pub up: bool,
    quality: LegQuality,
}

/// The node takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeGone;

impl Peer {
    /// A leg of its own for a room.
    pub fn new(door: &Inner, room: RoomId, policy: Policy) -> Result<Self, NodeGone> {
        let placement = door.node.place(room).ok_or(NodeGone)?;
        let (owner, events) = mpsc::channel(EVENTS);
        door.events.attach(placement.leg, owner);
        let fingerprint = door.node.fingerprint();
        let local = Local { room, placement, ice: credentials(), fingerprint };
        let negotiation = Negotiation::new(local, policy, Rng::from_seed(seed()));
        let quality = LegQuality::default();
        Ok(Self { negotiation, events, opened: false, up: false, quality })
    }

    pub fn leg(&self) -> LegId {
        self.negotiation.leg()
    }

    /// Bring the node up to date.
    pub fn sync(&mut self, door: &Inner) -> Result<(), NodeGone> {
        for command in self.negotiation.commands() {
            self.opened = true;
            door.node.send(command).map_err(|_| NodeGone)?;
        }
        Ok(())
    }

    pub fn answer(&mut self, offer: &Description) -> Result<(Agreement, Description), Refused> {
        self.negotiation.answer(offer, &mut credentials)
    }

    pub fn close(&self, door: &Inner) {
        if self.opened {
            let _ = door.node.send(Command::CloseLeg { leg: self.leg() });
        }
        door.events.detach(self.leg());
    }

    /// Which section carries which track, as clients want to know it.
    pub fn mids(&self) -> std::collections::HashMap<String, String> {
        let mids = self.negotiation.mids().into_iter();
        mids.map(|(mid, track)| (mid.to_string(), track.to_string())).collect()
    }
}

/// The peer connections of one session.
pub(super) struct Peers {
    pub mode: Mode,
    /// Made when the client first offers.
    pub publisher: Option<Peer>,
    /// Made at once for clients with two connections.
    pub subscriber: Option<Peer>,
    /// Numbers our offers.
    offers: u32,
}

impl Peers {
    pub fn new(mode: Mode) -> Self {
        Self { mode, publisher: None, subscriber: None, offers: 0 }
    }

    /// What the client's own connection is for.
    pub fn publishing_policy(&self) -> Policy {
        let subscribe = self.mode == Mode::Single;
        Policy { publish: true, subscribe, data: true, idle: Idle::Inactive }
    }

    /// What the connection is for that we offer.
    pub fn receiving_policy(&self) -> Policy {
        Policy { publish: false, subscribe: true, data: true, idle: Idle::Inactive }
    }

    /// The connection on which the client receives.
    pub fn receiving(&mut self) -> Option<&mut Peer> {
        match self.mode {
            Mode::Single => self.publisher.as_mut(),
            Mode::Dual => self.subscriber.as_mut(),
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &Peer> {
        self.publisher.iter().chain(&self.subscriber)
    }

    pub fn by_leg(&mut self, leg: LegId) -> Option<&mut Peer> {
        let mut all = self.publisher.iter_mut().chain(&mut self.subscriber);
        all.find(|peer| peer.leg() == leg)
    }

    pub fn next_offer(&mut self) -> u32 {
        self.offers = self.offers.wrapping_add(1);
        self.offers
    }

    /// The next event of any leg; `None` when the node stopped telling us, because we were too
    /// slow to hear. Never ends while there is no leg.
    pub async fn next_event(&mut self) -> Option<Event> {
        match (&mut self.publisher, &mut self.subscriber) {
            (None, None) => core::future::pending().await,
            (Some(one), None) | (None, Some(one)) => one.events.recv().await,
            (Some(one), Some(two)) => tokio::select! {
                event = one.events.recv() => event,
                event = two.events.recv() => event,
            },
        }
    }

    /// The figures of all legs together, the worst of each.
    pub fn quality(&mut self, leg: LegId, quality: LegQuality) -> LegQuality {
        if let Some(peer) = self.by_leg(leg) {
            peer.quality = quality;
        }
        self.all().map(|peer| peer.quality).fold(LegQuality::default(), |sum, one| LegQuality {
            uplink_loss: sum.uplink_loss.max(one.uplink_loss),
            downlink_loss: sum.downlink_loss.max(one.downlink_loss),
            rtt_ms: sum.rtt_ms.max(one.rtt_ms),
            jitter_ms: sum.jitter_ms.max(one.jitter_ms),
            uplink_bps: sum.uplink_bps.saturating_add(one.uplink_bps),
            downlink_bps: sum.downlink_bps.saturating_add(one.downlink_bps),
            // One of them receives.
            estimate_bps: sum.estimate_bps.or(one.estimate_bps),
            wanted_bps: sum.wanted_bps.max(one.wanted_bps),
        })
    }
}

/// A description as clients read it.
pub(super) fn description(
    kind: &str,
    id: u32,
    description: &Description,
    peer: &Peer,
) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.into(),
        sdp: description.to_string(),
        id,
        mid_to_track_id: peer.mids(),
    }
}

/// What ended a leg that we did not end.
pub(super) fn is_news(end: LegEnd) -> bool {
    end != LegEnd::Closed
}

/// Tracks that could not be placed so far, and how often the client was asked for room.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub audio: u32,
    pub video: u32,
    /// An offer is expected.
    pub waiting: bool,
    pub tries: BTreeMap<offhook_types::TrackId, u8>,
}
