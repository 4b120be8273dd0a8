use super::*;

fn parse(bytes: &[u8]) -> Parsed<(Header, usize, Vec<u8>)> {
    Packet::parse(bytes).map(|p| (*p.header(), p.head.header_len, p.payload.to_vec()))
}
