//! Ids. Each is 64 random bits and prints as a two-letter prefix and eleven base-62 digits (`TR_0b3kX9mQz1A`), so an
//! id is as cheap as an integer inside and recognisable outside.
//!
//! Sixty-four random bits collide with probability 3e-8 among a million live ids of one kind; whoever creates an id
//! and finds it taken draws again.

use core::fmt;
use core::str::FromStr;

use crate::rng::Rng;

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected `{expected}` and eleven base-62 digits")]
pub struct BadId {
    /// The prefix that the wanted kind of id starts with.
    pub expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl $name {
            /// What the printed form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id from the caller's randomness.
            pub fn random(rng: &mut Rng) -> Self {
                Self(rng.next_u64())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_base62(f, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let bad = BadId { expected: $prefix };
                let digits = text.strip_prefix($prefix).ok_or(bad)?;
                read_base62(digits).map(Self).ok_or(bad)
            }
        }
    };
}

id!(/// A person, as the account store knows them.
    UserId, "US_");
id!(/// One installation able to ring.
    DeviceId, "DV_");
id!(/// A device's live signaling connection, surviving reconnects within its resume window.
    SessionId, "SE_");
id!(/// One sitting: from placing to the end.
    CallId, "CA_");
id!(/// One life of a room: a room deleted and made again under its name has a new id.
    RoomId, "RM_");
id!(/// Someone in a room.
    ParticipantId, "PA_");
id!(/// One published source of audio or video.
    TrackId, "TR_");
id!(/// Who pays.
    AccountId, "AC_");
id!(/// One phone leg, outbound or inbound, over all attempts to connect it.
    PhoneId, "PH_");
id!(/// One call detail record: one attempt over one trunk.
    CdrId, "CD_");
id!(/// A way to one carrier.
    TrunkId, "TK_");
id!(/// A price that was shown and is kept until it expires.
    QuoteId, "QU_");

/// One media path. The top 16 bits are the worker that owns it, so that any command finds its worker without a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// Index of a media worker on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u16);

impl LegId {
    /// The `serial`th leg of a worker (only the low 48 bits of `serial` count).
    pub fn new(worker: WorkerId, serial: u64) -> Self {
        Self((u64::from(worker.0) << 48) | (serial & 0xffff_ffff_ffff))
    }

    /// The worker that owns this leg.
    pub fn worker(self) -> WorkerId {
        WorkerId((self.0 >> 48) as u16)
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LG_")?;
        write_base62(f, self.0)
    }
}

impl fmt::Debug for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^11 > 2^64, so eleven digits hold every value.
const WIDTH: usize = 11;

fn write_base62(f: &mut fmt::Formatter<'_>, mut value: u64) -> fmt::Result {
    let mut text = [b'0'; WIDTH];
    for place in text.iter_mut().rev() {
        *place = DIGITS.get((value % 62) as usize).copied().unwrap_or(b'0');
        value /= 62;
    }
    f.write_str(core::str::from_utf8(&text).unwrap_or_default())
}

fn read_base62(text: &str) -> Option<u64> {
    if text.len() != WIDTH {
        return None;
    }
    text.bytes().try_fold(0u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_printing() {
        for value in [0, 1, 61, 62, u64::MAX, u64::MAX / 2, 0xdead_beef] {
            let id = TrackId(value);
            assert_eq!(id.to_string().parse::<TrackId>(), Ok(id));
        }
    }

    #[test]
    fn foreign_or_overlong_text_is_refused() {
        for text in
            ["", "TR_", "PA_00000000001", "TR_0000000000!", "TR_zzzzzzzzzzz", "TR_000000000012"]
        {
            assert!(text.parse::<TrackId>().is_err(), "{text}");
        }
    }

    #[test]
    fn leg_names_its_worker() {
        let leg = LegId::new(WorkerId(513), u64::MAX);
        assert_eq!(leg.worker(), WorkerId(513));
    }
}
