//! Which devices are connected. A device has one session; a newer one takes its place.

use std::collections::{BTreeMap, BTreeSet};

use offhook_types::{DeviceId, SessionId, UserId};

use crate::input::By;

#[derive(Debug, Default)]
pub(super) struct Presence {
    devices: BTreeMap<DeviceId, Attached>,
    by_user: BTreeMap<UserId, BTreeSet<DeviceId>>,
}

#[derive(Debug)]
struct Attached {
    user: UserId,
    session: SessionId,
    connected: bool,
}

/// What an attach turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Fresh,
    Resumed,
}

impl Presence {
    pub fn attach(&mut self, by: By, session: SessionId) -> Start {
        if self.devices.get(&by.device).is_some_and(|before| before.user != by.user) {
            self.remove(by.device);
        }
        let attached = Attached { user: by.user, session, connected: true };
        self.by_user.entry(by.user).or_default().insert(by.device);
        match self.devices.insert(by.device, attached) {
            Some(before) if before.session == session => Start::Resumed,
            _ => Start::Fresh,
        }
    }

    /// False when the session is not the device's.
    pub fn detach(&mut self, by: By, session: SessionId) -> bool {
        match self.devices.get_mut(&by.device) {
            Some(attached) if attached.session == session => {
                attached.connected = false;
                true
            }
            _ => false,
        }
    }

    /// False when the session is not the device's.
    pub fn close(&mut self, by: By, session: SessionId) -> bool {
        let owns = self.devices.get(&by.device).is_some_and(|at| at.session == session);
        if owns {
            self.remove(by.device);
        }
        owns
    }

    pub fn remove(&mut self, device: DeviceId) {
        let Some(attached) = self.devices.remove(&device) else { return };
        if let Some(devices) = self.by_user.get_mut(&attached.user) {
            devices.remove(&device);
            if devices.is_empty() {
                self.by_user.remove(&attached.user);
            }
        }
    }

    pub fn connected(&self, device: DeviceId) -> bool {
        self.devices.get(&device).is_some_and(|attached| attached.connected)
    }

    /// The connected devices of a user.
    pub fn of(&self, user: UserId) -> impl Iterator<Item = DeviceId> + '_ {
        self.all_of(user).filter(|&device| self.connected(device))
    }

    /// The devices of a user, connected or not.
    pub fn all_of(&self, user: UserId) -> impl Iterator<Item = DeviceId> + '_ {
        self.by_user.get(&user).into_iter().flatten().copied()
    }
}
