//! Bytes from strangers, thrown at everything that reads them. A target is an ordinary function
//! over bytes that may do anything but panic or run on; what it asserts is what must hold for any
//! input.
//!
//! `cargo test` replays the seeds in `corpus/<target>/` with all their cuts and changed bytes;
//! `make fuzz` mutates them for as long as it is told. To add a target, write a function and a line
//! in [`TARGETS`].

pub mod call;
pub mod client;
pub mod mutate;
pub mod rtc;
pub mod sdp;
pub mod sfu;
pub mod sip;
pub mod wire;

use std::path::PathBuf;

/// Something that reads bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called on the command line, and the folder of its seeds.
    pub name: &'static str,
    /// Reads one input.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "call", run: call::machine },
    Target { name: "client", run: client::message },
    Target { name: "client_hello", run: wire::client_hello },
    Target { name: "dd", run: wire::dd },
    Target { name: "payload", run: wire::payload },
    Target { name: "phone_sdp", run: sip::phone_sdp },
    Target { name: "roq", run: wire::roq },
    Target { name: "rtc_dtls", run: rtc::handshake },
    Target { name: "rtc_ice", run: rtc::check },
    Target { name: "rtc_srtp", run: rtc::protected },
    Target { name: "rtcp", run: wire::rtcp },
    Target { name: "rtp", run: wire::rtp },
    Target { name: "sdp", run: sdp::body },
    Target { name: "sfu_router", run: sfu::router },
    Target { name: "sip_message", run: sip::message },
    Target { name: "sip_stream", run: sip::stream },
    Target { name: "stun", run: wire::stun },
];

impl Target {
    /// The seeds of a target, by file name.
    pub fn seeds(&self) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut seeds = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let bytes = std::fs::read(&path)?;
            seeds.push((path, bytes));
        }
        seeds.sort();
        Ok(seeds)
    }
}

#[cfg(test)]
mod tests;
