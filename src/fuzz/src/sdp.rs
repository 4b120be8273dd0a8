//! Session descriptions, trickle fragments and candidates from a peer.

use offhook_wire::sdp::{Candidate, Fragment, Session};

/// Whatever is read is printed and read again as the same; nothing else may happen.
pub fn body(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(session) = Session::parse(text) {
        let printed = session.to_string();
        assert_eq!(Session::parse(&printed).as_ref(), Ok(&session), "{printed}");
    }
    if let Ok(fragment) = Fragment::parse(text) {
        let printed = fragment.to_string();
        let again = Fragment::parse(&printed);
        // A fragment prints the session lines first, so only the values are the same.
        assert_eq!(again.as_ref(), Ok(&fragment), "{printed}");
    }
    if let Ok(candidate) = text.parse::<Candidate>() {
        assert_eq!(candidate.to_string().parse().as_ref(), Ok(&candidate));
    }
}
