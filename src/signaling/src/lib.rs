//! The doors through which people and programs reach Offhook, and the tasks that own the machines behind them.
//!
//! A door translates: bytes of its protocol into inputs of a machine, and the machine's effects back. It
//! decides nothing
//! about calls or rooms.

#![deny(missing_docs)]

pub mod account;
pub mod calls;
pub mod client;
pub mod limit;
pub mod livekit;
pub mod media_node;
pub mod negotiation;
pub mod phone;
pub mod push;
pub mod quic;
pub mod rooms;
pub mod token;
pub mod webhook;
pub mod whip;
