//! The phone gateway: trunks and their SIP transports, the bridge between carrier media and a
//! room's relay leg, and the one writer of money and call detail records.
//!
//! Start at [`gateway::Gateway`]. A call goes through [`exchange`], which owns a [`leg::Leg`] for each;
//! [`transport`] speaks SIP, `offhook_bridge` carries sound, [`books`] keeps money and records, [`tariff`] is
//! what operators set up.

#![deny(missing_docs)]

pub mod books;
pub mod exchange;
pub mod export;
pub mod gateway;
pub mod iso8601;
pub mod leg;
pub mod operate;
pub mod pin;
pub mod reconciliation;
pub mod retention;
pub mod tariff;
pub mod transport;
pub mod trunk;
pub mod webhook;

use offhook_types::WallTime;

/// The system's random generator does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator does not answer")]
pub(crate) struct NoRandomness;

impl From<NoRandomness> for exchange::NoPayer {
    fn from(_: NoRandomness) -> Self {
        Self::Unavailable
    }
}

fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

fn random() -> Result<u64, NoRandomness> {
    random_bytes().map(u64::from_ne_bytes)
}

fn wall_now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    WallTime(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}
