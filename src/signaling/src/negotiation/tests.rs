use std::collections::BTreeSet;

use offhook_types::media::{Candidate, Command, Connection, Extension, Layer};
use offhook_types::{PayloadType, Rid};
use offhook_wire::sdp::{
    Direction, Encoding, ExtensionName, Feedback, GroupSemantics, Section, Setup,
};

use super::*;

mod peers;
mod server_offers;

macro_rules! corpus {
    ($($constant:ident = $name:literal;)*) => {
        $(const $constant: &str =
            include_str!(concat!("../../../wire/src/sdp/offers/", $name, ".sdp"));)*
    };
}

corpus! {
    AIORTC_SENDRECV = "aiortc-sendrecv";
    CHROMIUM_RECVONLY = "chromium-recvonly";
    CHROMIUM_SENDRECV = "chromium-sendrecv";
    CHROMIUM_SIMULCAST = "chromium-simulcast";
    CHROMIUM_SINGLE = "chromium-single";
    FIREFOX_SIMULCAST = "firefox-simulcast";
    GSTREAMER_WHIP = "gstreamer-whip";
    LIBWEBRTC_SSRC_SIMULCAST = "libwebrtc-ssrc-simulcast";
    OBS_WHIP = "obs-whip";
    ODD_SECTIONS = "odd-sections";
    SAFARI_SENDRECV = "safari-sendrecv";
}

const WHIP: Policy = Policy { publish: true, subscribe: false, data: false, idle: Idle::Announced };
const WHEP: Policy = Policy { publish: false, subscribe: true, data: false, idle: Idle::Announced };
const LIVEKIT: Policy = Policy { publish: true, subscribe: true, data: true, idle: Idle::Inactive };

fn local() -> Local {
    Local {
        room: RoomId(1),
        placement: Placement {
            leg: LegId(7),
            candidates: vec![
                Candidate::udp("192.0.2.1:7882".parse().unwrap()),
                Candidate::tcp("[2001:db8::1]:7881".parse().unwrap()),
            ],
            inside: "127.0.0.1:7882".parse().unwrap(),
        },
        ice: ice("first"),
        fingerprint: Fingerprint([9; 32]),
    }
}

fn ice(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.into(), pwd: format!("{name}0123456789012345678901") }
}

fn new(policy: Policy) -> Negotiation {
    Negotiation::new(local(), policy, Rng::from_seed(3))
}

fn parse(text: &str) -> Session {
    Session::parse(text).unwrap()
}

fn wish(track: u64, kind: MediaKind) -> Wish {
    Wish {
        track: TrackId(track),
        kind,
        mime: String::new(),
        source: LegId(1),
        stream: format!("PA_{track}|camera"),
        reused: None,
        label: TrackId(track).to_string(),
        want: Want::BEST,
    }
}

/// Answers an offer; the answer is what the peer reads.
fn answer(negotiation: &mut Negotiation, offer: &Session) -> (Agreement, Session) {
    let (agreement, answer) = negotiation.answer(offer, &mut || ice("second")).unwrap();
    let read = parse(&answer.to_string());
    assert_eq!(read.sections.len(), offer.sections.len(), "as many sections as offered");
    for (offered, answered) in offer.sections.iter().zip(&read.sections) {
        assert_eq!((&offered.kind, offered.mid), (&answered.kind, answered.mid), "order is kept");
    }
    (agreement, read)
}

fn directions(session: &Session) -> Vec<&'static str> {
    let word = |s: &Section| if s.rejected() { "rejected" } else { s.direction.as_str() };
    session.sections.iter().map(word).collect()
}

/// A section's identifier as the peer numbered it.
fn mid(text: &str) -> Mid {
    Mid::new(text.as_bytes()).unwrap()
}

/// Receiving sections of the peer: this many of each kind, in the order audio, video.
fn receiver(audio: usize, video: usize) -> Session {
    let mut offer = parse(CHROMIUM_RECVONLY);
    let [a, v] = [offer.sections[0].clone(), offer.sections[1].clone()];
    let all = std::iter::repeat_n(a, audio).chain(std::iter::repeat_n(v, video));
    offer.sections = all.collect();
    renumber(&mut offer);
    offer
}

fn renumber(offer: &mut Session) {
    offer.bundle.clear();
    for (index, section) in offer.sections.iter_mut().enumerate() {
        section.mid = Some(mid(&index.to_string()));
        offer.bundle.extend(section.mid);
    }
}

#[test]
fn the_answer_says_where_we_are() {
    let (_, answer) = answer(&mut new(WHIP), &parse(CHROMIUM_SIMULCAST));
    assert!(answer.ice_lite && !answer.trickle && answer.extmap_allow_mixed);
    assert_eq!(answer.bundle, [mid("0"), mid("1")]);
    for (index, section) in answer.sections.iter().enumerate() {
        assert_eq!(section.setup, Some(Setup::Passive));
        assert_eq!(section.fingerprint, Some(Fingerprint([9; 32])));
        assert!(section.ice == Some(ice("first")) && section.rtcp_mux);
        let expected = if index == 0 { 2 } else { 0 };
        assert_eq!(section.candidates.len(), expected, "candidates stand for the bundle");
        assert_eq!(section.end_of_candidates, index == 0);
    }
}

#[test]
fn simulcast_is_taken_from_low_to_high() {
    for (text, expected) in [
        (CHROMIUM_SIMULCAST.to_owned(), ["q", "h", "f"]),
        (FIREFOX_SIMULCAST.to_owned(), ["q", "h", "f"]),
        (
            CHROMIUM_SIMULCAST
                .replace("rid:q ", "rid:2 ")
                .replace("rid:h ", "rid:0 ")
                .replace("rid:f ", "rid:1 ")
                .replace("q;h;f", "2;0;1"),
            ["0", "1", "2"],
        ),
        (
            CHROMIUM_SIMULCAST
                .replace("rid:q ", "rid:high ")
                .replace("rid:h ", "rid:mid ")
                .replace("rid:f ", "rid:low ")
                .replace("q;h;f", "high;mid;low"),
            ["low", "mid", "high"],
        ),
        (
            CHROMIUM_SIMULCAST
                .replace("rid:q send", "rid:x send max-width=9")
                .replace("rid:h send", "rid:y send max-width=3")
                .replace("rid:f send", "rid:z send max-width=5")
                .replace("q;h;f", "x;y;z"),
            ["y", "z", "x"],
        ),
        (
            CHROMIUM_SIMULCAST
                .replace("rid:q ", "rid:x ")
                .replace("rid:h ", "rid:a ")
                .replace("rid:f ", "rid:k ")
                .replace("q;h;f", "x;a;k"),
            ["x", "a", "k"],
        ),
    ] {
        let offer = parse(&text);
        let (agreement, answer) = answer(&mut new(WHIP), &offer);
        let layers = &agreement.incoming[1].layers;
        let names: Vec<&str> = layers.iter().map(|l| l.rid.as_ref().unwrap().as_str()).collect();
        assert_eq!(names, expected);
        let video = &answer.sections[1];
        let offered = offer.sections[1].simulcast.as_ref().unwrap();
        assert_eq!(video.simulcast.as_ref().unwrap().recv, offered.send, "the peer's own order");
        assert!(video.rids.iter().all(|line| line.direction == Direction::RecvOnly));
        assert_eq!(video.rids.len(), 3);
    }
}

#[test]
fn the_door_may_know_the_order_better() {
    let mut negotiation = new(WHIP);
    answer(&mut negotiation, &parse(CHROMIUM_SIMULCAST));
    let told = [("f", 1), ("q", 2)].map(|(name, rate)| {
        let rid = Rid::new(name.as_bytes());
        Layer { rid, rate, ..Layer::default() }
    });
    let bound = negotiation.bind(1, TrackId(1), &told).unwrap();
    let names: Vec<String> = bound.layers.iter().map(|l| l.rid.unwrap().to_string()).collect();
    assert_eq!(names, ["f", "q", "h"]);
    let rates: Vec<u32> = bound.layers.iter().map(|layer| layer.rate).collect();
    assert_eq!(rates, [1, 2, 0]);
    let (agreement, _) = answer(&mut negotiation, &parse(CHROMIUM_SIMULCAST));
    assert_eq!(agreement.incoming[1].layers, bound.layers, "kept over another offer");
    assert_eq!(agreement.incoming[1].track, Some(TrackId(1)));
}

#[test]
fn layers_in_one_stream_take_what_the_largest_is_set_to() {
    let mut negotiation = new(WHIP);
    answer(&mut negotiation, &parse(CHROMIUM_SIMULCAST));
    let told = [150, 1700, 500].map(|rate| Layer { rate, ..Layer::default() });
    // The first section is a sound, which comes in one.
    let bound = negotiation.bind(0, TrackId(1), &told).unwrap();
    assert_eq!(bound.layers.iter().map(|layer| layer.rate).collect::<Vec<_>>(), [1700]);
}

#[test]
fn simulcast_without_its_header_extension_is_one_encoding() {
    let text = CHROMIUM_SIMULCAST;
    let text = text.replace("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "urn:x");
    let (agreement, answer) = answer(&mut new(WHIP), &parse(&text));
    assert_eq!(agreement.incoming[1].layers.len(), 1);
    assert!(answer.sections[1].simulcast.is_none() && answer.sections[1].rids.is_empty());
}

#[test]
fn transport_wide_feedback_is_agreed_both_ways_and_remb_from_receivers_only_without_it() {
    let mut offer = parse(CHROMIUM_SIMULCAST);
    offer.sections.extend(parse(CHROMIUM_RECVONLY).sections);
    renumber(&mut offer);
    let mut negotiation = new(LIVEKIT);
    negotiation.wish(vec![wish(1, MediaKind::Audio), wish(2, MediaKind::Video)]);
    let (_, answer) = answer(&mut negotiation, &offer);
    assert_eq!(directions(&answer), ["recvonly", "recvonly", "sendonly", "sendonly"]);
    let extension = ExtensionName::Known(Extension::TransportCc);
    for section in &answer.sections {
        let feedback = section.formats.iter().any(|f| f.has(&Feedback::TransportCc));
        let extmap = section.extmaps.iter().any(|extmap| extmap.name == extension);
        assert!(feedback && extmap);
        // What we receive may be asked to stay under a rate.
        let remb = section.formats.iter().any(|f| f.has(&Feedback::GoogRemb));
        let taken = section.direction.receives() && section.kind == SectionKind::Video;
        assert_eq!(remb, taken, "{:?}", section.mid);
    }
    let text = CHROMIUM_RECVONLY.replace(" transport-cc", " x");
    let mut negotiation = new(LIVEKIT);
    negotiation.wish(vec![wish(2, MediaKind::Video)]);
    let (_, answer) = self::answer(&mut negotiation, &parse(&text));
    let sends =
        |section: &&Section| section.direction.sends() && section.kind == SectionKind::Video;
    let video = answer.sections.iter().find(sends).unwrap();
    assert!(video.formats.iter().any(|f| f.has(&Feedback::GoogRemb)));
}

#[test]
fn commands_open_the_leg_once_and_then_say_what_changed() {
    let mut negotiation = new(LIVEKIT);
    let mut offer = parse(CHROMIUM_SIMULCAST);
    offer.sections.extend(parse(CHROMIUM_RECVONLY).sections);
    renumber(&mut offer);
    negotiation.wish(vec![wish(5, MediaKind::Video)]);
    answer(&mut negotiation, &offer);
    negotiation.bind(1, TrackId(1), &[]);
    let commands = negotiation.commands();
    let [Command::OpenLeg(open), Command::SetNegotiated { negotiated, .. }, rest @ ..] =
        commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    let Connection::Ice { remote: Some(_), opens_channels: false, .. } = open.connection else {
        panic!("{open:?}")
    };
    let vp8 = negotiated.codecs.iter().find(|params| params.codec == Codec::Vp8).unwrap();
    assert_eq!((vp8.payload_type, vp8.rtx), (PayloadType(96), Some(PayloadType(97))));
    assert!(vp8.nack && vp8.pli && vp8.transport_cc);
    assert_eq!(negotiated.extensions.id(Extension::Rid), Some(10));
    assert_eq!(negotiated.extensions.id(Extension::AbsSendTime), None);
    let [Command::AddIngress { ingress, .. }, Command::AddEgress { egress, .. }] = rest else {
        panic!("{rest:?}")
    };
    assert_eq!((ingress.track, ingress.mid, ingress.layers.len()), (TrackId(1), Some(mid("1")), 3));
    assert_eq!((egress.track, egress.mid), (TrackId(5), mid("3")));
    assert!(egress.rtx.is_some());

    assert_eq!(negotiation.commands(), []);
    answer(&mut negotiation, &offer);
    assert_eq!(negotiation.commands(), [], "the same offer again changes nothing");
    negotiation.unbind(TrackId(1));
    negotiation.wish(Vec::new());
    let gone = [
        Command::RemoveIngress { leg: LegId(7), track: TrackId(1) },
        Command::RemoveEgress { leg: LegId(7), track: TrackId(5) },
    ];
    assert_eq!(negotiation.commands(), gone);
}

#[test]
fn a_restart_changes_credentials_on_both_sides_and_nothing_else() {
    let mut negotiation = new(WHIP);
    let mut offer = parse(CHROMIUM_SIMULCAST);
    let (first, _) = answer(&mut negotiation, &offer);
    assert!(!first.restarted);
    negotiation.commands();
    for section in &mut offer.sections {
        section.ice = Some(ice("restart"));
    }
    let (agreement, read) = answer(&mut negotiation, &offer);
    assert!(agreement.restarted && agreement.stopped.is_empty());
    assert_eq!(read.sections[0].ice, Some(ice("second")));
    let commands = negotiation.commands();
    let [Command::SetRemote { remote, local, .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert!(remote.ice == ice("restart") && *local == Some(ice("second")));

    let fragment = negotiation.restart(ice("third"), ice("ours")).unwrap();
    assert!(fragment.ice == Some(ice("ours")) && fragment.ice_lite);
    assert_eq!((fragment.mid, fragment.candidates.len()), (Some(mid("0")), 2));
    assert!(matches!(negotiation.commands().as_slice(), [Command::SetRemote { .. }]));
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut negotiation = new(LIVEKIT);
    let good = parse(CHROMIUM_SENDRECV);
    answer(&mut negotiation, &good);
    negotiation.commands();
    let change = |change: &dyn Fn(&mut Section)| {
        let mut offer = good.clone();
        offer.sections.iter_mut().for_each(change);
        offer
    };
    let shorter = Session { sections: good.sections[..1].to_vec(), ..good.clone() };
    for (offer, refused) in [
        (shorter, Refused::SectionsChanged),
        (Session::default(), Refused::SectionsChanged),
        (change(&|section| section.rtcp_mux = false), Refused::NothingAcceptable),
        (change(&|section| section.ice = None), Refused::NoIce),
        (change(&|section| section.fingerprint = None), Refused::NoFingerprint),
        (change(&|section| section.setup = Some(Setup::HoldConn)), Refused::Setup),
        (change(&|section| section.setup = Some(Setup::Passive)), Refused::Setup),
        (
            change(&|section| section.fingerprint = Some(Fingerprint([1; 32]))),
            Refused::CertificateChanged,
        ),
    ] {
        let result = negotiation.answer(&offer, &mut || ice("never"));
        assert_eq!(result.map(|_| ()), Err(refused));
        assert_eq!(negotiation.commands(), []);
    }
    assert!(*negotiation.local_ice() == ice("first"));
}

#[test]
fn a_passive_peer_makes_us_active() {
    let mut offer = parse(CHROMIUM_SIMULCAST);
    for section in &mut offer.sections {
        section.setup = Some(Setup::Passive);
    }
    let mut negotiation = new(WHIP);
    let (_, answer) = answer(&mut negotiation, &offer);
    assert!(answer.sections.iter().all(|section| section.setup == Some(Setup::Active)));
    assert_eq!(negotiation.role(), Some(DtlsRole::Client));
}

#[test]
fn idle_sections_wait_inactive_and_the_demand_counts_what_is_missing() {
    let mut negotiation = new(LIVEKIT);
    let tracks = |many: u64| (1..=many).map(|n| wish(n, MediaKind::Video)).collect::<Vec<_>>();
    let demand = negotiation.wish(tracks(1));
    assert_eq!((demand.audio, demand.video, demand.offer), (0, 1, true));
    let (_, read) = answer(&mut negotiation, &receiver(1, 2));
    assert_eq!(directions(&read), ["inactive", "sendonly", "inactive"]);
    assert!(read.sections[2].sources.is_empty() && read.sections[2].msids.is_empty());
    assert_eq!(negotiation.mids(), [(mid("1"), TrackId(1))]);
    negotiation.commands();

    let demand = negotiation.wish(tracks(2));
    assert_eq!((demand.video, demand.offer), (0, true), "a section waits");
    assert_eq!(negotiation.commands(), [], "the peer must offer first");
    let demand = negotiation.wish(tracks(4));
    assert_eq!((demand.video, demand.unplaced.len()), (2, 3));
    answer(&mut negotiation, &receiver(1, 2));
    assert_eq!(negotiation.demand().unplaced, [TrackId(3), TrackId(4)]);

    let first = sources(&negotiation);
    negotiation.wish(tracks(4).split_off(1));
    answer(&mut negotiation, &receiver(1, 2));
    let mids = [(mid("1"), TrackId(3)), (mid("2"), TrackId(2))];
    assert_eq!(negotiation.mids(), mids, "the freed section is used again, the other kept");
    assert_ne!(sources(&negotiation)[0], first[0], "under a new number");
    assert_eq!(sources(&negotiation)[1], first[1]);
}

fn sources(negotiation: &Negotiation) -> Vec<Ssrc> {
    negotiation.slots.iter().filter_map(|slot| slot.outbound.as_ref()).map(|o| o.ssrc).collect()
}

#[test]
fn announced_sections_are_filled_without_another_offer() {
    let mut negotiation = new(WHEP);
    negotiation.wish(vec![wish(1, MediaKind::Audio)]);
    let (_, read) = answer(&mut negotiation, &receiver(2, 1));
    assert_eq!(directions(&read), ["sendonly"; 3]);
    let mut numbers = BTreeSet::new();
    for section in &read.sections {
        assert_eq!(section.msids.len(), 1);
        numbers.extend(section.sources.iter().map(|source| source.ssrc));
    }
    assert_eq!(numbers.len(), 4, "two audio numbers, and two of video for its repairs");
    assert_eq!(read.sections[2].groups[0].semantics, GroupSemantics::Fid);
    assert_eq!(negotiation.commands().len(), 3, "open, numbers, the one track");

    let told = |section: usize| read.sections[section].sources[0].ssrc;
    let demand = negotiation.wish([1, 2, 3].map(|n| wish(n, MediaKind::Audio)).to_vec());
    assert_eq!(demand.unplaced, [TrackId(3)]);
    let commands = negotiation.commands();
    let [Command::AddEgress { egress, .. }] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!((egress.track, egress.mid, egress.ssrc), (TrackId(2), mid("1"), told(1)));

    negotiation.wish([2, 3].map(|n| wish(n, MediaKind::Audio)).to_vec());
    let commands = negotiation.commands();
    let [Command::RemoveEgress { track, .. }, Command::AddEgress { egress, .. }] =
        commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    assert_eq!((*track, egress.track, egress.ssrc), (TrackId(1), TrackId(3), told(0)));
}

#[test]
fn a_track_is_not_placed_where_it_cannot_be_decoded() {
    let mut offer = receiver(0, 1);
    offer.sections[0].formats.retain(|format| matches!(format.payload_type.0, 96 | 97));
    let mut negotiation = new(LIVEKIT);
    let av1 = Wish { mime: "video/AV1".into(), ..wish(1, MediaKind::Video) };
    negotiation.wish(vec![av1]);
    let (_, read) = answer(&mut negotiation, &offer);
    assert_eq!(directions(&read), ["inactive"]);
    let demand = negotiation.demand();
    assert_eq!((demand.unplaced.len(), demand.video, demand.offer), (1, 0, false));
    let vp8 = Wish { mime: "video/vp8".into(), ..wish(2, MediaKind::Video) };
    assert!(negotiation.wish(vec![vp8]).offer);
}

#[test]
fn a_section_that_stops_sending_loses_its_track_and_a_new_label_is_a_new_track() {
    let mut negotiation = new(LIVEKIT);
    let mut offer = parse(CHROMIUM_SIMULCAST);
    answer(&mut negotiation, &offer);
    negotiation.bind(0, TrackId(1), &[]);
    negotiation.bind(1, TrackId(2), &[]);
    offer.sections[0].direction = Direction::Inactive;
    offer.sections[1].msids[0].track = Some("another".into());
    let (agreement, _) = answer(&mut negotiation, &offer);
    assert_eq!(agreement.stopped, [TrackId(1), TrackId(2)]);
    assert_eq!(agreement.incoming.len(), 1);
    assert_eq!(agreement.incoming[0].track, None);
}

#[test]
fn a_stopped_section_is_recycled_for_another_kind() {
    let mut negotiation = new(LIVEKIT);
    let mut offer = parse(CHROMIUM_SIMULCAST);
    answer(&mut negotiation, &offer);
    negotiation.bind(0, TrackId(1), &[]);
    offer.sections[0].port = 0;
    offer.bundle.remove(0);
    let (agreement, read) = answer(&mut negotiation, &offer);
    assert_eq!(agreement.stopped, [TrackId(1)]);
    assert_eq!(directions(&read), ["rejected", "recvonly"]);
    assert_eq!(read.sections[1].candidates.len(), 2, "the bundle moved to the second");

    offer.sections[0] = Section { mid: Some(mid("9")), ..receiver(0, 1).sections[0].clone() };
    offer.sections[0].ice = offer.sections[1].ice.clone();
    offer.sections[0].fingerprint = offer.sections[1].fingerprint;
    offer.bundle.push(mid("9"));
    negotiation.wish(vec![wish(4, MediaKind::Video)]);
    let (_, read) = answer(&mut negotiation, &offer);
    assert_eq!(directions(&read), ["sendonly", "recvonly"]);
}

#[test]
fn a_number_means_one_thing_in_a_bundle() {
    let mut offer = parse(CHROMIUM_SIMULCAST);
    let clash = offer.sections[0].formats[0].payload_type;
    offer.sections[1].formats[0].payload_type = clash;
    offer.sections[1].extmaps.push(offhook_wire::sdp::Extmap {
        id: 1,
        direction: None,
        name: ExtensionName::Known(Extension::AbsCaptureTime),
    });
    let (_, read) = answer(&mut new(WHIP), &offer);
    let video = &read.sections[1];
    assert!(video.formats.iter().all(|format| format.payload_type != clash));
    let repair = |f: &Format| matches!(f.encoding, Encoding::Rtx { of, .. } if of.0 == 96);
    assert!(!video.formats.iter().any(repair), "no repairs of what is not agreed");
    let name = ExtensionName::Known(Extension::AbsCaptureTime);
    assert!(video.extmaps.iter().all(|extmap| extmap.name != name));
}
