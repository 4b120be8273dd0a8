use offhook_sip::agent::{Flow, Identity, Incoming, PeerId, Transport};
use offhook_sip::header::NameAddr;
use offhook_sip::uri::Uri;
use offhook_types::phone::Reached;

use super::*;

fn arrival(reached: Reached, pin: bool, offer: Option<Body>) -> World {
    let address = SocketAddr::from(([192, 0, 2, 1], 5060));
    let name = || NameAddr::new(Uri::parse(b"sip:+12025550101@192.0.2.1").unwrap());
    let incoming = Incoming {
        peer: PeerId(1),
        flow: Flow { transport: Transport::Udp, local: address, remote: address },
        target: name().uri,
        from: name(),
        to: name(),
        identity: Identity::default(),
        call_id: "1".into(),
        replaces: None,
        body: offer,
        reliable: false,
    };
    let arrival = Arrival {
        phone: PHONE,
        handle: Handle(Handle::INCOMING.0 + 1),
        incoming: Box::new(incoming),
        trunk: trunk("trunk-1", ""),
        called: "+4930901820".parse().unwrap(),
        from: Some("+12025550101".parse().unwrap()),
        name: String::new(),
        account: AccountId(1),
        leads_to: Where { reached, pin },
        sell: Pinned::free(Currency::USD),
        buy: Pinned::free(Currency::USD),
        secret: Secret([0; 48]),
    };
    let handle = arrival.handle;
    let leg = Leg::arrive(at(Duration::ZERO), Limits::default(), Rng::from_seed(1), arrival);
    let mut world = World::new(leg);
    world.expect("open bridge, open 1 0.000000");
    world.handle = Some(handle);
    world
}

fn user() -> World {
    arrival(Reached::User(UserId(1)), false, Some(sdp("sendrecv")))
}

fn room(pin: bool) -> World {
    arrival(Reached::Room("meeting".into()), pin, Some(sdp("sendrecv")))
}

fn keys(text: &str) -> Vec<Input> {
    let key = |face| offhook_bridge::Event::Digit { digit: phone::Digit::from_face(face).unwrap() };
    text.chars().map(key).map(Input::Bridge).collect()
}

#[test]
fn devices_ring_and_one_answers() {
    let mut world = user();
    world.check(bridge(), "");
    world.check(world.durable(), "tell incoming, tell bridge");
    let ringing = command(Command::Ringing { phone: PHONE, call: CallId(3) });
    world.check(ringing, "progress 180, update");
    let answer = command(Command::Answer { phone: PHONE });
    world.check(answer, "carrier, answer, update, tell answered");
    world.check(world.sip(SipEvent::Confirmed { body: None }), "");
    world.after(2.0, "");
    let bye = ended(By::Them, true, 200);
    world.check(world.sip(bye), "tell ended hung_up, close bridge");
    world.check(closed(), "close bye hung_up 2.0s");
}

#[test]
fn a_caller_who_gives_up_is_closed_and_told() {
    let mut world = user();
    world.check(bridge(), "");
    world.check(world.durable(), "tell incoming, tell bridge");
    let cancel = ended(By::Them, false, 487);
    world.check(world.sip(cancel), "tell ended cancelled, close bridge");
    world.check(closed(), "close cancel cancelled 0.0s");
}

#[test]
fn what_a_person_does_with_a_call_is_said_in_sip() {
    for (cause, status) in [
        (Cause::Busy, 486),
        (Cause::Declined, 603),
        (Cause::NoAnswer, 480),
        (Cause::Unavailable, 480),
    ] {
        let mut world = user();
        world.check(bridge(), "");
        world.check(world.durable(), "tell incoming, tell bridge");
        let expect = format!("reject {status}, tell ended {}, close bridge", cause.label());
        world.check(hang_up(cause), &expect);
    }
}

#[test]
fn a_store_that_does_not_write_takes_no_call() {
    let mut world = user();
    world.check(bridge(), "");
    let input = Input::Opened { cdr: world.cdr(), result: Err(OpenRefused::Unavailable) };
    world.check(input, "reject 500, tell ended server, close bridge");
    assert!(world.leg.is_gone());
}

#[test]
fn an_offer_that_cannot_be_met_is_refused() {
    let offer = Body::sdp(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n".to_vec());
    let mut world = arrival(Reached::User(UserId(1)), false, Some(offer));
    world.check(bridge(), "");
    world.check(world.durable(), "tell incoming, tell bridge");
    let answer = command(Command::Answer { phone: PHONE });
    world.check(answer, "reject 404, tell ended no_route, close bridge");
}

#[test]
fn an_offerless_call_is_offered_and_its_answer_comes_with_the_ack() {
    let mut world = arrival(Reached::User(UserId(1)), false, None);
    world.check(bridge(), "");
    world.check(world.durable(), "tell incoming, tell bridge");
    let answer = command(Command::Answer { phone: PHONE });
    world.check(answer, "answer, update, tell answered");
    let confirmed = SipEvent::Confirmed { body: Some(sdp("sendrecv")) };
    world.check(world.sip(confirmed), "carrier");
}

#[test]
fn the_right_pin_opens_a_room() {
    let mut world = room(true);
    world.check(bridge(), "");
    world.check(world.durable(), "carrier, answer, play");
    let mut keys = keys("4711#").into_iter();
    for key in keys.by_ref().take(4) {
        world.check(key, "");
    }
    world.check(keys.next().unwrap(), "pin of 4");
    world.check(Input::Pin { right: true }, "update, tell incoming, tell bridge");
}

#[test]
fn keys_that_are_pressed_while_a_pin_is_compared_are_the_next() {
    let mut world = room(true);
    world.check(bridge(), "");
    world.check(world.durable(), "carrier, answer, play");
    for (key, said) in
        keys("1174#4711#").into_iter().zip(["", "", "", "", "pin of 4"].iter().chain(&[""; 5]))
    {
        world.check(key, said);
    }
    world.check(Input::Pin { right: false }, "play, pin of 4");
    world.check(Input::Pin { right: true }, "update, tell incoming, tell bridge");
}

#[test]
fn wrong_pins_are_told_and_limited() {
    let mut world = room(true);
    world.check(bridge(), "");
    world.check(world.durable(), "carrier, answer, play");
    for _ in 0..3 {
        world.check(keys("1").remove(0), "");
        // Without `#` the pause says that it was all.
        world.after(16.0, "pin of 1");
        world.check(Input::Pin { right: false }, "play");
    }
    let played = offhook_bridge::Event::Played { to: offhook_bridge::Side::Carrier };
    world.check(Input::Bridge(played), "hang up, tell ended not_permitted, close bridge");
}

#[test]
fn a_room_without_a_pin_is_entered_at_once() {
    let mut world = room(false);
    world.check(bridge(), "");
    world.check(world.durable(), "carrier, answer, update, tell incoming, tell bridge");
}
