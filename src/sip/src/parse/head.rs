//! The head of a message: start line, headers, and how far the body goes.

use std::borrow::Cow;

use super::{Drop, Fault, MAX_HEADERS, MAX_LINE, MAX_MESSAGE, Refusal, Rejected};
use crate::header::{BadHeader, Flaw, Headers, Name, NameAddr, Replaces, Via};
use crate::message::{Message, Method, Request, Response};
use crate::scan;
use crate::text::Text;
use crate::uri::{Uri, UriError};

/// What the bytes after the head are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The body, and perhaps more than that.
    Datagram,
    /// The body.
    Stream,
}

pub(super) fn message(bytes: &[u8], extent: Extent) -> Result<Message, Rejected> {
    let mut bytes = bytes;
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    if bytes.is_empty() {
        return Err(Rejected::Dropped(Drop::KeepAlive));
    }
    if bytes.len() > MAX_MESSAGE {
        return Err(Rejected::Dropped(Drop::TooLarge));
    }
    let (head, body) = match end_of_head(bytes) {
        Some(end) => (bytes.get(..end), bytes.get(end + 4..)),
        None => (Some(bytes.strip_suffix(b"\r\n").unwrap_or(bytes)), None),
    };
    let fault = body.is_none().then_some(Fault::Unterminated);
    let mut reader = Reader { fault, headers: Headers::default(), length: None };
    let mut lines = lines(head.unwrap_or_default());
    let start = lines.next().unwrap_or_default();
    if starts_like_response(&start) {
        reader.headers(lines);
        return reader.response(&start, body, extent);
    }
    reader.request(&start, lines, body, extent)
}

/// Where the empty line that ends a head begins.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}

/// The lines of a head, unfolded (RFC 3261 §7.3.1).
pub(crate) fn lines(head: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = Some(head);
    core::iter::from_fn(move || {
        let (first, after) = cut_line(rest?);
        let mut line = Cow::Borrowed(first);
        rest = after;
        while let Some(more) = rest.filter(|more| more.starts_with(b" ") || more.starts_with(b"\t"))
        {
            let (next, after) = cut_line(more);
            let whole = line.to_mut();
            whole.truncate(whole.trim_ascii_end().len());
            whole.push(b' ');
            whole.extend(next.trim_ascii());
            rest = after;
        }
        Some(line)
    })
}

/// `Name : value`, both without the space around them. `None` when it is no header.
pub(crate) fn header(line: &[u8]) -> Option<(Name, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((Name::parse(name.trim_ascii_end())?, value.get(1..)?.trim_ascii()))
}

/// No line break, and no NUL but as an escaped character of a quoted string.
pub(crate) fn is_clean(line: &[u8]) -> bool {
    let mut before = b' ';
    line.iter().all(|&byte| {
        let clean = match byte {
            b'\r' | b'\n' => false,
            0 => before == b'\\',
            _ => true,
        };
        before = byte;
        clean
    })
}

struct Reader {
    /// The first thing wrong.
    fault: Option<Fault>,
    headers: Headers,
    /// What Content-Length says.
    length: Option<Result<u64, BadHeader>>,
}

impl Reader {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn check<T>(&mut self, read: Result<T, BadHeader>) -> Option<T> {
        read.map_err(|bad| self.note(Fault::Header(bad))).ok()
    }

    fn headers<'a>(&mut self, lines: impl Iterator<Item = Cow<'a, [u8]>>) {
        for (index, line) in lines.enumerate() {
            if index == MAX_HEADERS {
                return self.note(Fault::TooLarge);
            }
            if line.len() > MAX_LINE {
                self.note(Fault::TooLarge);
                continue;
            }
            let Some((name, value)) = header(&line).filter(|_| is_clean(&line)) else {
                self.note(Fault::Line);
                continue;
            };
            if name == Name::ContentLength {
                self.content_length(value);
            } else {
                self.headers.push(name, Text::new(value));
            }
        }
    }

    /// It is left out of the headers: a message's length is that of its body.
    fn content_length(&mut self, value: &[u8]) {
        let bad = |flaw| Err(BadHeader { name: Name::ContentLength, flaw });
        self.length = Some(match (&self.length, scan::number(value)) {
            (Some(_), _) => bad(Flaw::Repeated),
            (None, Some(length)) => Ok(length),
            (None, None) => bad(Flaw::Malformed),
        });
    }

    fn request<'a>(
        mut self,
        start: &[u8],
        lines: impl Iterator<Item = Cow<'a, [u8]>>,
        body: Option<&[u8]>,
        extent: Extent,
    ) -> Result<Message, Rejected> {
        let line = request_line(start).map_err(|fault| self.note(fault)).ok();
        self.headers(lines);
        let cseq = self.headers.cseq();
        if let (Ok(cseq), Some((method, _))) = (&cseq, &line)
            && cseq.method != *method
        {
            self.note(Fault::MethodMismatch);
        }
        self.check(cseq);
        self.check_request(line.as_ref().map(|(method, _)| method));
        let body = self.body(body, extent);
        let (Some((method, uri)), None) = (line, &self.fault) else {
            return Err(self.refuse(start));
        };
        Ok(Request { method, uri, headers: self.headers, body }.into())
    }

    /// What a server relies on must be of the right form (RFC 3261 §8.1.1); the rest is passed over
    /// where it cannot be read (§8.2.2).
    fn check_request(&mut self, method: Option<&Method>) {
        let headers = core::mem::take(&mut self.headers);
        if let Some(vias) = self.check(headers.vias())
            && vias.iter().any(|via| via.branch().is_some_and(|branch| branch.is(Via::COOKIE)))
        {
            let bad = BadHeader { name: Name::Via, flaw: Flaw::Malformed };
            self.note(Fault::Header(bad));
        }
        self.check(headers.from());
        self.check(headers.to());
        self.check(headers.call_id());
        self.check(headers.contacts());
        self.check(headers.routes());
        self.check(headers.record_routes());
        self.check(headers.content_type());
        self.check(headers.session_expires());
        self.check(headers.min_se());
        self.check(headers.optional::<Replaces>(Name::Replaces));
        self.check(headers.optional::<NameAddr>(Name::ReferTo));
        if headers.all(&Name::MaxForwards).count() > 1 {
            let bad = BadHeader { name: Name::MaxForwards, flaw: Flaw::Repeated };
            self.note(Fault::Header(bad));
        }
        match method {
            Some(Method::Prack) => drop(self.check(headers.rack())),
            Some(Method::Refer) => drop(self.check(headers.refer_to())),
            _ => {}
        }
        self.headers = headers;
    }

    /// A response with an answer to our INVITE in it is worth money, so no more is asked of it than that
    /// its transaction and dialog can be found.
    fn response(
        mut self,
        start: &[u8],
        body: Option<&[u8]>,
        extent: Extent,
    ) -> Result<Message, Rejected> {
        let body = self.body(body, extent);
        let headers = &self.headers;
        let found = headers.top_via().is_ok()
            && headers.cseq().is_ok()
            && headers.call_id().is_ok()
            && headers.from().is_ok()
            && headers.to().is_ok();
        let dropped = Rejected::Dropped(Drop::BadResponse);
        match status_line(start) {
            Some((status, reason)) if found && self.fault.is_none() => {
                Ok(Response { status, reason, headers: self.headers, body }.into())
            }
            _ => Err(dropped),
        }
    }

    fn body(&mut self, rest: Option<&[u8]>, extent: Extent) -> Vec<u8> {
        let Some(rest) = rest else { return Vec::new() };
        let length = match self.length.take() {
            Some(Ok(length)) => usize::try_from(length).unwrap_or(usize::MAX),
            Some(Err(bad)) => {
                self.note(Fault::Header(bad));
                return Vec::new();
            }
            None if extent == Extent::Datagram => rest.len(),
            None => {
                let bad = BadHeader { name: Name::ContentLength, flaw: Flaw::Missing };
                self.note(Fault::Header(bad));
                return Vec::new();
            }
        };
        let body = rest.get(..length);
        if body.is_none() {
            self.note(Fault::BodyLength);
        }
        body.unwrap_or_default().to_vec()
    }

    fn refuse(self, start: &[u8]) -> Rejected {
        let fault = self.fault.unwrap_or(Fault::StartLine);
        let method = start.split(|&byte| byte == b' ').next().unwrap_or_default();
        let acks = self.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Ack);
        if acks || method == Method::Ack.name() {
            return Rejected::Dropped(Drop::BadAck);
        }
        if !answerable(&self.headers) {
            let garbage = matches!(request_line(start), Err(Fault::StartLine));
            let reason = if garbage { Drop::Garbage } else { Drop::Unanswerable };
            return Rejected::Dropped(reason);
        }
        let refusal = Refusal { fault, request: self.headers, extra: Headers::default() };
        Rejected::Refused(Box::new(refusal))
    }
}

/// Its headers can be copied to a response that finds its way (RFC 3261 §8.2.6.2).
fn answerable(headers: &Headers) -> bool {
    let copied = [Name::From, Name::To, Name::CallId, Name::CSeq];
    let via = headers.get(&Name::Via).and_then(|via| Via::parse_sender(via.as_bytes()));
    via.is_some() && copied.iter().all(|name| headers.get(name).is_some_and(|v| !v.is_empty()))
}

fn starts_like_response(start: &[u8]) -> bool {
    start.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"))
}

/// `METHOD URI SIP/2.0`, with exactly one space between them (RFC 3261 §7.1).
fn request_line(start: &[u8]) -> Result<(Method, Uri), Fault> {
    let mut words = start.split(|&byte| byte == b' ');
    let (Some(method), Some(uri), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Fault::StartLine);
    };
    let name = version.get(..4).unwrap_or_default();
    if !scan::is_token(method) || !name.eq_ignore_ascii_case(b"SIP/") {
        return Err(Fault::StartLine);
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Fault::Version);
    }
    let uri = Uri::parse(uri).map_err(|error| match error {
        UriError::TooLong => Fault::UriTooLong,
        UriError::Malformed => Fault::Uri,
    })?;
    match &uri {
        Uri::Other(_) => Err(Fault::Scheme),
        // Header fields make a request; they have no place in one (RFC 3261 §19.1.1).
        Uri::Sip(sip) if !sip.headers.is_empty() => Err(Fault::Uri),
        Uri::Sip(_) | Uri::Tel(_) => Ok((Method::from_name(method), uri)),
    }
}

/// `SIP/2.0 200 OK`; the reason may be missing with its space.
fn status_line(start: &[u8]) -> Option<(u16, Text)> {
    let mut words = start.splitn(3, |&byte| byte == b' ');
    let (version, status) = (words.next()?, words.next()?);
    let reason = Text::new(words.next().unwrap_or_default());
    let status = scan::number(status).filter(|_| status.len() == 3)?;
    let known = version.eq_ignore_ascii_case(b"SIP/2.0") && (100..700).contains(&status);
    let status = u16::try_from(status).ok()?;
    (known && is_clean(start)).then_some((status, reason))
}

fn cut_line(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.windows(2).position(|window| window == b"\r\n") {
        Some(end) => (bytes.get(..end).unwrap_or_default(), bytes.get(end + 2..)),
        None => (bytes, None),
    }
}
