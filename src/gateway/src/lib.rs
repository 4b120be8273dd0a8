//! The phone gateway: trunks and their SIP transports, the bridge between carrier media and a
//! room's relay leg, and the one writer of money and call detail records.

#![deny(missing_docs)]

pub mod books;
pub mod bridge;
