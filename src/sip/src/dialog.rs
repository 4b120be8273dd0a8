//! Dialogs (RFC 3261 §12): what two sides agree on so that requests find their way between them.

use crate::header::{CSeq, Contacts, Headers, Name, NameAddr};
use crate::message::{Method, Request, Response};
use crate::text::Text;
use crate::uri::{SipUri, Uri};

/// A dialog, early or confirmed, as one side sees it.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// `Call-ID`.
    pub call_id: Text,
    /// We, with our tag.
    pub local: NameAddr,
    /// They, with their tag, which peers of RFC 2543 lack.
    pub remote: NameAddr,
    /// Their `Contact`.
    pub target: Uri,
    /// Proxies on the way, the nearest first.
    pub routes: Vec<NameAddr>,
    /// The number of our last request.
    pub local_seq: u32,
    /// The number of theirs.
    pub remote_seq: Option<u32>,
    /// They take UPDATE (RFC 3311).
    pub updates: bool,
    /// They were the ones to call: the owner of the Call-ID waits longer after glare.
    pub theirs: bool,
}

impl Dialog {
    /// The caller's, from its INVITE and a response to it (§12.1.2). `None` without a contact, which
    /// leaves nowhere to send an ACK.
    pub fn outgoing(request: &Request, response: &Response) -> Option<Self> {
        let mut routes = response.headers.record_routes().ok()?;
        routes.reverse();
        let mut dialog = Self {
            call_id: request.headers.call_id().ok()?,
            local: request.headers.from().ok()?,
            remote: response.headers.to().ok()?,
            target: contact(&response.headers)?,
            routes,
            local_seq: request.headers.cseq().ok()?.number,
            remote_seq: None,
            updates: false,
            theirs: false,
        };
        dialog.learn(&response.headers);
        Some(dialog)
    }

    /// The callee's, from the INVITE that came and the tag of our responses (§12.1.1).
    pub fn incoming(request: &Request, tag: Text) -> Option<Self> {
        let mut dialog = Self {
            call_id: request.headers.call_id().ok()?,
            local: request.headers.to().ok()?.with_tag(tag),
            remote: request.headers.from().ok()?,
            target: contact(&request.headers)?,
            routes: request.headers.record_routes().ok()?,
            local_seq: 0,
            remote_seq: Some(request.headers.cseq().ok()?.number),
            updates: false,
            theirs: true,
        };
        dialog.learn(&request.headers);
        Some(dialog)
    }

    /// Our tag.
    pub fn local_tag(&self) -> Text {
        self.local.tag().cloned().unwrap_or_default()
    }

    /// Their tag.
    pub fn remote_tag(&self) -> Text {
        self.remote.tag().cloned().unwrap_or_default()
    }

    /// The next request of ours in the dialog (§12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_seq = self.local_seq.saturating_add(1);
        self.numbered(method, self.local_seq)
    }

    /// A request with this number: an ACK has that of its INVITE.
    pub fn numbered(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = self.way();
        let cseq = CSeq { number, method: method.clone() };
        let mut request = Request::new(method, uri);
        let headers = &mut request.headers;
        for route in &routes {
            headers.push(Name::Route, route);
        }
        headers.push(Name::MaxForwards, 70_u32);
        headers.push(Name::From, &self.local);
        headers.push(Name::To, &self.remote);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, &cseq);
        request
    }

    /// Takes in a request's number. False where it is older than the last (§12.2.2).
    pub fn accept(&mut self, number: u32) -> bool {
        let newer = self.remote_seq.is_none_or(|last| number > last);
        if newer {
            self.remote_seq = Some(number);
        }
        newer
    }

    /// A target refresh, by a request or by its 2xx (§12.2).
    pub fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
        self.learn(headers);
    }

    /// What they say that they take.
    pub fn learn(&mut self, headers: &Headers) {
        if let Some(methods) = headers.allowed() {
            self.updates = methods.contains(&Method::Update);
        }
    }

    /// Request URI and Route of a request: loose routing, or the strict routing of RFC 2543 where the
    /// first proxy wants it (§12.2.1.1).
    fn way(&self) -> (Uri, Vec<NameAddr>) {
        let strict =
            self.routes.first().filter(|route| !route.uri.as_sip().is_some_and(SipUri::is_loose));
        let Some(first) = strict else { return (self.target.clone(), self.routes.clone()) };
        let mut routes: Vec<_> = self.routes.iter().skip(1).cloned().collect();
        routes.push(NameAddr::new(self.target.clone()));
        let mut uri = first.uri.clone();
        if let Uri::Sip(uri) = &mut uri {
            uri.headers.clear();
            uri.params.retain(|(name, _)| !name.is("method"));
        }
        (uri, routes)
    }
}

fn contact(headers: &Headers) -> Option<Uri> {
    match headers.contacts().ok()? {
        Contacts::All => None,
        contacts @ Contacts::List(_) => contacts.first().map(|contact| contact.uri.clone()),
    }
}

#[cfg(test)]
mod tests;
