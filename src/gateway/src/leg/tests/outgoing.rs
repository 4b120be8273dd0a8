use super::*;

#[test]
fn a_call_is_made_answered_and_hung_up_by_the_far_side() {
    let mut world = World::invited(1);
    world.check(world.sip(progress(100, None)), "");
    world.check(world.sip(progress(180, None)), "tell ringing, play");
    world.check(world.sip(progress(180, None)), "play");
    let answer = SipEvent::Answered { body: Some(sdp("sendrecv")), fork: 0 };
    world.check(world.sip(answer), "carrier, stop, tell answered, update");
    world.after(7.25, "");
    let bye = ended(By::Them, true, 200);
    world.check(world.sip(bye), "tell ended hung_up, close bridge");
    world.check(closed(), "close bye hung_up 7.2s");
    assert!(world.leg.is_gone());
    assert!(world.evidence[0].last.times.ringing.is_some());
}

#[test]
fn nothing_is_sent_before_the_record_is_durable() {
    let mut world = World::dial();
    world.expect("authorize +4930901820, open bridge");
    world.check(authorized(1), "");
    world.check(bridge(), "tell bridge, open 1 0.010000");
    world.after(9.0, "");
    world.check(world.durable(), "invite");
}

#[test]
fn what_is_refused_is_told_and_leaves_nothing_open() {
    let refused = |cause| Input::Authorized(Err(Refused { cause }));
    let mut world = World::dial();
    world.expect("authorize +4930901820, open bridge");
    world.check(bridge(), "tell bridge");
    world.check(refused(Cause::NoCredit), "tell ended no_credit, close bridge");
    world.check(closed(), "");
    assert!(world.leg.is_gone());
}

#[test]
fn a_refused_reservation_ends_the_call_and_closes_no_record() {
    let mut world = World::dial();
    world.expect("authorize +4930901820, open bridge");
    world.check(bridge(), "tell bridge");
    world.check(authorized(1), "open 1 0.010000");
    let result = Err(OpenRefused::NoCredit);
    let input = Input::Opened { cdr: world.cdr(), result };
    world.check(input, "tell ended no_credit, close bridge");
    world.check(closed(), "");
    assert!(world.leg.is_gone());
}

#[test]
fn the_next_trunk_is_tried_when_one_cannot() {
    let mut world = World::invited(2);
    let failed = ended(By::Them, false, 503);
    world.check(world.sip(failed), "close response congestion 0.0s, open 2 0.010000");
    world.check(world.durable(), "invite");
    let busy = ended(By::Them, false, 486);
    world.check(world.sip(busy), "close response busy 0.0s, tell ended busy, close bridge");
    world.check(closed(), "");
    assert!(world.leg.is_gone());
}

#[test]
fn the_far_sides_decision_is_final() {
    for (status, cause) in [(486, "busy"), (603, "declined"), (600, "busy")] {
        let mut world = World::invited(2);
        let turned_away = ended(By::Them, false, status);
        let expect = format!("close response {cause} 0.0s, tell ended {cause}, close bridge");
        world.check(world.sip(turned_away), &expect);
    }
}

#[test]
fn a_phone_that_rings_for_too_long_did_not_answer() {
    let mut world = World::invited(2);
    world.check(world.sip(progress(180, None)), "tell ringing, play");
    let given_up = ended(By::Timer, false, 487);
    let expect = "close silence no_answer 0.0s, tell ended no_answer, close bridge";
    world.check(world.sip(given_up), expect);
}

#[test]
fn a_trunk_without_channels_is_passed_over() {
    let mut world = World::dial();
    world.expect("authorize +4930901820, open bridge");
    world.check(bridge(), "tell bridge");
    world.check(authorized(2), "open 1 0.010000");
    let full = Input::Opened { cdr: world.cdr(), result: Err(OpenRefused::TrunkFull) };
    world.check(full, "open 2 0.010000");
    let full = Input::Opened { cdr: world.cdr(), result: Err(OpenRefused::TrunkFull) };
    world.check(full, "tell ended congestion, close bridge");
}

#[test]
fn early_media_reaches_the_room_once_told() {
    let mut world = World::invited(1);
    let early = progress(183, Some(sdp("sendrecv")));
    world.check(world.sip(early), "carrier, tell early");
    let again = progress(183, Some(sdp("sendrecv")));
    world.check(world.sip(again), "carrier");
    let answer = SipEvent::Answered { body: None, fork: 0 };
    world.check(world.sip(answer), "stop, tell answered, update");
}

#[test]
fn an_answer_without_a_common_codec_is_not_charged() {
    let mut world = World::invited(1);
    let video = Body::sdp(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n".to_vec());
    let answer = SipEvent::Answered { body: Some(video), fork: 0 };
    world.check(world.sip(answer), "hang up, tell ended no_route, close bridge");
    world.check(closed(), "close hang_up no_route 0.0s");
    assert_eq!(world.evidence[0].last.times.answered, None);
}

#[test]
fn a_call_taken_back_is_cancelled_and_closed_once() {
    let mut world = World::invited(2);
    world.check(hang_up(Cause::Cancelled), "hang up, tell ended cancelled, close bridge");
    // The 200 that crossed the CANCEL changes nothing.
    let answer = SipEvent::Answered { body: Some(sdp("sendrecv")), fork: 0 };
    world.check(world.sip(answer), "");
    world.check(closed(), "close cancel cancelled 0.0s");
    world.check(hang_up(Cause::HungUp), "");
    assert!(world.leg.is_gone());
}

#[test]
fn a_call_taken_back_before_the_books_answer_closes_what_they_opened() {
    let mut world = World::dial();
    world.expect("authorize +4930901820, open bridge");
    world.check(bridge(), "tell bridge");
    world.check(authorized(1), "open 1 0.010000");
    world.check(hang_up(Cause::Cancelled), "tell ended cancelled, close bridge");
    world.check(closed(), "");
    assert!(!world.leg.is_gone(), "the books have not answered yet");
    world.check(world.durable(), "close not_sent cancelled 0.0s");
    assert!(world.leg.is_gone());
}

#[test]
fn a_bridge_that_gives_no_figures_holds_up_no_record() {
    let mut world = World::talking();
    world.after(3.0, "");
    world.check(hang_up(Cause::HungUp), "hang up, tell ended hung_up, close bridge");
    world.after(0.6, "close hang_up hung_up 3.0s");
    assert!(world.leg.is_gone());
}

#[test]
fn the_server_going_down_ends_the_call_with_its_record() {
    let mut world = World::talking();
    world.after(1.0, "");
    world.check(Input::Stop, "hang up, tell ended server, close bridge");
    world.check(closed(), "close hang_up server 1.0s");
}

#[test]
fn silence_of_the_far_side_is_not_charged() {
    let mut world = World::talking();
    world.after(10.0, "");
    let report = offhook_bridge::Report {
        from_carrier: offhook_bridge::Figures {
            received: 100,
            silent_for: Some(Duration::from_secs(4)),
            ..Default::default()
        },
        ..Default::default()
    };
    let evidence = offhook_bridge::Event::Evidence(Box::new(report));
    world.check(Input::Bridge(evidence), "update");
    let lost = offhook_bridge::Event::MediaLost { from: offhook_bridge::Side::Carrier };
    world.check(Input::Bridge(lost), "hang up, tell ended media_lost, close bridge");
    world.check(closed(), "close media_lost media_lost 6.0s");
}

#[test]
fn a_far_side_that_was_never_heard_is_not_charged() {
    let mut world = World::talking();
    world.after(10.0, "");
    let lost = offhook_bridge::Event::MediaLost { from: offhook_bridge::Side::Carrier };
    world.check(Input::Bridge(lost), "hang up, tell ended media_lost, close bridge");
    world.check(closed(), "close media_lost media_lost 0.0s");
}

#[test]
fn hold_is_offered_and_what_the_far_side_does_is_told() {
    let mut world = World::talking();
    let hold = |held| command(Command::Hold { phone: PHONE, held });
    world.check(hold(true), "hold true, reoffer");
    world.check(hold(true), "");
    let answered = SipEvent::ReofferAnswered { body: Some(sdp("recvonly")) };
    world.check(world.sip(answered), "carrier");
    world.check(hold(false), "hold false, reoffer");
    let answered = SipEvent::ReofferAnswered { body: Some(sdp("sendrecv")) };
    world.check(world.sip(answered), "carrier");
    let theirs = SipEvent::Reoffer { body: Some(sdp("sendonly")) };
    world.check(world.sip(theirs), "carrier, reply, tell held true");
    let theirs = SipEvent::Reoffer { body: Some(sdp("sendrecv")) };
    world.check(world.sip(theirs), "carrier, reply, tell held false");
    let nothing = SipEvent::Reoffer { body: Some(Body::sdp(b"v=1\r\n".to_vec())) };
    world.check(world.sip(nothing), "refuse 488");
}
