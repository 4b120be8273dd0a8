//! Messages for the ladder of a call, without what proves a password.

use super::{Agent, Handle, Output, Trace, Transport, Way};
use core::net::SocketAddr;

impl Agent {
    /// Says that a message passed.
    pub(super) fn trace(
        &mut self,
        handle: Option<Handle>,
        way: Way,
        (transport, remote): (Transport, SocketAddr),
        bytes: &[u8],
    ) {
        if self.config.trace {
            let (at, text) = (self.now, without_credentials(bytes));
            let trace = Trace { handle, at, way, transport, remote, text };
            self.out.push_back(Output::Trace(trace));
        }
    }
}

/// The header lines that hold answers to challenges, shortened to their names. A line that a folded
/// one belongs to goes with it.
fn without_credentials(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut head, mut hiding) = (true, false);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        head &= !line.trim_ascii().is_empty();
        let folded = line.first().is_some_and(|byte| b" \t".contains(byte));
        hiding = head && (folded && hiding || !folded && is_secret(line));
        if !hiding {
            out.extend_from_slice(line);
        } else if !folded {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            out.extend_from_slice(name.trim_ascii());
            out.extend_from_slice(b": [redacted]\r\n");
        }
    }
    out
}

fn is_secret(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default().trim_ascii();
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

const SECRET: &[&str] = &["Authorization", "Proxy-Authorization"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_challenges_are_not_traced() {
        let message =
            b"REGISTER sip:a SIP/2.0\r\nauthorization : Digest response=\"1\"\r\n  x=\"2\"\r\n\
            Via: a\r\nProxy-Authorization: b\r\n\r\nAuthorization: in the body\r\n";
        let text = String::from_utf8(without_credentials(message)).unwrap();
        assert_eq!(
            text,
            "REGISTER sip:a SIP/2.0\r\nauthorization: [redacted]\r\nVia: a\r\n\
            Proxy-Authorization: [redacted]\r\n\r\nAuthorization: in the body\r\n"
        );
    }
}
