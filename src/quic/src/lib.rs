//! QUIC for native clients: one endpoint beside each media worker. It ends the clients' QUIC connections and exchanges
//! their RTP and RTCP with the worker through its tunnel; the messages of each client's session go to a door that
//! is not known here ([`OnSession`]).
//!
//! Framing is RTP over QUIC (draft-ietf-avtcore-rtp-over-quic-14): a flow identifier before each packet, in datagrams;
//! a packet too long for the path takes a stream. docs/protocol/quic.md is the whole of it. Nothing here knows rooms,
//! tokens or tracks. Start at [`Endpoints`]; one client's connection is in `line`.

mod admission;
mod ceiling;
mod certificate;
mod config;
mod counters;
mod endpoint;
mod flows;
mod line;
mod messages;
mod outbox;
mod session;

pub use certificate::CertificateError;
pub use config::{Config, Limits};
pub use counters::{Count, Drop, Snapshot};
pub use endpoint::{Endpoints, OnSession, StartError};
pub use session::{Code, Session};

/// What a client offers in the TLS handshake: RTP over QUIC as of draft 14, with our session protocol, version 1.
pub const ALPN: &[u8] = b"roq-14-offhook-1";

/// The flow of the session's messages: the client's first bidirectional stream.
pub const FLOW_MESSAGES: u64 = 0;
/// The flow of RTCP, both ways.
pub const FLOW_RTCP: u64 = 1;
/// The first flow that may carry a track.
pub const FLOW_TRACKS: u64 = 2;
