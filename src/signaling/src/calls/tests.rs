//! The task over a real store and real rooms.

use super::*;

#[test]
fn a_room_names_its_call_and_others_do_not() {
    let call = CallId(0xfeed);
    assert_eq!(call_of_room(&room_name(call)), Some(call));
    for name in ["call-", "lobby", "call-US_00000000001", "call-CA_1", ""] {
        assert_eq!(call_of_room(name), None, "{name}");
    }
}
