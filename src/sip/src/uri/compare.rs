//! When two URIs name the same resource.

use super::{Escaped, SipUri, TelUri, Uri};

pub(super) fn uri(a: &Uri, b: &Uri) -> bool {
    match (a, b) {
        (Uri::Sip(a), Uri::Sip(b)) => sip(a, b),
        (Uri::Tel(a), Uri::Tel(b)) => tel(a, b),
        (Uri::Other(a), Uri::Other(b)) => a == b,
        _ => false,
    }
}

/// RFC 3261 §19.1.4. A port or parameter left out is not the same as its default written out.
fn sip(a: &SipUri, b: &SipUri) -> bool {
    a.secure == b.secure
        && (&a.user, &a.password, &a.at) == (&b.user, &b.password, &b.at)
        && agree(a, b)
        && agree(b, a)
        && a.headers.len() == b.headers.len()
        && a.headers.iter().all(|(name, value)| {
            b.headers.iter().any(|(other, theirs)| other.is(name) && theirs.is(value))
        })
}

/// Every parameter of `a` is one of `b` with the same value, or one that may be left out.
fn agree(a: &SipUri, b: &SipUri) -> bool {
    a.params.iter().all(|(name, value)| {
        let theirs = b.params.iter().find(|(other, _)| other.is(name)).map(|(_, value)| value);
        match theirs {
            Some(theirs) => same_value(value.as_ref(), theirs.as_ref()),
            None => !COUNTS.iter().any(|known| name.is(known)),
        }
    })
}

/// RFC 3966 §5: separators do not count, parameters do.
fn tel(a: &TelUri, b: &TelUri) -> bool {
    let within = |a: &TelUri, b: &TelUri| {
        a.params.iter().all(|(name, value)| {
            let theirs = b.params.iter().find(|(other, _)| other.is(name));
            theirs.is_some_and(|(_, theirs)| same_value(value.as_ref(), theirs.as_ref()))
        })
    };
    a.digits().eq_ignore_ascii_case(&b.digits()) && within(a, b) && within(b, a)
}

fn same_value(a: Option<&Escaped>, b: Option<&Escaped>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.is(b),
        (None, None) => true,
        _ => false,
    }
}

/// Parameters that matter even when one side leaves them out.
const COUNTS: &[&str] = &["user", "ttl", "method", "maddr", "transport"];
