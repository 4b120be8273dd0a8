//! The beginning of a leg: what it claims for itself must be free, then it gets a place and its association
//! thread hears of it.

use offhook_rtc::srtp::{self, SrtpKeys};
use offhook_sfu::{Config as Routing, Router};
use offhook_types::media::{Connection, IceCredentials, Keyed, LegEnd, MasterKey, OpenLeg, Remote};
use offhook_types::{LegId, Rng, RoomId, Ssrc, Time};

use super::contact::{Checked, Contact};
use super::leg::{Leg, Place};
use super::{Core, Room};
use crate::Count;
use crate::address::as_received;
use crate::association::ToAssociation;
use crate::socket::Path;
use crate::transmit::Way;

impl Core {
    pub(super) fn open_leg(&mut self, now: Time, open: OpenLeg) -> Option<()> {
        let OpenLeg { leg, room, connection } = open;
        if self.by_id.contains_key(&leg) {
            return None;
        }
        self.exit.figures.counts.add(Count::LegsOpened);
        let opened = match connection {
            Connection::Ice { local, remote, opens_channels } => {
                let opening = ToAssociation::Open { leg, opens_channels };
                self.open_checked(now, (leg, room), (local, remote), opening)
            }
            Connection::Keyed(keyed) => self.open_keyed(now, (leg, room), &keyed),
            Connection::Tunnelled => self.open_tunnelled(now, (leg, room)),
        };
        if opened.is_none() {
            self.refuse(leg, LegEnd::Refused);
        }
        opened
    }

    /// A leg that waits for connectivity checks and a handshake.
    fn open_checked(
        &mut self,
        now: Time,
        (leg, room): (LegId, RoomId),
        (local, remote): (IceCredentials, Option<Remote>),
        opening: ToAssociation,
    ) -> Option<()> {
        if self.by_ufrag.contains_key(&local.ufrag) {
            return None;
        }
        let ufrag = local.ufrag.clone();
        let theirs = remote.as_ref().map(|remote| remote.ice.clone());
        let (index, association) =
            self.put_leg(now, (leg, room), Contact::checked(now, local, theirs))?;
        self.by_ufrag.insert(ufrag, index);
        self.tell_association(association, opening);
        if let Some(Remote { fingerprint, role, .. }) = remote {
            self.tell_association(association, ToAssociation::Remote { leg, fingerprint, role });
        }
        Some(())
    }

    /// A relay leg. Its keys come back from the association thread, as after a handshake, once that has reported it up:
    /// nothing of the leg is reported before.
    fn open_keyed(&mut self, now: Time, (leg, room): (LegId, RoomId), keyed: &Keyed) -> Option<()> {
        let peer = as_received(keyed.remote);
        if self.by_address.contains_key(&peer) {
            return None;
        }
        let keys = Box::new(keys(keyed)?);
        let (index, association) = self.put_leg(now, (leg, room), Contact::keyed(now))?;
        self.by_address.insert(peer, index);
        if let Some(out) = self.exit.outs.get_mut(index as usize) {
            out.way = Some(Way::Socket(Path { peer, local: None }));
        }
        self.tell_association(association, ToAssociation::Keyed { leg, keys });
        Some(())
    }

    /// A leg whose transport ends elsewhere. It is reported up before anything else of it, like a relay leg.
    fn open_tunnelled(&mut self, now: Time, (leg, room): (LegId, RoomId)) -> Option<()> {
        self.arrivals.as_ref()?;
        let (index, association) = self.put_leg(now, (leg, room), Contact::Tunnelled)?;
        if let Some(out) = self.exit.outs.get_mut(index as usize) {
            out.way = Some(Way::Tunnel(leg));
        }
        self.tell_association(association, ToAssociation::Tunnelled { leg });
        Some(())
    }

    /// Give a leg one of the places. Says also which association thread is its own.
    fn put_leg(
        &mut self,
        now: Time,
        (id, room): (LegId, RoomId),
        contact: Contact,
    ) -> Option<(u32, usize)> {
        let index = self.vacant.pop()?;
        let association = self.association_of(id);
        // Zero is not a valid SSRC for everyone; the lowest bit costs nothing.
        let feedback = Ssrc(self.rng.next_u32() | 1);
        let place = Place { room: self.enter_room(room), association, feedback };
        let leg = Leg::new(now, (id, contact), place, &self.config.limits);
        if let Some(slot) = self.legs.get_mut(index as usize) {
            *slot = Some(Box::new(leg));
        }
        self.by_id.insert(id, index);
        self.schedule(index, now + self.config.timeouts.setup);
        Some((index, association))
    }

    /// A leg that never was has an end all the same.
    pub(super) fn refuse(&mut self, leg: LegId, end: LegEnd) {
        let association = self.association_of(leg);
        self.tell_association(association, ToAssociation::Close { leg, end });
    }

    fn enter_room(&mut self, id: RoomId) -> u32 {
        if let Some(&index) = self.by_room.get(&id)
            && let Some(room) = self.room_mut(index)
        {
            room.legs += 1;
            return index;
        }
        let routing = Routing { voices: self.config.voices, ..Routing::default() };
        let router = Router::new(routing, Rng::from_seed(self.rng.next_u64()));
        let room = Some(Room { id, router, legs: 1 });
        let vacant = self.rooms.iter().position(Option::is_none);
        let index = vacant.unwrap_or(self.rooms.len());
        match self.rooms.get_mut(index) {
            Some(place) => *place = room,
            None => self.rooms.push(room),
        }
        self.by_room.insert(id, index as u32);
        index as u32
    }

    /// The peer's half became known, or changed. Only a leg with ICE has such a half.
    pub(super) fn set_remote(
        &mut self,
        index: u32,
        remote: Remote,
        local: Option<IceCredentials>,
    ) -> Option<()> {
        let renewed = local.as_ref().map(|local| local.ufrag.clone());
        if renewed.as_ref().is_some_and(|ufrag| self.by_ufrag.contains_key(ufrag)) {
            return None;
        }
        let leg = self.leg_mut(index)?;
        let (id, association) = (leg.id, leg.association);
        let Checked { ice, ufrags, .. } = leg.contact.as_checked()?;
        ice.set_remote(remote.ice, local);
        if let Some(ufrag) = renewed {
            ufrags.push(ufrag.clone());
            // The current one and the one before it.
            let old = (ufrags.len() > 2).then(|| ufrags.remove(0));
            self.by_ufrag.insert(ufrag, index);
            if let Some(old) = old {
                self.by_ufrag.remove(&old);
            }
        }
        let (fingerprint, role) = (remote.fingerprint, remote.role);
        self.tell_association(association, ToAssociation::Remote { leg: id, fingerprint, role });
        Some(())
    }
}

/// What a relay leg was given, as its ciphers take it. A key for both directions would use each of its numbers twice.
fn keys(keyed: &Keyed) -> Option<SrtpKeys> {
    let Keyed { profile, send, receive, .. } = keyed;
    let master = |given: &MasterKey| srtp::MasterKey::new(*profile, &given.key, &given.salt);
    if send == receive {
        return None;
    }
    Some(SrtpKeys { profile: *profile, local: master(send)?, remote: master(receive)? })
}
