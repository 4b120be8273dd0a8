//! What the media node must be told: the difference between what it was told and what is agreed.

use std::collections::BTreeMap;

use offhook_types::TrackId;
use offhook_types::media::{
    Command, Connection, Egress, Ingress, Negotiated, OpenLeg, Remote, Want,
};
use offhook_wire::sdp::Encoding;

use super::{Negotiation, Offering, Slot};

/// What the media node knows.
#[derive(Debug, Default)]
pub(super) struct Issued {
    opened: bool,
    remote: Option<Remote>,
    negotiated: Negotiated,
    ingress: BTreeMap<TrackId, Ingress>,
    egress: BTreeMap<TrackId, Egress>,
}

impl Negotiation {
    /// Commands that bring the media node up to date, in order. The first opens the leg. Call it
    /// after everything that changes something; it is empty when nothing did. Closing the leg and
    /// [`Command::SetWant`], [`Command::SetMuted`] and data are the door's own.
    pub fn commands(&mut self) -> Vec<Command> {
        let leg = self.leg();
        let mut commands = Vec::new();
        self.transport_commands(&mut commands);
        let ingress = self.ingress();
        for &track in self.issued.ingress.keys().filter(|track| !ingress.contains_key(*track)) {
            commands.push(Command::RemoveIngress { leg, track });
        }
        for (track, ingress) in &ingress {
            if self.issued.ingress.get(track) != Some(ingress) {
                commands.push(Command::AddIngress { leg, ingress: ingress.clone() });
            }
        }
        let egress = self.egress();
        for &track in self.issued.egress.keys().filter(|track| !egress.contains_key(*track)) {
            commands.push(Command::RemoveEgress { leg, track });
        }
        for (track, (egress, want)) in &egress {
            if self.issued.egress.get(track) != Some(egress) {
                commands.push(Command::AddEgress { leg, egress: *egress, want: *want });
            }
        }
        self.issued.ingress = ingress;
        self.issued.egress = egress.into_iter().map(|(track, (e, _))| (track, e)).collect();
        commands
    }

    /// The leg itself: opened once, then the peer's half and the agreed numbers as they change.
    fn transport_commands(&mut self, commands: &mut Vec<Command>) {
        let leg = self.leg();
        if !self.issued.opened {
            self.issued.opened = true;
            self.issued.remote.clone_from(&self.remote);
            self.restarted = false;
            let connection = Connection::Ice {
                local: self.local.ice.clone(),
                remote: self.remote.clone(),
                opens_channels: self.offering != Offering::Never && self.policy.data,
            };
            commands.push(Command::OpenLeg(OpenLeg { leg, room: self.local.room, connection }));
        } else if let Some(remote) = &self.remote
            && (self.issued.remote.as_ref() != Some(remote) || self.restarted)
        {
            let local = self.restarted.then(|| self.local.ice.clone());
            self.restarted = false;
            self.issued.remote = Some(remote.clone());
            commands.push(Command::SetRemote { leg, remote: remote.clone(), local });
        }
        if self.negotiated != self.issued.negotiated {
            self.issued.negotiated = self.negotiated.clone();
            let negotiated = self.negotiated.clone();
            commands.push(Command::SetNegotiated { leg, negotiated });
        }
    }

    fn ingress(&self) -> BTreeMap<TrackId, Ingress> {
        let ingress = |slot: &Slot| {
            let inbound = slot.inbound.as_ref()?;
            let track = inbound.track?;
            let (kind, layers) = (slot.kind.media()?, inbound.layers.clone());
            Some((track, Ingress { track, kind, mid: slot.mid, layers }))
        };
        self.slots.iter().filter_map(ingress).collect()
    }

    fn egress(&self) -> BTreeMap<TrackId, (Egress, Want)> {
        let egress = |slot: &Slot| {
            // What we offered is sent once the peer knows of it.
            let known = self.offering == Offering::Never || slot.described;
            let live = known && slot.accepted && slot.sendable;
            let outbound = slot.outbound.as_ref().filter(|_| live)?;
            let track = outbound.track?;
            let wish = self.wishes.iter().find(|wish| wish.track == track)?;
            let egress = Egress {
                track,
                source: wish.source,
                kind: wish.kind,
                mid: slot.mid?,
                ssrc: outbound.ssrc,
                rtx: slot.repairs().then_some(outbound.rtx),
            };
            Some((track, (egress, wish.want)))
        };
        self.slots.iter().filter_map(egress).collect()
    }
}

impl Slot {
    /// Retransmissions were agreed for some payload type.
    pub(super) fn repairs(&self) -> bool {
        self.formats.iter().any(|format| matches!(format.encoding, Encoding::Rtx { .. }))
    }
}
