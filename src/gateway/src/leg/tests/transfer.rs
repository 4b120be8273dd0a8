use offhook_sip::uri::Uri;

use super::*;

fn referred(to: &str) -> SipEvent {
    SipEvent::Referred { to: Uri::parse(to.as_bytes()).unwrap(), replaces: None, by: None }
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
