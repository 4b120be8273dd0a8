//! Our own offers.

use super::*;

/// What a peer answers that takes what it is offered.
fn peer(offer: &Session) -> Session {
    let mut answer = offer.clone();
    answer.ice_lite = false;
    for section in &mut answer.sections {
        section.ice = Some(ice("peer"));
        section.fingerprint = Some(Fingerprint([5; 32]));
        section.setup = Some(Setup::Active);
        section.direction = Direction::new(false, section.direction.sends());
        section.sources.clear();
        section.groups.clear();
        section.msids.clear();
    }
    parse(&answer.to_string())
}

fn offer(negotiation: &mut Negotiation) -> Session {
    parse(&negotiation.offer(None).unwrap().to_string())
}

#[test]
fn the_first_offer_has_channels_and_a_section_for_each_track() {
    let mut negotiation = new(LIVEKIT);
    negotiation.wish(vec![wish(1, MediaKind::Audio), wish(2, MediaKind::Video)]);
    let first = offer(&mut negotiation);
    assert_eq!(directions(&first), ["sendrecv", "sendonly", "sendonly"]);
    assert_eq!(first.sections[0].kind, SectionKind::Application);
    assert_eq!(first.bundle.len(), 3);
    assert!(first.sections.iter().all(|section| section.setup == Some(Setup::ActPass)));
    assert_eq!(first.sections[0].candidates.len(), 2);
    let msid = first.sections[2].msids[0].clone();
    assert_eq!(msid.stream, "PA_2|camera");
    assert_eq!(msid.track, Some(TrackId(2).to_string()));
    assert!(negotiation.offer(None).is_none(), "one at a time");

    let commands = negotiation.commands();
    let [Command::OpenLeg(open)] = commands.as_slice() else { panic!("{commands:?}") };
    let Connection::Ice { remote: None, opens_channels: true, .. } = open.connection else {
        panic!("{open:?}")
    };
    negotiation.accept_answer(&peer(&first)).unwrap();
    let commands = negotiation.commands();
    let [Command::SetRemote { remote, local, .. }, Command::SetNegotiated { negotiated, .. }, ..] =
        commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    assert!(remote.role == DtlsRole::Server && local.is_none());
    assert!(negotiated.codecs.iter().any(|params| params.codec == Codec::Vp8 && params.pli));
    assert!(negotiated.codecs.iter().any(|params| params.transport_cc));
    assert_eq!(negotiated.extensions.id(Extension::Mid), Some(1));
    assert!(!negotiation.demand().offer);
}

#[test]
fn sections_are_used_again_and_never_removed() {
    let mut negotiation = new(LIVEKIT);
    negotiation.wish(vec![wish(1, MediaKind::Audio), wish(2, MediaKind::Video)]);
    let first = offer(&mut negotiation);
    negotiation.accept_answer(&peer(&first)).unwrap();
    negotiation.commands();

    let demand = negotiation.wish(vec![wish(1, MediaKind::Audio)]);
    assert!(demand.offer, "the peer should know that its section is idle");
    let gone = [Command::RemoveEgress { leg: LegId(7), track: TrackId(2) }];
    assert_eq!(negotiation.commands(), gone);
    let second = offer(&mut negotiation);
    assert_eq!(directions(&second), ["sendrecv", "sendonly", "inactive"]);
    assert_eq!((second.id, second.version), (first.id, first.version + 1));
    negotiation.accept_answer(&peer(&second)).unwrap();
    assert!(!negotiation.demand().offer);

    negotiation.wish([1, 3].map(|n| wish(n, MediaKind::Audio)).to_vec());
    assert!(negotiation.demand().offer);
    negotiation.wish(vec![wish(1, MediaKind::Audio), wish(4, MediaKind::Video)]);
    let third = offer(&mut negotiation);
    assert_eq!(directions(&third), ["sendrecv", "sendonly", "sendonly"]);
    assert_ne!(third.sections[2].sources[0].ssrc, first.sections[2].sources[0].ssrc);
    assert_eq!(third.sections[1].sources, first.sections[1].sources);
    assert_eq!(negotiation.commands(), [], "nothing is sent before the peer knows of it");
    negotiation.accept_answer(&peer(&third)).unwrap();
    assert!(matches!(negotiation.commands().as_slice(), [Command::AddEgress { .. }]));
}

#[test]
fn what_the_peer_refuses_is_not_offered_again() {
    let mut negotiation = new(LIVEKIT);
    negotiation.wish(vec![wish(1, MediaKind::Audio), wish(2, MediaKind::Video)]);
    let first = offer(&mut negotiation);
    let mut refused = peer(&first);
    refused.sections[2].port = 0;
    negotiation.accept_answer(&refused).unwrap();
    let demand = negotiation.demand();
    assert_eq!((demand.unplaced, demand.offer), (vec![TrackId(2)], false));
    assert_eq!(negotiation.mids(), [(mid("1"), TrackId(1))]);
    let second = offer(&mut negotiation);
    assert_eq!(directions(&second), ["sendrecv", "sendonly", "rejected"]);
    assert_eq!(second.bundle.len(), 2);
}

#[test]
fn the_answers_numbers_are_the_ones_sent_with() {
    let mut negotiation = new(LIVEKIT);
    negotiation.wish(vec![wish(1, MediaKind::Video)]);
    let first = offer(&mut negotiation);
    let mut answer = peer(&first);
    let video = &mut answer.sections[1];
    video.formats.retain(|format| format.codec() == Some(Codec::Vp8));
    video.formats[0].payload_type = PayloadType(120);
    negotiation.accept_answer(&answer).unwrap();
    let commands = negotiation.commands();
    let negotiated = commands.iter().find_map(|command| match command {
        Command::SetNegotiated { negotiated, .. } => Some(negotiated.clone()),
        _ => None,
    });
    let codecs = negotiated.unwrap().codecs;
    assert_eq!((codecs.len(), codecs[0].payload_type, codecs[0].rtx), (1, PayloadType(120), None));
    let egress = commands.iter().find_map(|command| match command {
        Command::AddEgress { egress, .. } => Some(*egress),
        _ => None,
    });
    assert_eq!(egress.unwrap().rtx, None);
}

#[test]
fn a_restart_of_ours_renews_both_halves() {
    let mut negotiation = new(LIVEKIT);
    let first = offer(&mut negotiation);
    negotiation.accept_answer(&peer(&first)).unwrap();
    negotiation.commands();
    let second = negotiation.offer(Some(ice("renewed"))).unwrap();
    assert!(second.sections[0].ice == Some(ice("renewed")));
    let mut answer = peer(&second);
    answer.sections[0].ice = Some(ice("peerrenewed"));
    assert!(negotiation.accept_answer(&answer).unwrap().restarted);
    let commands = negotiation.commands();
    let [Command::SetRemote { remote, local, .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert!(remote.ice == ice("peerrenewed") && *local == Some(ice("renewed")));
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let mut negotiation = new(LIVEKIT);
    let stray = parse(CHROMIUM_SENDRECV);
    assert_eq!(negotiation.accept_answer(&stray), Err(Refused::NotOffered));
    negotiation.wish(vec![wish(1, MediaKind::Video)]);
    let first = offer(&mut negotiation);
    let good = peer(&first);
    let change = |change: &dyn Fn(&mut Session)| {
        let mut answer = good.clone();
        change(&mut answer);
        answer
    };
    for (answer, refused) in [
        (change(&|a| drop(a.sections.pop())), Refused::SectionsChanged),
        (change(&|a| a.sections.reverse()), Refused::SectionsChanged),
        (change(&|a| a.sections[0].ice = None), Refused::NoIce),
        (change(&|a| a.sections[0].fingerprint = None), Refused::NoFingerprint),
        (change(&|a| a.sections[0].setup = Some(Setup::ActPass)), Refused::Setup),
        (change(&|a| a.sections.iter_mut().for_each(|s| s.port = 0)), Refused::NothingAcceptable),
    ] {
        assert_eq!(negotiation.accept_answer(&answer), Err(refused));
    }
    assert!(negotiation.accept_answer(&good).is_ok());
    assert_eq!(negotiation.accept_answer(&good), Err(Refused::NotOffered));
    let mut offered = parse(CHROMIUM_SENDRECV);
    offered.version = 0;
    let result = negotiation.answer(&offered, &mut || ice("never"));
    assert_eq!(result.map(|_| ()), Err(Refused::NotOffered));
}
