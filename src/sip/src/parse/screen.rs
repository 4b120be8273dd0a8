//! Requests that are right in form and ask for what we do not do (RFC 3261 §8.2).

use super::{Fault, Refusal};
use crate::header::{Headers, Name};
use crate::message::{Method, Request};

/// What we do.
#[derive(Debug, Clone)]
pub struct Screen {
    /// Methods that we take.
    pub methods: Vec<Method>,
    /// Extensions that we have (the names of option tags).
    pub extensions: Vec<&'static str>,
    /// Bodies that we read.
    pub bodies: Vec<(&'static str, &'static str)>,
    /// Longest body that we read, in bytes.
    pub max_body: usize,
}

impl Screen {
    /// In the order of RFC 3261 §8.2: method, extensions, content. An ACK is never refused, and neither
    /// ACK nor CANCEL for an extension (§8.2.2.3).
    pub fn check(&self, request: &Request) -> Result<(), Box<Refusal>> {
        let method = &request.method;
        if *method == Method::Ack {
            return Ok(());
        }
        if !self.methods.contains(method) {
            let unknown = matches!(method, Method::Other(_));
            let fault = if unknown { Fault::MethodUnknown } else { Fault::MethodNotAllowed };
            return Err(refusal(request, fault, Name::Allow, &self.allow()));
        }
        let missing = self.missing(&request.headers);
        if *method != Method::Cancel && !missing.is_empty() {
            return Err(refusal(request, Fault::Extension, Name::Unsupported, &missing));
        }
        self.check_content(request)
    }

    /// The Allow header.
    pub fn allow(&self) -> String {
        let names = self.methods.iter().map(|method| String::from_utf8_lossy(method.name()));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The Accept header.
    pub fn accept(&self) -> String {
        let names = self.bodies.iter().map(|(kind, subtype)| format!("{kind}/{subtype}"));
        names.collect::<Vec<_>>().join(", ")
    }

    fn check_content(&self, request: &Request) -> Result<(), Box<Refusal>> {
        let headers = &request.headers;
        let refuse = |fault| Err(refusal(request, fault, Name::Accept, &self.accept()));
        if request.body.len() > self.max_body {
            return Err(refusal(request, Fault::BodyTooLarge, Name::Accept, &self.accept()));
        }
        if !request.body.is_empty() && !optional(headers) {
            let encodings = headers.tokens(Name::ContentEncoding);
            if encodings.iter().any(|encoding| !encoding.is("identity")) {
                let extra = (Name::AcceptEncoding, "identity");
                return Err(refusal(request, Fault::MediaType, extra.0, extra.1));
            }
            let known = |(kind, subtype): &(&str, &str)| request.part(kind, subtype).is_some();
            if !self.bodies.iter().any(known) {
                return refuse(Fault::MediaType);
            }
        }
        let described = request.method == Method::Invite;
        let takes = |accepted: Vec<crate::header::MediaType>| {
            accepted.iter().any(|range| range.takes("application", "sdp"))
        };
        if described && headers.accepted().is_some_and(|accepted| !takes(accepted)) {
            return refuse(Fault::NotAcceptable);
        }
        Ok(())
    }

    fn missing(&self, headers: &Headers) -> String {
        let required = headers.tokens(Name::Require).into_iter();
        // A server behind a proxy is asked by Require alone; as the last hop we answer for both.
        let required = required.chain(headers.tokens(Name::ProxyRequire));
        let had = |name: &str| self.extensions.iter().any(|had| had.eq_ignore_ascii_case(name));
        let names = required.map(|tag| tag.decoded().into_owned()).filter(|tag| !had(tag));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The sender can do without having its body read (RFC 3261 §20.11).
fn optional(headers: &Headers) -> bool {
    let disposition = headers.get(&Name::ContentDisposition);
    let params = disposition.map(|text| crate::scan::split(text.as_bytes(), b';').skip(1));
    params.into_iter().flatten().any(|param| {
        let plain = param.iter().filter(|byte| !byte.is_ascii_whitespace());
        plain.copied().collect::<Vec<_>>().eq_ignore_ascii_case(b"handling=optional")
    })
}

fn refusal(request: &Request, fault: Fault, name: Name, value: &str) -> Box<Refusal> {
    let mut extra = Headers::default();
    extra.push(name, value);
    Box::new(Refusal { fault, request: request.headers.clone(), extra })
}
