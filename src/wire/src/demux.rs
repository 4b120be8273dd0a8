//! Which protocol a datagram belongs to, from its first two bytes (RFC 7983 §7, RFC 5761 §4).

/// The protocols that share one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Connectivity checks.
    Stun,
    /// Handshake and data channels.
    Dtls,
    /// Media.
    Rtp,
    /// Reports and feedback.
    Rtcp,
}

impl Kind {
    /// The protocol of a datagram; `None` for what we do not speak (ZRTP, TURN channels, QUIC) or
    /// too short to tell.
    #[inline]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        let &[first, second, ..] = datagram else { return None };
        match first {
            0..=3 => Some(Self::Stun),
            20..=63 => Some(Self::Dtls),
            // RFC 5761 §4: RTCP packet types 192 to 223 are payload types 64 to 95 with the marker,
            // which no media uses.
            128..=191 if (192..=223).contains(&second) => Some(Self::Rtcp),
            128..=191 => Some(Self::Rtp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide() {
        for (bytes, kind) in [
            (&[0u8, 1][..], Some(Kind::Stun)),
            (&[3, 0], Some(Kind::Stun)),
            (&[4, 0], None),
            (&[16, 0], None),
            (&[22, 254], Some(Kind::Dtls)),
            (&[63, 0], Some(Kind::Dtls)),
            (&[64, 0], None),
            (&[0x80, 111], Some(Kind::Rtp)),
            (&[0x90, 0x80 | 96], Some(Kind::Rtp)),
            (&[0xbf, 191], Some(Kind::Rtp)),
            (&[0x80, 200], Some(Kind::Rtcp)),
            (&[0x8f, 205], Some(Kind::Rtcp)),
            (&[0x80, 224], Some(Kind::Rtp)),
            (&[192, 0], None),
            (&[22], None),
            (&[], None),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:?}");
        }
    }
}
