//! Offers as real clients write them, and the facts of our answers.

use super::*;

/// What an answer comes to: a word for each section, then how many encodings each sending one has.
fn check(policy: Policy, text: &str, expected: &[&str], layers: &[usize]) -> Session {
    let offer = parse(text);
    let mut negotiation = new(policy);
    let (agreement, read) = answer(&mut negotiation, &offer);
    assert_eq!(directions(&read), expected);
    let found: Vec<usize> = agreement.incoming.iter().map(|i| i.layers.len()).collect();
    assert_eq!(found, layers);
    for (offered, answered) in offer.sections.iter().zip(&read.sections) {
        for format in answered.formats.iter().filter(|_| !answered.rejected()) {
            let same = offered.formats.iter().find(|f| f.payload_type == format.payload_type);
            assert_eq!(same.map(|f| &f.encoding), Some(&format.encoding), "the peer's numbers");
        }
    }
    read
}

fn names(section: &Section) -> Vec<String> {
    section.formats.iter().map(|format| format.encoding.to_string()).collect()
}

#[test]
fn chromium() {
    let read = check(WHIP, CHROMIUM_SIMULCAST, &["recvonly"; 2], &[1, 3]);
    assert_eq!(names(&read.sections[0]), ["opus/48000/2"], "no red, no telephone-event");
    assert!(!names(&read.sections[1]).iter().any(|name| name.contains("red")));
    check(WHEP, CHROMIUM_RECVONLY, &["sendonly"; 2], &[]);
    check(WHIP, CHROMIUM_SENDRECV, &["recvonly"; 2], &[1, 1]);
    check(WHEP, CHROMIUM_SENDRECV, &["sendonly"; 2], &[]);
    let mut expected = ["inactive"; 8];
    expected[6..].copy_from_slice(&["recvonly", "sendrecv"]);
    let read = check(LIVEKIT, CHROMIUM_SINGLE, &expected, &[1]);
    assert_eq!(read.sections[7].other_formats, ["webrtc-datachannel"]);
    assert_eq!(read.sections[7].sctp_port, Some(5000));
}

#[test]
fn firefox() {
    let read = check(WHIP, FIREFOX_SIMULCAST, &["recvonly"; 2], &[1, 3]);
    let rid = read.sections[1].extmaps.iter().find(|e| e.id == 8).unwrap();
    assert_eq!(rid.direction, Some(Direction::RecvOnly), "what it only sends we only receive");
    assert_eq!(read.sections[0].formats[0].fmtp, "useinbandfec=1");
}

#[test]
fn safari() {
    let read = check(WHIP, SAFARI_SENDRECV, &["recvonly"; 2], &[1, 1]);
    assert!(!names(&read.sections[1]).iter().any(|name| name.starts_with("H265")));
    let mut negotiation = new(WHIP);
    let (agreement, _) = answer(&mut negotiation, &parse(SAFARI_SENDRECV));
    let layer =
        Layer { rid: None, ssrc: Some(Ssrc(2002)), rtx: Some(Ssrc(2003)), ..Layer::default() };
    assert_eq!(agreement.incoming[1].layers, [layer]);
}

#[test]
fn aiortc() {
    let read = check(WHIP, AIORTC_SENDRECV, &["recvonly"; 2], &[1, 1]);
    assert!(!read.extmap_allow_mixed);
    check(WHEP, AIORTC_SENDRECV, &["sendonly"; 2], &[]);
}

#[test]
fn gstreamer() {
    let read = check(WHIP, GSTREAMER_WHIP, &["recvonly"; 2], &[1, 1]);
    assert_eq!(read.bundle, [mid("video0"), mid("audio1")]);
    assert_eq!(read.sections[1].port, 9, "bundle-only is no rejection");
}

#[test]
fn obs() {
    let read = check(WHIP, OBS_WHIP, &["recvonly"; 2], &[1, 1]);
    let opus = "minptime=10;useinbandfec=1;stereo=1";
    assert_eq!(read.sections[0].formats[0].fmtp, opus, "it says that it has stereo");
}

#[test]
fn native_with_ssrc_simulcast() {
    let expected = ["sendrecv", "recvonly", "recvonly"];
    check(LIVEKIT, LIBWEBRTC_SSRC_SIMULCAST, &expected, &[1, 3]);
    let mut negotiation = new(WHIP);
    let (agreement, read) = answer(&mut negotiation, &parse(LIBWEBRTC_SSRC_SIMULCAST));
    assert_eq!(directions(&read), ["rejected", "recvonly", "recvonly"], "no channels at this door");
    let layer = |n: u32| Layer {
        rid: None,
        ssrc: Some(Ssrc(6000 + n)),
        rtx: Some(Ssrc(6010 + n)),
        ..Layer::default()
    };
    assert_eq!(agreement.incoming[1].layers, [layer(1), layer(2), layer(3)]);
}

#[test]
fn what_cannot_be_bundled_or_decoded_is_rejected() {
    let expected = ["rejected", "rejected", "recvonly", "rejected", "rejected"];
    let read = check(WHIP, ODD_SECTIONS, &expected, &[1]);
    assert_eq!(read.bundle, [mid("c")]);
    assert_eq!(read.sections[2].candidates.len(), 2);
}

#[test]
fn one_section_needs_no_bundle() {
    let mut offer = parse(OBS_WHIP);
    offer.bundle.clear();
    let (_, read) = answer(&mut new(WHIP), &offer);
    assert_eq!(directions(&read), ["recvonly", "rejected"]);
}
