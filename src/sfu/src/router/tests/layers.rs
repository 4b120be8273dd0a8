//! Spatial layers inside one stream, told apart by dependency descriptors.

use offhook_wire::dd;

use super::*;

/// Bits written as text, spaces ignored.
fn bytes(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |value, (at, bit)| value | bit << (7 - at)))
        .collect()
}

/// Two spatial layers that depend on each other in key frames only. Templates: key and other frame of the
/// lower layer, key and other frame of the upper one.
const STRUCTURE: &str = concat!(
    "1 0 0 0 0 000000 00001 00 10 00 11 10 10 10 00 00 10 00 11",
    "0 100010 100000 100010 10 0 1 0000 0000 0010 0001 0001 0000 0001 0010 0",
);

const AV1: Codec = Codec::Av1 { profile: 0 };
const VP9: Codec = Codec::Vp9 { profile: 0 };

/// A stream of two spatial layers, each frame in one packet.
struct Stream {
    stage: Stage,
    codec: Codec,
    number: u16,
    picture: u32,
    first: Option<u64>,
    structure: dd::Structure,
}

impl Stream {
    fn new(codec: Codec, receiver: Extensions, want: Want) -> Self {
        let mut stage = Stage::new(1, MediaKind::Video);
        let agreed = negotiated(&[(122, VP9), (126, AV1)]);
        let agreed = Negotiated { extensions: receiver, ..agreed };
        stage.router.set_negotiated(stage.now, LEG, &agreed);
        let egress = egress(TRACK, MediaKind::Video, SSRC);
        stage.router.subscribe(stage.now, LEG, &egress, want).unwrap();
        let value = bytes(&format!("1 1 000000 0000000000000000 {STRUCTURE}"));
        let structure = dd::Structure::parse(&dd::Descriptor::parse(&value).unwrap()).unwrap();
        Self { stage, codec, number: 6, picture: 0, first: None, structure }
    }

    fn want(&mut self, want: Want) {
        self.stage.router.set_want(self.stage.now, LEG, TRACK, want);
    }

    /// Both layers of the next picture.
    fn picture(&mut self, key: bool) -> Vec<String> {
        self.picture += 1;
        (0..2).filter_map(|spatial| self.frame(spatial, key)).collect()
    }

    /// What the leg gets: number, layer, marker, and which targets it is told to count on.
    fn frame(&mut self, spatial: u8, key: bool) -> Option<String> {
        self.number += 1;
        let template = 2 * spatial + u8::from(!key);
        let structure = if key && spatial == 0 { STRUCTURE } else { "" };
        let descriptor = bytes(&format!("11{template:06b}{:016b}{structure}", self.number));
        let place = (0, u64::from(self.number), self.picture * 3000);
        let mut source = match self.codec {
            VP9 => Source::vp9(place, (spatial, 0), key),
            _ => Source::new(AV1, place, &[if key && spatial == 0 { 0x18 } else { 0x10 }, 1]),
        };
        source.marker = spatial == 1;
        let source = source.with(Extension::DependencyDescriptor, &descriptor);
        let bytes = source.bytes();
        let (mut line, first, structure) = (None, &mut self.first, &self.structure);
        let number = self.number;
        self.stage.router.route(self.stage.now, TRACK, &source.inbound(&bytes), &mut |_, sent| {
            let first = *first.get_or_insert(sent.sequence);
            let mut out = [0; 300];
            let len = sent.write_header(&mut out, None).unwrap();
            let packet = rtp::Packet::parse(&out[..len]).unwrap();
            let id = ids(1).id(Extension::DependencyDescriptor).unwrap();
            let active = packet.extension(id).and_then(|value| {
                let descriptor = dd::Descriptor::parse(value).unwrap();
                assert_eq!(descriptor.frame_number, number, "frames refer to each other by number");
                structure.active(&descriptor)
            });
            let active = active.map_or(String::new(), |active| format!(" {active:02b}"));
            let marker = if packet.header().marker { " m" } else { "" };
            line = Some(format!("+{} s{spatial}{active}{marker}", sent.sequence - first));
        });
        line
    }
}

#[test]
fn the_lower_target_ends_its_pictures_and_says_that_it_is_all() {
    let mut stream = Stream::new(AV1, ids(1), want(0, 9));
    assert_eq!(stream.picture(true), ["+0 s0 01 m"]);
    assert_eq!(stream.picture(false), ["+1 s0 m"]);
    stream.want(want(1, 9));
    assert_eq!(stream.stage.asked(), [0], "a higher target begins at a key frame");
    assert_eq!(stream.picture(false), ["+2 s0 m"]);
    assert_eq!(stream.picture(true), ["+3 s0 11", "+4 s1 11 m"]);
    // The lower layer's frames are of no use to the upper one.
    assert_eq!(stream.picture(false), ["+5 s1 m"]);
    // For the same reason there is no way back but by a key frame.
    stream.stage.now = stream.stage.now + Duration::from_secs(1);
    stream.want(want(0, 9));
    assert_eq!(stream.stage.asked(), [0]);
    assert_eq!(stream.picture(false), ["+6 s1 m"]);
    assert_eq!(stream.picture(true), ["+7 s0 01 m"]);
    assert_eq!(stream.picture(false), ["+8 s0 m"]);
    assert!(stream.stage.asked().is_empty());
}

#[test]
fn vp9_goes_by_targets_only_for_who_reads_descriptors() {
    let mut stream = Stream::new(VP9, ids(1), want(1, 9));
    assert_eq!(stream.picture(true), ["+0 s0 11", "+1 s1 11 m"]);
    assert_eq!(stream.picture(false), ["+2 s1 m"]);
    let mut blind = ids(1);
    blind.set(Extension::DependencyDescriptor, 0);
    let mut stream = Stream::new(VP9, blind, want(1, 9));
    assert_eq!(stream.picture(true), ["+0 s0", "+1 s1 m"]);
    assert_eq!(stream.picture(false), ["+2 s0", "+3 s1 m"]);
    stream.want(want(0, 9));
    assert_eq!(stream.picture(false), ["+4 s0 m"]);
}

#[test]
fn what_goes_by_descriptors_is_sent_again_as_a_retransmission_only() {
    let mut stream = Stream::new(AV1, ids(1), want(0, 9));
    stream.picture(true);
    let (now, sequence) = (stream.stage.now, stream.first.unwrap() as u16);
    let found = stream.stage.router.resend(now, (LEG, SSRC), sequence, Duration::ZERO);
    assert!(found.unwrap().rtx.is_some());
    let plain = Egress { rtx: None, ..egress(TRACK, MediaKind::Video, SSRC) };
    stream.stage.router.subscribe(now, LEG, &plain, want(0, 9)).unwrap();
    let found = stream.stage.router.resend(now, (LEG, SSRC), sequence, Duration::ZERO);
    assert_eq!(found.err(), Some(Refusal::Unknown));
}
