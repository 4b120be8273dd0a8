use offhook_sip::header::Replaces;
use offhook_sip::uri::Uri;

use super::*;

fn referred(to: &str) -> SipEvent {
    SipEvent::Referred { to: Uri::parse(to.as_bytes()).unwrap(), replaces: None, by: None }
}

fn attended(to: &str) -> SipEvent {
    let (call_id, to_tag, from_tag) = ("consult".into(), "1".into(), "2".into());
    let replaces = Some(Replaces { call_id, to_tag, from_tag, early_only: false });
    SipEvent::Referred { to: Uri::parse(to.as_bytes()).unwrap(), replaces, by: None }
}

/// Another phone of the carrier calls in place of the first.
fn moved(offer: Option<Body>) -> Input {
    let takeover = Takeover { offer, secret: Secret([0; 48]) };
    Input::TakenOver { handle: Handle(Handle::INCOMING.0 + 9), takeover }
}

#[test]
fn another_number_takes_the_place_of_the_first_when_it_answers() {
    let mut world = World::talking();
    world.after(10.0, "");
    let asked = world.sip(referred("sip:+442079460000@192.0.2.1"));
    world.check(asked, "refer 100, authorize +442079460000");
    let first = world.handle;
    world.check(authorized(1), "open 5 0.010000");
    world.check(world.durable(), "invite");
    world.check(world.sip(progress(180, None)), "refer 180");
    world.handle = world.handle.filter(|handle| Some(*handle) != first).or(world.handle);
    world.after(5.0, "");
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let mut world = World::talking();
    let first = world.sip(referred("sip:+442079460000@192.0.2.1"));
    world.check(first, "refer 100, authorize +442079460000");
    let refused = Input::Authorized(Err(Refused { cause: Cause::NotPermitted }));
    world.check(refused, "refer 403");
    world.after(3.0, "");
    world.check(hang_up(Cause::HungUp), "hang up, tell ended hung_up, close bridge");
    world.check(closed(), "close hang_up hung_up 3.0s");
}

#[test]
fn what_is_no_number_is_not_called() {
    let mut world = World::talking();
    world.check(world.sip(referred("sip:alice@192.0.2.1")), "refer 603");
}

#[test]
fn the_end_of_the_call_ends_its_transfer() {
    let mut world = World::talking();
    let asked = world.sip(referred("sip:+442079460000@192.0.2.1"));
    world.check(asked, "refer 100, authorize +442079460000");
    let first = world.handle;
    world.check(authorized(1), "open 5 0.010000");
    world.check(world.durable(), "invite");
    world.handle = first;
    let bye = ended(By::Them, true, 200);
    world.check(
        world.sip(bye),
        "hang up, close hang_up cancelled 0.0s, tell ended hung_up, close bridge",
    );
    world.check(closed(), "close bye hung_up 0.0s");
}

#[test]
fn an_attended_transfer_stays_with_the_carrier_that_knows_the_other_dialog() {
    let mut world = World::talking();
    let asked = world.sip(attended("sip:+442079460000@192.0.2.1"));
    world.check(asked, "refer 100, authorize +442079460000");
    world.check(authorized(1), "open 5 0.010000");
    world.check(world.durable(), "invite replaces");
}

#[test]
fn a_far_side_that_moves_to_another_phone_is_followed() {
    let mut world = World::talking();
    world.after(3.0, "");
    world.check(moved(Some(sdp("sendrecv"))), "answer, hang up, carrier");
    let first = ended(By::Us, true, 200);
    world.check(world.sip(first), "");
    world.handle = Some(Handle(Handle::INCOMING.0 + 9));
    world.after(4.0, "");
    let bye = ended(By::Them, true, 200);
    world.check(world.sip(bye), "tell ended hung_up, close bridge");
    world.check(closed(), "close bye hung_up 7.0s");
}

#[test]
fn a_move_that_does_not_fit_leaves_the_call_as_it_was() {
    let mut world = World::talking();
    let first = world.handle;
    world.check(moved(Some(Body::sdp(b"nothing".to_vec()))), "reject 488");
    world.handle = first;
    let asked = world.sip(referred("sip:+442079460000@192.0.2.1"));
    world.check(asked, "refer 100, authorize +442079460000");
    world.check(moved(Some(sdp("sendrecv"))), "reject 491");
}
