//! A virtual caller: a light client of our own on `offhook-rtc`, which decodes nothing, so that a thousand fit
//! into one process.
//!
//! [`session`] is one connection as a machine over a [`transport`] (a peer connection with ICE, DTLS, SRTP and data
//! channels, or QUIC), with what it sends ([`send`]) and receives (`offhook_scenario::receive`); [`leg`] moves
//! datagrams into it, over a [`wire`] and perhaps a [`road`] that loses and delays them. How a caller gets a session
//! is a door's business (`crate::door`).

pub mod agreed;
pub mod data;
pub mod description;
pub mod ice;
pub mod leg;
pub mod outbox;
pub mod road;
pub mod sample;
pub mod send;
pub mod session;
pub mod transport;
pub mod wire;
