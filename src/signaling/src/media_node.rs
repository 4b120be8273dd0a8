//! The media node as the doors see it: something that takes [`Command`]s and, through [`Events`],
//! tells each session about its own legs. The binary puts the real node (or, one day, one across
//! the network) behind it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use offhook_types::media::{Command, Event, Fingerprint, Placement, Speaker};
use offhook_types::{LegId, RoomId, WorkerId};
use tokio::sync::mpsc;

/// A media node. Calls return at once; what happens comes back as [`Event`]s.
pub trait MediaNode: Send + Sync {
    /// SHA-256 of the node's DTLS certificate, for `a=fingerprint`.
    fn fingerprint(&self) -> Fingerprint;

    /// Where a new leg of this room would live; `None` when the node is full.
    fn place(&self, room: RoomId) -> Option<Placement>;

    /// Servers that help a client to reach the node where the direct ways are blocked; none by default.
    fn ice_servers(&self) -> Vec<IceServer> {
        Vec::new()
    }

    /// Where a new leg would live on this worker, to which its client has connected already; `None` when it is full, or
    /// where clients do not connect before they are placed.
    fn place_on(&self, _worker: WorkerId) -> Option<Placement> {
        None
    }

    /// Hand a command to the leg's worker.
    fn send(&self, command: Command) -> Result<(), NodeFull>;
}

/// A TURN server of ours and what one client needs to use it.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `turns:` URLs (RFC 7065).
    pub urls: Vec<String>,
    /// Whom it knows the client as, for a while.
    pub username: String,
    /// The password that goes with it.
    pub credential: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[redacted credentials for {:?}]", self.urls)
    }
}

/// The worker's ring is full or the worker is gone. The session that owns the leg ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media node does not take commands")]
pub struct NodeFull;

/// Who hears the speakers of rooms.
type OnSpeakers = dyn Fn(WorkerId, RoomId, Vec<Speaker>) + Send + Sync;

/// Brings a node's events to the sessions that own the legs, and to the rooms. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    legs: Arc<RwLock<HashMap<LegId, mpsc::Sender<Event>>>>,
    on_speakers: Arc<OnSpeakers>,
}

impl Events {
    /// `on_speakers` is called on the node's thread and must not block; see
    /// [`Rooms::speakers`](crate::rooms::Rooms::speakers).
    pub fn new(
        on_speakers: impl Fn(WorkerId, RoomId, Vec<Speaker>) + Send + Sync + 'static,
    ) -> Self {
        Self { legs: Arc::default(), on_speakers: Arc::new(on_speakers) }
    }

    /// From now on events about `leg` go to `owner`. Call it before [`Command::OpenLeg`] is sent. A
    /// session that owns several legs passes clones of one sender. When the channel is full the leg
    /// is detached, which the owner sees as its channel closing once its last leg is: a session
    /// that does not keep up is over.
    pub fn attach(&self, leg: LegId, owner: mpsc::Sender<Event>) {
        self.legs.write().unwrap_or_else(PoisonError::into_inner).insert(leg, owner);
    }

    /// Events about `leg` go nowhere from now on.
    pub fn detach(&self, leg: LegId) {
        self.legs.write().unwrap_or_else(PoisonError::into_inner).remove(&leg);
    }

    /// How many legs have an owner.
    pub fn attached(&self) -> usize {
        self.legs.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The node's event callback. Never blocks.
    pub fn deliver(&self, event: Event) {
        let leg = match event {
            Event::Speakers { worker, room, speakers } => {
                return (self.on_speakers)(worker, room, speakers);
            }
            Event::LegUp { leg, .. }
            | Event::LegDown { leg, .. }
            | Event::TrackLive { leg, .. }
            | Event::Data { leg, .. }
            | Event::Paused { leg, .. }
            | Event::Quality { leg, .. } => leg,
        };
        let last = matches!(event, Event::LegDown { .. });
        let sent = {
            let legs = self.legs.read().unwrap_or_else(PoisonError::into_inner);
            legs.get(&leg).is_none_or(|owner| owner.try_send(event).is_ok())
        };
        if !sent || last {
            self.detach(leg);
        }
    }
}

/// A leg on a node, closed when dropped, so that no early return leaves one behind.
pub(crate) struct Leg {
    pub(crate) id: LegId,
    node: Arc<dyn MediaNode>,
    events: Events,
    /// The node knows it.
    pub(crate) opened: bool,
}

impl Leg {
    /// Events about the leg go to `owner` from now on. It is opened by sending its
    /// [`Command::OpenLeg`].
    pub(crate) fn attach(
        id: LegId,
        node: Arc<dyn MediaNode>,
        events: Events,
        owner: mpsc::Sender<Event>,
    ) -> Self {
        events.attach(id, owner);
        Self { id, node, events, opened: false }
    }

    pub(crate) fn send(&mut self, commands: Vec<Command>) -> Result<(), NodeFull> {
        for command in commands {
            self.opened |= matches!(command, Command::OpenLeg(_));
            self.node.send(command)?;
        }
        Ok(())
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.events.detach(self.id);
        if self.opened && self.node.send(Command::CloseLeg { leg: self.id }).is_err() {
            // The node ends the leg by itself once the peer notices that nobody answers.
            tracing::warn!(leg = %self.id, "media node took no close of a leg");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_types::media::LegEnd;

    #[test]
    fn events_reach_the_owner_of_the_leg_only() {
        let events = Events::new(|_, _, _| ());
        let (one, mut heard_one) = mpsc::channel(4);
        let (two, mut heard_two) = mpsc::channel(4);
        events.attach(LegId(1), one);
        events.attach(LegId(2), two);
        events.deliver(Event::LegDown { leg: LegId(1), end: LegEnd::Closed });
        assert!(heard_one.try_recv().is_ok());
        assert!(heard_two.try_recv().is_err());
        assert_eq!(events.attached(), 1, "a leg that is down has no owner");
    }

    #[test]
    fn an_owner_that_does_not_keep_up_loses_its_channel() {
        let events = Events::new(|_, _, _| ());
        let (owner, mut heard) = mpsc::channel(1);
        events.attach(LegId(1), owner);
        for _ in 0..2 {
            let data = Event::Data {
                leg: LegId(1),
                kind: offhook_types::media::DataKind::Lossy,
                payload: Vec::new(),
            };
            events.deliver(data);
        }
        assert!(heard.try_recv().is_ok());
        assert_eq!(heard.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
