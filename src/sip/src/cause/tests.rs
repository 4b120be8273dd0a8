//! Rows of the RFCs, and who gets another try.

use super::*;
use crate::header::Name;

#[test]
fn statuses_and_causes_are_those_of_rfc_3398() {
    let to_phone = [
        (400, 41),
        (403, 21),
        (404, 1),
        (405, 63),
        (408, 102),
        (410, 22),
        (480, 18),
        (482, 25),
        (484, 28),
        (486, 17),
        (500, 41),
        (502, 38),
        (503, 41),
        (504, 102),
        (600, 17),
        (603, 21),
        (604, 1),
        (499, 31),
        (599, 41),
    ];
    for (status, cause) in to_phone {
        assert_eq!(q850_of_status(status), Some(cause), "{status}");
    }
    assert_eq!(q850_of_status(200), None);
    let to_sip = [
        (1, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (21, 403),
        (22, 410),
        (27, 502),
        (28, 484),
        (31, 480),
        (34, 503),
        (42, 503),
        (65, 488),
        (79, 501),
        (88, 503),
        (102, 504),
        (111, 500),
        (127, 500),
        // Not in the table: the last of the class.
        (8, 480),
        (43, 503),
        (99, 500),
    ];
    for (cause, status) in to_sip {
        assert_eq!(status_of_q850(cause), status, "{cause}");
    }
}

#[test]
fn the_far_end_has_the_last_word() {
    let check = |status, q850, rang, next| {
        assert_eq!(Why { status, q850 }.may_try_next(rang), next, "{status} {q850:?} {rang}");
    };
    for status in [200, 410, 484, 486, 487, 600, 603, 604, 606, 607, 608] {
        check(status, None, false, false);
        check(status, None, true, false);
    }
    for q850 in 1..128 {
        for status in [486, 600, 603, 604, 699] {
            check(status, Some(q850), false, false);
        }
    }
    for status in [401, 402, 403, 404, 408, 488, 500, 502, 503, 504, 580] {
        check(status, None, false, true);
    }
    check(503, Some(17), false, false);
    check(404, Some(1), false, false);
    check(480, None, false, false);
    check(480, Some(19), false, false);
    check(480, Some(34), false, true);
    check(408, None, true, false);
    check(503, None, true, true);
}

#[test]
fn causes_are_told_in_our_words() {
    let check =
        |status, q850, cause| assert_eq!(Why { status, q850 }.cause(), cause, "{status} {q850:?}");
    check(486, None, Cause::Busy);
    check(603, Some(31), Cause::Declined);
    check(603, Some(17), Cause::Declined);
    check(480, Some(17), Cause::Busy);
    check(480, Some(19), Cause::NoAnswer);
    check(480, None, Cause::Unavailable);
    check(503, Some(34), Cause::Congestion);
    check(500, Some(38), Cause::NoRoute);
    check(484, None, Cause::InvalidNumber);
    check(487, Some(16), Cause::Cancelled);
    check(200, Some(16), Cause::HungUp);
    check(200, Some(102), Cause::HungUp);
}

#[test]
fn the_reason_header_is_read_and_written() {
    let mut headers = Headers::default();
    headers.push(Name::Reason, "SIP;cause=600;text=\"Busy, everywhere\", Q.850 ;cause=17");
    assert_eq!(Why::of_request(&headers), Why { status: 600, q850: Some(17) });
    headers.set(Name::Reason, "Q.850;cause=999");
    assert_eq!(Why::of_request(&headers), Why { status: 200, q850: None });
    let text = Text::from(&sip_reason(200));
    assert_eq!(text, "SIP;cause=200;text=\"OK\"");
    assert_eq!(Text::from(&reasons(Cause::Busy)[0]), "Q.850;cause=17");
}
