//! Devices and their tokens. A device has one access token and one refresh token at a time; only
//! SHA-256 hashes of them are kept, so that a copy of the database opens nobody's account.

use core::fmt;

use async_trait::async_trait;
use offhook_types::{DeviceId, UserId, WallTime};

use crate::{Error, User};

/// SHA-256 of a token. The token is 256 random bits, so the hash needs neither salt nor stretching.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted token hash]")
    }
}

/// The tokens of a device, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPair {
    /// For requests and sessions.
    pub access: TokenHash,
    /// The access token is worth nothing from here on.
    pub access_expires_at: WallTime,
    /// For one exchange against a new pair.
    pub refresh: TokenHash,
    /// The refresh token is worth nothing from here on.
    pub refresh_expires_at: WallTime,
}

/// One installation able to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// Whose.
    pub user: UserId,
    /// As it called itself; may be empty.
    pub name: String,
    /// When it signed in.
    pub created_at: WallTime,
    /// When it last refreshed its tokens or connected.
    pub last_seen_at: WallTime,
}

/// A device that signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// A fresh id.
    pub id: DeviceId,
    /// Whose.
    pub user: UserId,
    /// As it calls itself.
    pub name: String,
    /// How many devices the user may have with this one; those not seen for longest are revoked to
    /// make room.
    pub most: u32,
}

/// Who an access token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The person.
    pub user: User,
    /// The device.
    pub device: Device,
    /// When the token ends.
    pub expires_at: WallTime,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was good and is spent; the new pair stands.
    Done(Box<Bearer>),
    /// It was spent before, so someone has a copy. The device is revoked.
    Reused {
        /// Whose device it was.
        user: UserId,
        /// Which.
        device: DeviceId,
    },
    /// Nobody's, expired, or its device is gone.
    Unknown,
}

/// Devices and their tokens.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Add a device with its first tokens. Returns the devices revoked to make room.
    /// [`Error::Conflict`] when the id is taken, [`Error::Missing`] when the user is gone.
    async fn add_device(
        &self,
        now: WallTime,
        device: &NewDevice,
        tokens: &TokenPair,
    ) -> Result<Vec<DeviceId>, Error>;

    /// Who an access token speaks for, if it has not expired.
    async fn bearer(&self, now: WallTime, access: &TokenHash) -> Result<Option<Bearer>, Error>;

    /// Spend a refresh token for a new pair, in one step. The access token before it ends too.
    async fn rotate(
        &self,
        now: WallTime,
        refresh: &TokenHash,
        next: &TokenPair,
    ) -> Result<Rotation, Error>;

    /// The devices of a user, oldest first.
    async fn devices_of(&self, user: UserId) -> Result<Vec<Device>, Error>;

    /// Forget a device of a user and its tokens; false when the user has no such device.
    async fn revoke_device(&self, user: UserId, device: DeviceId) -> Result<bool, Error>;

    /// Note that a device was here. Nothing happens when it is gone.
    async fn seen(&self, now: WallTime, device: DeviceId) -> Result<(), Error>;

    /// Forget refresh tokens whose time is over, and devices that have neither token left; how many
    /// tokens.
    async fn prune_tokens(&self, now: WallTime) -> Result<u64, Error>;
}
