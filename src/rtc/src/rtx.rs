//! Retransmission payloads (RFC 4588 §4): the original sequence number in front of the original
//! payload.

/// Splits the payload of a retransmission into the original sequence number and payload. `None`
/// when too short; an empty original payload is a probe and carries nothing.
#[inline]
pub fn unwrap(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (sequence, original) = payload.split_first_chunk()?;
    Some((u16::from_be_bytes(*sequence), original))
}

/// The two bytes to write in front of the original payload.
#[inline]
pub fn prefix(original_sequence: u16) -> [u8; 2] {
    original_sequence.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_comes_back() {
        let payload = [&prefix(0xfffe)[..], b"frame"].concat();
        assert_eq!(unwrap(&payload), Some((0xfffe, &b"frame"[..])));
        assert_eq!(unwrap(&payload[..2]), Some((0xfffe, &b""[..])));
        assert_eq!(unwrap(&payload[..1]), None);
    }
}
