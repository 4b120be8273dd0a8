//! Types generated from /proto; nothing is written by hand. The comments live in the `.proto` files.

/// The client protocol, version 1 (`proto/client/v1/client.proto`).
#[allow(clippy::all, clippy::pedantic, missing_docs)]
pub mod client {
    include!(concat!(env!("OUT_DIR"), "/offhook.client.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/offhook.client.v1.serde.rs"));
}

/// The session protocol of native clients over QUIC, version 1 (`proto/quic/v1/session.proto`).
#[allow(clippy::all, clippy::pedantic, missing_docs)]
pub mod quic {
    include!(concat!(env!("OUT_DIR"), "/offhook.quic.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/offhook.quic.v1.serde.rs"));
}
