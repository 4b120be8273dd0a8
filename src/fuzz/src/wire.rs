//! Everything that arrives on the media port.

use offhook_types::{Codec, H264};
use offhook_wire::payload::{Description, red};
use offhook_wire::{
    demux, dtls, roq as roq_wire, rtcp as rtcp_wire, rtp as rtp_wire, stun as stun_wire,
};

/// A decrypted RTP packet: what is read lies inside, and a rewritten header reads the same.
pub fn rtp(data: &[u8]) {
    let _ = demux::Kind::of(data);
    let Ok(packet) = rtp_wire::Packet::parse(data) else { return };
    let whole = packet.head.header_len + packet.payload.len() + usize::from(packet.padding);
    assert_eq!(whole, data.len());
    let extensions = packet.head.extensions;
    assert!(extensions.iter().all(|(id, value)| id > 0 && value.len() <= 255));
    // An extension takes one byte more in the two-byte form.
    let mut out = vec![0; 2 * data.len() + 64];
    let Some(len) = rtp_wire::write_header(&mut out, packet.header(), extensions.iter()) else {
        // Only an empty or overlong block cannot be written again.
        return assert!(extensions.iter().next().is_some());
    };
    let again = rtp_wire::Head::parse(&out[..len]).map(|head| head.extensions);
    assert!(again.is_ok_and(|again| again.iter().eq(extensions.iter())));
}

/// A decrypted RTCP compound: every iterator ends.
pub fn rtcp(data: &[u8]) {
    use rtcp_wire::Packet;
    let mut items = 0;
    for packet in rtcp_wire::packets(data) {
        items += 1;
        items += match packet {
            Ok(Packet::SenderReport(report)) => report.blocks.iter().count(),
            Ok(Packet::ReceiverReport { blocks, .. }) => blocks.iter().count(),
            Ok(Packet::Sdes(sdes)) => sdes.cnames().count(),
            Ok(Packet::Bye(sources)) => sources.iter().count(),
            Ok(Packet::Nack(nack)) => {
                // Seventeen numbers for each four bytes.
                let count = nack.sequences().count();
                assert!(count <= 17 * data.len() / 4);
                0
            }
            Ok(Packet::Fir(fir)) => fir.entries().count(),
            Ok(Packet::Remb(remb)) => remb.sources.iter().count(),
            Ok(Packet::TransportCc(feedback)) => {
                assert_eq!(feedback.arrivals().count(), usize::from(feedback.count));
                0
            }
            Ok(Packet::Pli { .. } | Packet::Unknown { .. }) | Err(_) => 0,
        };
    }
    assert!(items <= data.len());
}

/// A STUN message. Nobody knows the key, so nothing may verify.
pub fn stun(data: &[u8]) {
    let Ok(message) = stun_wire::Message::parse(data) else { return };
    assert!(message.attributes().all(|(_, value)| value.len() <= data.len()));
    let _ = (message.username(), message.priority(), message.use_candidate());
    let _ = (message.ice_controlling(), message.ice_controlled(), message.error_code());
    let _ = (message.xor_mapped_address(), message.unknown_required().count());
    let _ = message.verify_fingerprint();
    assert!(!message.verify_integrity(&stun_wire::IntegrityKey::new(b"a key that no seed uses")));
}

/// Payload headers of every codec; the first byte picks one.
pub fn payload(data: &[u8]) {
    let Some((&which, payload)) = data.split_first() else { return };
    let codec = CODECS[usize::from(which) % CODECS.len()];
    match Description::of(codec, payload) {
        Ok(Description::Vp8(d)) => {
            assert!(usize::from(d.len) <= payload.len());
            if let Some(id) = d.picture_id {
                let mut copy = payload.to_vec();
                assert!(id.rewrite(&mut copy, id.value).is_some());
                assert_eq!(copy, payload);
            }
        }
        Ok(Description::Vp9(d)) => assert!(usize::from(d.len) <= payload.len().max(255)),
        _ => {}
    }
    if let Ok((_, primary)) = red::primary(payload) {
        assert!(primary.len() < payload.len());
    }
}

/// Codecs that [`payload`] chooses from.
pub const CODECS: [Codec; 6] = [
    Codec::Vp8,
    Codec::Vp9 { profile: 0 },
    Codec::H264(H264 { packetization_mode: 1, profile: 0x42e0 }),
    Codec::Av1 { profile: 0 },
    Codec::Opus,
    Codec::Red,
];

/// A dependency descriptor, with the structure it may carry.
pub fn dd(data: &[u8]) {
    use offhook_wire::dd::{Descriptor, Layers, Structure};
    let Ok(descriptor) = Descriptor::parse(data) else { return };
    let Ok(structure) = Structure::parse(&descriptor) else { return };
    if let Some(layers) = structure.layers(&descriptor) {
        assert!(layers.spatial < 4 && layers.temporal < 8);
        structure.indications(&descriptor);
    }
    structure.target(Layers::default());
    let active = structure.active(&descriptor).unwrap_or_default();
    let mut copy = [0; 300];
    let len = structure.activate(&descriptor, active).write(data, &mut copy);
    if let Some(copy) = len.and_then(|len| copy.get(..len)) {
        let again = Descriptor::parse(copy).map(|descriptor| structure.active(&descriptor));
        assert_eq!(again, Ok(Some(active)));
    }
}

/// The first datagram of a handshake.
pub fn client_hello(data: &[u8]) {
    if let Ok(dtls::Hello::Whole(hello)) = dtls::sniff(data) {
        assert!(hello.srtp_profiles().count() <= data.len() / 2);
    }
}

/// A QUIC datagram, and the same bytes as a stream of packets: what is read lies inside and is written the same.
pub fn roq(data: &[u8]) {
    use offhook_wire::cursor::Reader;
    if let Ok((flow, packet)) = roq_wire::datagram(data) {
        assert!(!packet.is_empty() && data.ends_with(packet));
        let written = roq_wire::Varint::from(flow);
        assert!(written.as_bytes().len() + packet.len() <= data.len());
        assert_eq!(roq_wire::varint(&mut Reader::new(written.as_bytes())), Ok(flow.get()));
    }
    let mut reader = Reader::new(data);
    while let Ok(len) = roq_wire::varint(&mut reader) {
        let Ok(packet) = reader.take(usize::try_from(len).unwrap_or(usize::MAX)) else { break };
        assert!(packet.len() < data.len());
    }
}
