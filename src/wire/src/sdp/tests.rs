use offhook_types::media::{Extension, Protocol};
use offhook_types::{Codec, H264, PayloadType, Ssrc};

use super::*;

macro_rules! corpus {
    ($name:literal) => {
        include_str!(concat!("offers/", $name, ".sdp"))
    };
}

const ALL: [&str; 11] = [
    corpus!("aiortc-sendrecv"),
    corpus!("chromium-recvonly"),
    corpus!("chromium-sendrecv"),
    corpus!("chromium-simulcast"),
    corpus!("chromium-single"),
    corpus!("firefox-simulcast"),
    corpus!("gstreamer-whip"),
    corpus!("libwebrtc-ssrc-simulcast"),
    corpus!("obs-whip"),
    corpus!("odd-sections"),
    corpus!("safari-sendrecv"),
];

/// A session with these lines behind the head.
fn with(lines: &str) -> Result<Session, SdpError> {
    let body = lines.trim_start().replace("\n", "\r\n");
    Session::parse(&format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{body}\r\n"))
}

/// One section with these attributes.
fn section(attributes: &str) -> Result<Section, SdpError> {
    let attributes = attributes.split(';').map(|a| format!("a={}\n", a.trim())).collect::<String>();
    let session = with(&format!("m=video 9 UDP/TLS/RTP/SAVPF 96 97\n{attributes}"))?;
    Ok(session.sections.into_iter().next().unwrap())
}

fn bad(attribute: &'static str) -> SdpError {
    SdpError::Attribute { attribute, place: Place::Section(0) }
}

#[test]
fn what_clients_write_survives_parsing_and_printing() {
    for text in ALL {
        let session = Session::parse(text).unwrap();
        let printed = session.to_string();
        assert_eq!(Session::parse(&printed).as_ref(), Ok(&session), "{printed}");
    }
}

#[test]
fn chromium_simulcast_offer_is_understood() {
    let session = Session::parse(corpus!("chromium-simulcast")).unwrap();
    assert!(session.extmap_allow_mixed && session.trickle && !session.ice_lite);
    assert_eq!(session.bundle.len(), 2);
    let [audio, video] = session.sections.as_slice() else { panic!() };
    assert_eq!(
        (audio.kind.media(), audio.direction),
        (Some(MediaKind::Audio), Direction::SendOnly)
    );
    assert!(video.rtcp_mux && video.rtcp_rsize && video.setup == Some(Setup::ActPass));
    let codecs: Vec<Codec> = video.formats.iter().filter_map(Format::codec).collect();
    let h264 = |packetization_mode, profile| Codec::H264(H264 { packetization_mode, profile });
    let expected = [
        Codec::Vp8,
        h264(1, 0x4200),
        h264(0, 0x4200),
        h264(1, 0x42e0),
        h264(0, 0x42e0),
        h264(1, 0x4d00),
        h264(0, 0x4d00),
        Codec::Av1 { profile: 0 },
        Codec::Vp9 { profile: 0 },
        Codec::Vp9 { profile: 2 },
    ];
    assert_eq!(codecs, expected);
    let rtx = Encoding::Rtx { of: PayloadType(96), clock_rate: 90_000 };
    assert_eq!(video.formats[1].encoding, rtx);
    let vp8 = &video.formats[0];
    for feedback in [Feedback::Nack, Feedback::NackPli, Feedback::CcmFir, Feedback::TransportCc] {
        assert!(vp8.has(&feedback));
    }
    let rid = Extmap { id: 10, direction: None, name: ExtensionName::Known(Extension::Rid) };
    assert!(video.extmaps.contains(&rid));
    let names: Vec<&str> = video.rids.iter().map(|line| line.rid.as_str()).collect();
    assert_eq!(names, ["q", "h", "f"]);
    assert_eq!(video.simulcast.as_ref().unwrap().send.len(), 3);
}

#[test]
fn session_level_attributes_reach_every_section() {
    let session = Session::parse(corpus!("odd-sections")).unwrap();
    for section in &session.sections {
        assert_eq!(section.ice.as_ref().unwrap().ufrag, "oddu");
        assert_eq!(section.setup, Some(Setup::Active));
        assert!(section.fingerprint.is_some());
    }
}

#[test]
fn sha_256_is_picked_among_fingerprints() {
    let session = Session::parse(corpus!("aiortc-sendrecv")).unwrap();
    assert_eq!(session.sections[0].fingerprint.unwrap().0[..3], [3, 10, 17]);
    let other = section("fingerprint:sha-1 AA:BB").unwrap();
    assert_eq!(other.fingerprint, None);
}

#[test]
fn ssrc_simulcast_and_old_streams_are_read() {
    let session = Session::parse(corpus!("libwebrtc-ssrc-simulcast")).unwrap();
    let [channels, _, video] = session.sections.as_slice() else { panic!() };
    assert_eq!((channels.sctp_port, channels.max_message_size), (Some(5000), Some(262_144)));
    assert_eq!(video.groups[0].semantics, GroupSemantics::Sim);
    assert_eq!(video.groups[0].ssrcs, [Ssrc(6001), Ssrc(6002), Ssrc(6003)]);
    let msid = Msid { stream: "native".into(), track: Some("cam".into()) };
    assert_eq!(video.sources[0].msid, Some(msid));
    let old =
        with("m=application 9 DTLS/SCTP 5000\na=sctpmap:5000 webrtc-datachannel 1024").unwrap();
    assert_eq!(old.sections[0].sctp_port, Some(5000));
    assert!(old.sections[0].protocol.is_sctp());
}

#[test]
fn h264_parameters_that_mean_the_same_compare_equal() {
    let profile = |fmtp: &str| {
        let section = section(&format!("rtpmap:96 H264/90000;fmtp:96 {fmtp}")).unwrap();
        section.formats[0].codec()
    };
    let h264 =
        |packetization_mode, profile| Some(Codec::H264(H264 { packetization_mode, profile }));
    for (fmtp, expected) in [
        ("profile-level-id=42c01f", h264(0, 0x42e0)),
        ("profile-level-id=4d801f", h264(0, 0x42e0)),
        ("PROFILE-LEVEL-ID=42E01F", h264(0, 0x42e0)),
        ("profile-level-id=640c1f", h264(0, 0x640c)),
        ("x=1", h264(0, 0x4200)),
        ("profile-level-id=42e0", None),
        ("profile-level-id=zzzzzz", None),
    ] {
        assert_eq!(profile(fmtp), expected, "{fmtp}");
    }
    // The semicolon splits attributes in this test, hence apart.
    let text = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 H264/90000\n\
                a=fmtp:96 packetization-mode=2;profile-level-id=42e01f";
    assert_eq!(with(text).unwrap().sections[0].formats[0].codec(), None);
}

#[test]
fn nonsense_in_an_attribute_names_it() {
    for (attributes, attribute) in [
        ("mid:this-identifier-is-too-long", "mid"),
        ("mid:", "mid"),
        ("ice-ufrag:abc", "ice-ufrag"),
        ("ice-ufrag:ab:cd", "ice-ufrag"),
        ("ice-ufrag:abcd", "ice-pwd"),
        ("ice-pwd:0123456789012345678901", "ice-ufrag"),
        ("fingerprint:sha-256 AA:BB", "fingerprint"),
        ("fingerprint:nothing", "fingerprint"),
        ("setup:maybe", "setup"),
        ("rtpmap:96", "rtpmap"),
        ("rtpmap:96 VP8", "rtpmap"),
        ("rtpmap:200 VP8/90000", "rtpmap"),
        ("rtpmap:97 rtx/90000", "rtpmap"),
        ("extmap:x urn:a", "extmap"),
        ("extmap:1", "extmap"),
        ("rid:q", "rid"),
        ("rid:q both", "rid"),
        ("simulcast:send", "simulcast"),
        ("ssrc:4294967296 cname:x", "ssrc"),
        ("ssrc-group:FID 1 x", "ssrc-group"),
        ("msid:", "msid"),
        ("sctp-port:65536", "sctp-port"),
        ("max-message-size:-1", "max-message-size"),
    ] {
        assert_eq!(section(attributes), Err(bad(attribute)), "{attributes}");
    }
}

#[test]
fn nonsense_around_attributes_is_refused() {
    let line = "a".repeat(MAX_LINE);
    assert_eq!(section(&line), Err(SdpError::TooLong { what: "a line", limit: MAX_LINE }));
    let long = Session::parse(&"v=0\r\n".repeat(MAX_TEXT / 5 + 1));
    assert_eq!(long, Err(SdpError::TooLong { what: "the text", limit: MAX_TEXT }));
    assert_eq!(Session::parse("v=0\r\nhello\r\n"), Err(SdpError::Line(2)));
    assert_eq!(Session::parse("v=0\r\na=\0\r\n"), Err(SdpError::Line(2)));
    assert_eq!(Session::parse(""), Err(SdpError::Grammar));
    assert_eq!(Session::parse("v=0\r\ns=-\r\n"), Err(SdpError::Grammar));
    assert_eq!(with("m=video 9 UDP/TLS/RTP/SAVPF x"), Err(SdpError::PayloadType(0)));
    assert_eq!(with("m=video 9 UDP/TLS/RTP/SAVPF 128"), Err(SdpError::PayloadType(0)));
    let twice = "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:0\n".repeat(2);
    assert_eq!(with(&twice), Err(SdpError::DuplicateMid(Mid::new(b"0").unwrap())));
}

#[test]
fn lists_are_bounded() {
    let many =
        |line: &str| (0..=MAX_LIST).map(|n| line.replace('#', &n.to_string()) + ";").collect();
    for (line, what) in [
        ("extmap:1 urn:#", "header extensions"),
        ("ssrc:# cname:x", "sources"),
        ("ssrc-group:FID #", "source groups"),
        ("msid:s #", "streams"),
        ("rid:r# send", "restriction identifiers"),
        ("candidate:1 1 udp # 192.0.2.1 9 typ host", "candidates"),
    ] {
        let lines: String = many(line);
        let error = SdpError::TooMany { what, limit: MAX_LIST };
        assert_eq!(section(lines.trim_end_matches(';')), Err(error), "{line}");
    }
    let sections = "m=audio 9 UDP/TLS/RTP/SAVPF 0\n".repeat(MAX_SECTIONS + 1);
    let error = SdpError::TooMany { what: "sections", limit: MAX_SECTIONS };
    assert_eq!(with(&sections), Err(error));
}

#[test]
fn candidates_are_read_as_clients_write_them() {
    for (text, good) in [
        ("candidate:1 1 UDP 2122260223 192.0.2.1 61764 typ host", true),
        ("a=candidate:1 1 udp 1 2001:db8::1 9 typ srflx raddr :: rport 0", true),
        ("1 1 tcp 1518280447 8f2e0f0c-mdns.local 9 typ host tcptype active", true),
        ("1 1 udp 1 192.0.2.1 9 typ relay generation 0 ufrag x", true),
        ("1 1 tcp 1 192.0.2.1 9 typ host generation 0 tcptype so", true),
        ("1 1 tcp 1 192.0.2.1 9 typ host", true),
        ("1 1 tcp 1 192.0.2.1 9 typ host tcptype sideways", false),
        ("1 1 tcp 1 192.0.2.1 9 typ host tcptype", false),
        ("", false),
        ("1 1 udp 1 192.0.2.1 9", false),
        ("1 0 udp 1 192.0.2.1 9 typ host", false),
        ("1 1 quic 1 192.0.2.1 9 typ host", false),
        ("1 1 udp 4294967296 192.0.2.1 9 typ host", false),
        ("1 1 udp 1 192.0.2.1 65536 typ host", false),
        ("1 1 udp 1 192.0.2.1 9 typ magic", false),
        ("candidate:a=1 1 udp 1 192.0.2.1 9 typ host", false),
        ("candidate:candidate:1 1 udp 1 192.0.2.1 9 typ host", false),
    ] {
        assert_eq!(text.parse::<Candidate>().is_ok(), good, "{text}");
    }
    let host =
        |protocol, address: &str, rank| Candidate::host(protocol, address.parse().unwrap(), rank);
    let best = host(Protocol::Udp, "192.0.2.1:7882", 0);
    let next = host(Protocol::Udp, "[2001:db8::1]:7882", 1);
    let last = host(Protocol::Tcp, "192.0.2.1:7881", 2);
    assert!(best.priority > next.priority && next.priority > last.priority);
    assert_eq!(best.to_string(), "1 1 udp 2130706431 192.0.2.1 7882 typ host");
    let passive = "3 1 tcp 1520434687 192.0.2.1 7881 typ host tcptype passive";
    assert_eq!(last.to_string(), passive);
    assert_eq!([next.to_string().parse(), passive.parse()], [Ok(next), Ok(last)]);
}

#[test]
fn fragments_carry_candidates_and_restarts() {
    let fragment = Fragment::parse(corpus!("fragment-restart")).unwrap();
    assert_eq!(fragment.ice.as_ref().unwrap().ufrag, "ysXw");
    assert_eq!((fragment.candidates.len(), fragment.end_of_candidates), (2, true));
    assert_eq!(Fragment::parse(&fragment.to_string()), Ok(fragment));
    assert_eq!(Fragment::parse(""), Ok(Fragment::default()));
    for text in ["hello", "a=ice-ufrag:abcd", "a=candidate:x", "a=mid:\u{e9}"] {
        assert!(Fragment::parse(text).is_err(), "{text}");
    }
    assert!(Fragment::parse(&"a=end-of-candidates\r\n".repeat(10_000)).is_err());
}

/// Every prefix, and every line left out or doubled, is a value or an error.
#[test]
fn broken_descriptions_do_no_harm() {
    // The long ones say the same thing more often.
    for text in ALL.into_iter().filter(|text| text.len() < 2000) {
        for end in (0..text.len()).step_by(31) {
            let _ = Session::parse(&text[..end]);
        }
        let lines: Vec<&str> = text.lines().collect();
        for gone in 0..lines.len() {
            let rest = lines.iter().enumerate().filter(|&(index, _)| index != gone);
            let rest: Vec<&str> = rest.map(|(_, line)| *line).collect();
            if let Ok(session) = Session::parse(&rest.join("\r\n")) {
                let printed = session.to_string();
                assert!(Session::parse(&printed).is_ok(), "{printed}");
            }
        }
    }
}
