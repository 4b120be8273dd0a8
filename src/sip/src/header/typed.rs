//! Readers of the headers that a user agent acts on.

use super::value::{DEFAULT_EXPIRES, is_call_id};
use super::{
    BadHeader, CSeq, Contacts, Flaw, Headers, MediaType, NameAddr, RAck, ReasonValue, Replaces,
    RetryAfter, SessionExpires, Via, Warning,
};
use super::{Name, Value};
use crate::message::Method;
use crate::scan;
use crate::text::Text;

impl Headers {
    /// Every Via, topmost first. There must be one.
    pub fn vias(&self) -> Result<Vec<Via>, BadHeader> {
        let vias = self.list(Name::Via)?;
        if vias.is_empty() { Err(missing(Name::Via)) } else { Ok(vias) }
    }

    /// The topmost Via.
    pub fn top_via(&self) -> Result<Via, BadHeader> {
        let line = self.get(&Name::Via).ok_or_else(|| missing(Name::Via))?;
        let first = scan::split(line.as_bytes(), b',').find(|element| !element.is_empty());
        first.and_then(Via::parse).ok_or_else(|| malformed(Name::Via))
    }

    /// Put this one in the place of the topmost Via.
    pub fn set_top_via(&mut self, via: &Via) {
        let Some((_, line)) = self.entries.iter_mut().find(|(name, _)| *name == Name::Via) else {
            return self.push_front(Name::Via, via);
        };
        let mut out = Vec::new();
        via.write(&mut out);
        for element in scan::split(line.as_bytes(), b',').filter(|e| !e.is_empty()).skip(1) {
            out.extend(b", ");
            out.extend(element);
        }
        *line = Text::new(out);
    }

    /// Who asks.
    pub fn from(&self) -> Result<NameAddr, BadHeader> {
        self.one(Name::From)
    }

    /// Who was asked first.
    pub fn to(&self) -> Result<NameAddr, BadHeader> {
        self.one(Name::To)
    }

    /// Give To this tag, if it has none yet. A To that cannot be read is left alone.
    pub fn set_to_tag(&mut self, tag: impl Into<Text>) {
        if let Ok(to) = self.to()
            && to.tag().is_none()
        {
            self.set(Name::To, &to.with_tag(tag));
        }
    }

    /// Names the call, or the registrations of one client.
    pub fn call_id(&self) -> Result<Text, BadHeader> {
        let id: Text = self.one(Name::CallId)?;
        if is_call_id(id.as_bytes()) { Ok(id) } else { Err(malformed(Name::CallId)) }
    }

    /// The request's number and method.
    pub fn cseq(&self) -> Result<CSeq, BadHeader> {
        self.one(Name::CSeq)
    }

    /// Where the other wants to be reached.
    pub fn contacts(&self) -> Result<Contacts, BadHeader> {
        let lines = self.all(&Name::Contact).map(Text::as_bytes).collect::<Vec<_>>();
        match lines.as_slice() {
            [line] if line.trim_ascii() == b"*" => Ok(Contacts::All),
            _ => self.list(Name::Contact).map(Contacts::List),
        }
    }

    /// The way that the request still has to go.
    pub fn routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.list(Name::Route)
    }

    /// The way that a registrar wants requests over a registration to go (RFC 3608).
    pub fn service_routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.list(Name::ServiceRoute)
    }

    /// The way that the request came.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.list(Name::RecordRoute)
    }

    /// How many hops are left. One out of range counts as none given (RFC 4475 §3.1.2.4).
    pub fn max_forwards(&self) -> Option<u8> {
        self.number(Name::MaxForwards).and_then(|hops| u8::try_from(hops).ok())
    }

    /// How long a registration or subscription lives, in seconds. One that is no number counts as an
    /// hour (RFC 3261 §20.19).
    pub fn expires(&self) -> Option<u32> {
        self.get(&Name::Expires)?;
        Some(self.number(Name::Expires).unwrap_or(DEFAULT_EXPIRES))
    }

    /// The shortest registration that the other takes, in seconds.
    pub fn min_expires(&self) -> Option<u32> {
        self.number(Name::MinExpires)
    }

    /// How long the session lives without a refresh.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, BadHeader> {
        self.optional(Name::SessionExpires)
    }

    /// The shortest session interval that somebody on the way takes, in seconds.
    pub fn min_se(&self) -> Result<Option<u32>, BadHeader> {
        // It may carry parameters that nobody has defined (RFC 4028 §5).
        let value = self.optional::<SessionExpires>(Name::MinSe)?;
        Ok(value.map(|value| value.seconds))
    }

    /// The number of a reliable provisional response (RFC 3262 §7.1).
    pub fn rseq(&self) -> Option<u32> {
        self.number(Name::RSeq)
    }

    /// Which response a PRACK confirms.
    pub fn rack(&self) -> Result<RAck, BadHeader> {
        self.one(Name::RAck)
    }

    /// Extensions that the other has.
    pub fn supports(&self, extension: &str) -> bool {
        self.has_token(Name::Supported, extension)
    }

    /// Extensions that must be used.
    pub fn requires(&self, extension: &str) -> bool {
        self.has_token(Name::Require, extension)
    }

    /// Methods that the other takes; `None` when it does not say.
    pub fn allowed(&self) -> Option<Vec<Method>> {
        self.get(&Name::Allow)?;
        let tokens = self.tokens(Name::Allow).into_iter();
        Some(tokens.map(|token| Method::from_name(token.as_bytes())).collect())
    }

    /// The elements of a header that is a list of words.
    pub fn tokens(&self, name: Name) -> Vec<Text> {
        let lines = self.all(&name).flat_map(|text| scan::split(text.as_bytes(), b','));
        lines.filter(|token| !token.is_empty()).take(super::MAX_LIST).map(Text::new).collect()
    }

    /// Why the request was made. What cannot be read is left out.
    pub fn reasons(&self) -> Vec<ReasonValue> {
        self.readable(Name::Reason)
    }

    /// Who the network says is calling (RFC 3325 §9.1). Only to be believed from a trusted peer.
    pub fn asserted_identities(&self) -> Vec<NameAddr> {
        self.readable(Name::PAssertedIdentity)
    }

    /// Who the caller wants to be shown as (RFC 3325 §9.2).
    pub fn preferred_identities(&self) -> Vec<NameAddr> {
        self.readable(Name::PPreferredIdentity)
    }

    /// Who sent the call on, latest first (RFC 5806).
    pub fn diversions(&self) -> Vec<NameAddr> {
        self.readable(Name::Diversion)
    }

    /// Does the caller want this kept from others: `id`, `header`, `session`, `user` (RFC 3323 §4.2)?
    pub fn wants_privacy(&self, kind: &str) -> bool {
        let values = self.all(&Name::Privacy);
        let mut words = values.flat_map(|text| text.as_bytes().split(|byte| b";,".contains(byte)));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(kind.as_bytes()))
    }

    /// Whom to call instead (RFC 3515 §2.1).
    pub fn refer_to(&self) -> Result<NameAddr, BadHeader> {
        self.one(Name::ReferTo)
    }

    /// Who wants that (RFC 3892).
    pub fn referred_by(&self) -> Result<Option<NameAddr>, BadHeader> {
        self.optional(Name::ReferredBy)
    }

    /// Which dialog to take the place of (RFC 3891).
    pub fn replaces(&self) -> Result<Option<Replaces>, BadHeader> {
        self.optional(Name::Replaces)
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        self.optional(Name::RetryAfter).ok().flatten()
    }

    /// What went wrong besides.
    pub fn warnings(&self) -> Vec<Warning> {
        self.readable(Name::Warning)
    }

    /// What the body is.
    pub fn content_type(&self) -> Result<Option<MediaType>, BadHeader> {
        self.optional(Name::ContentType)
    }

    /// What the other takes as a body; `None` when it does not say.
    pub fn accepted(&self) -> Option<Vec<MediaType>> {
        self.get(&Name::Accept)?;
        Some(self.readable(Name::Accept))
    }

    fn has_token(&self, name: Name, token: &str) -> bool {
        self.tokens(name).iter().any(|known| known.is(token))
    }

    /// A number; `None` when it is not there, there twice, or no number of 32 bits.
    fn number(&self, name: Name) -> Option<u32> {
        self.optional(name).ok().flatten()
    }

    /// The elements that can be read, for headers that are not worth refusing a message for.
    fn readable<T: Value>(&self, name: Name) -> Vec<T> {
        let lines = self.all(&name).flat_map(|text| scan::split(text.as_bytes(), b','));
        lines.filter_map(T::parse).take(super::MAX_LIST).collect()
    }
}

fn missing(name: Name) -> BadHeader {
    BadHeader { name, flaw: Flaw::Missing }
}

fn malformed(name: Name) -> BadHeader {
    BadHeader { name, flaw: Flaw::Malformed }
}
