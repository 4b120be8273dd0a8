//! Streams cut at every place, and streams that try to be read as something else.

use super::*;

/// What comes out of a stream, whole or byte by byte.
fn check(side: Side, stream: &[u8], frames: &[Frame], end: Result<(), Broken>) {
    for size in [1, 2, 3, 7, stream.len().max(1)] {
        let mut framing = Framing::new(side);
        let mut seen = Vec::new();
        let mut last = Ok(());
        for piece in stream.chunks(size) {
            framing.feed(piece);
            loop {
                match framing.poll() {
                    Ok(Some(frame)) => seen.push(frame),
                    Ok(None) => break,
                    Err(broken) => {
                        last = Err(broken);
                        break;
                    }
                }
            }
        }
        assert_eq!((&seen[..], last), (frames, end), "in pieces of {size}");
        if end.is_err() {
            framing.feed(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(framing.poll().err(), end.err(), "a broken stream stays broken");
        }
    }
}

fn message(length: &str, body: &str) -> Vec<u8> {
    format!("OPTIONS sip:a@example.com SIP/2.0\r\n{length}Call-ID: a\r\n\r\n{body}").into_bytes()
}

#[test]
fn messages_are_as_long_as_they_say() {
    let one = message("Content-Length: 4\r\n", "abcd");
    let two = message("l : 0\r\n", "");
    let three = message("CONTENT-LENGTH:\r\n  2\r\n", "\r\n");
    let stream = [&one[..], &two, &three].concat();
    let frames = [one, two, three].map(Frame::Message);
    check(Side::Accepted, &stream, &frames, Ok(()));
}

#[test]
fn a_request_in_a_body_stays_a_body() {
    let inner = String::from_utf8(message("Content-Length: 0\r\n", "")).unwrap();
    let outer = message(&format!("Content-Length: {}\r\n", inner.len()), &inner);
    check(Side::Accepted, &outer.clone(), &[Frame::Message(outer)], Ok(()));
}

#[test]
fn what_could_be_read_two_ways_closes_the_stream() {
    let cases = [
        ("", Broken::NoLength),
        ("Content-Length: -1\r\n", Broken::BadLength),
        ("Content-Length: +1\r\n", Broken::BadLength),
        ("Content-Length: 1 1\r\n", Broken::BadLength),
        ("Content-Length: 0x1\r\n", Broken::BadLength),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Broken::BadLength),
        ("Content-Length: 5\r\nl: 900\r\n", Broken::BadLength),
        ("Content-Length: 5, 5\r\n", Broken::BadLength),
        ("Content-Length: 18446744073709551616\r\n", Broken::BadLength),
        ("Content-Length: 18446744073709551615\r\n", Broken::TooLarge),
        ("Content-Length: 65536\r\n", Broken::TooLarge),
        ("Subject: a\nContent-Length: 0\r\n", Broken::BadHead),
        ("Subject: a\rContent-Length: 0\r\n", Broken::BadHead),
        ("Subject: \0\r\nContent-Length: 0\r\n", Broken::BadHead),
        ("no header\r\nContent-Length: 0\r\n", Broken::BadHead),
    ];
    for (length, broken) in cases {
        check(Side::Accepted, &message(length, "abcde"), &[], Err(broken));
    }
}

#[test]
fn a_head_without_end_is_bounded() {
    let stream = vec![b'a'; MAX_MESSAGE + 1];
    let mut framing = Framing::new(Side::Accepted);
    framing.feed(&stream[..MAX_MESSAGE]);
    assert_eq!(framing.poll(), Ok(None));
    framing.feed(&stream[MAX_MESSAGE..]);
    assert_eq!(framing.poll(), Err(Broken::TooLarge));
    let many = format!("{}Content-Length: 0\r\n", "a: b\r\n".repeat(MAX_HEADERS));
    let mut framing = Framing::new(Side::Accepted);
    framing.feed(&message(&many, ""));
    assert_eq!(framing.poll(), Err(Broken::TooLarge));
}

#[test]
fn keep_alives_are_told_apart_by_who_opened() {
    let one = message("Content-Length: 0\r\n", "");
    let stream = [PING, &one, PING].concat();
    let frames = [Frame::Ping, Frame::Message(one.clone()), Frame::Ping];
    check(Side::Accepted, &stream, &frames, Ok(()));
    let stream = [PONG, &one, PONG, PONG].concat();
    let frames = [Frame::Pong, Frame::Message(one.clone()), Frame::Pong, Frame::Pong];
    check(Side::Opened, &stream, &frames, Ok(()));
    // A line break before a message is passed over (RFC 3261 §7.5) and is not half a ping.
    let stream = [PONG, &one, PONG, &one].concat();
    check(Side::Accepted, &stream, &[one.clone(), one].map(Frame::Message), Ok(()));
}
