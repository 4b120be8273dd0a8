//! SIP messages, streams of them, and the descriptions in their bodies.

use offhook_sip::auth::Challenge;
use offhook_sip::framing::{Frame, Framing, Side};
use offhook_sip::header::Name;
use offhook_sip::parse::{self, MAX_MESSAGE, Rejected};
use offhook_wire::phone_sdp::{
    Direction, Local, PhoneCodec, Prefs, Protection, Session, accept, answer,
};

/// A datagram: a message is printed and read again as the same; a refusal can be sent.
pub fn message(data: &[u8]) {
    match parse::datagram(data) {
        Ok(message) => {
            assert_eq!(parse::datagram(&message.to_bytes()), Ok(message.clone()));
            let headers = message.headers();
            let _ = (headers.reasons(), headers.asserted_identities(), headers.diversions());
            let _ = (headers.warnings(), headers.retry_after(), headers.accepted());
            let _ = headers.all(&Name::WwwAuthenticate).filter_map(Challenge::parse).count();
        }
        Err(Rejected::Refused(refusal)) => {
            let response = refusal.response("tag").to_bytes();
            assert!(response.starts_with(b"SIP/2.0 "));
        }
        Err(Rejected::Dropped(_)) => {}
    }
}

/// A stream: what comes out does not depend on how it was cut, and no byte comes out twice. The first
/// byte says who opened the connection and how long the pieces are.
pub fn stream(data: &[u8]) {
    let Some((&how, stream)) = data.split_first() else { return };
    let side = if how & 1 == 0 { Side::Opened } else { Side::Accepted };
    let whole = frames(side, stream.chunks(stream.len().max(1)));
    let cut = frames(side, stream.chunks(usize::from(how >> 1) + 1));
    assert_eq!(whole.0, cut.0);
    let bytes = |frame: &Frame| match frame {
        Frame::Message(message) => message.len(),
        Frame::Ping => 4,
        Frame::Pong => 2,
    };
    assert!(whole.0.iter().map(bytes).sum::<usize>() <= stream.len());
    for frame in whole.0 {
        if let Frame::Message(message) = frame {
            assert!(message.len() <= MAX_MESSAGE);
            let _ = parse::framed(&message);
        }
    }
}

fn frames<'a>(side: Side, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let mut framing = Framing::new(side);
    let mut seen = Vec::new();
    for piece in pieces {
        framing.feed(piece);
        loop {
            match framing.poll() {
                Ok(Some(frame)) => seen.push(frame),
                Ok(None) => break,
                Err(_) => return (seen, true),
            }
        }
    }
    (seen, false)
}

/// A description: it is printed and read again as the same, and an answer to it fits it.
pub fn phone_sdp(data: &[u8]) {
    let Ok(session) = Session::parse(data) else { return };
    let printed = session.to_string();
    assert_eq!(Session::parse(printed.as_bytes()).as_ref(), Ok(&session), "{printed}");
    let local = Local {
        id: 1,
        version: 1,
        address: ([127, 0, 0, 1], 4000).into(),
        direction: Direction::SendRecv,
        keys: Vec::new(),
    };
    let prefs = Prefs {
        codecs: PhoneCodec::ALL.to_vec(),
        events: true,
        comfort_noise: true,
        ptime_ms: 20,
        protection: Protection::IfOffered,
        rtcp_mux: true,
    };
    if let Ok((ours, agreed)) = answer(&local, &prefs, &session) {
        assert_eq!(ours.media.len(), session.media.len());
        assert!((10..=60).contains(&agreed.ptime_ms));
        let far = accept(&session, &ours);
        assert!(far.is_ok_and(|far| far.codec == agreed.codec));
    }
}
