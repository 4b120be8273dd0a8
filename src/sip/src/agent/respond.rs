//! What we are asked: server transactions and the responses to them.

use core::net::{IpAddr, SocketAddr};

use super::{Agent, Drop, Flow, Handle, Hop, PeerId, SendId, Timer};
use crate::header::{Name, Via};
use crate::message::{Method, Request, Response};
use crate::text::Text;
use crate::transaction::server::{Server, Tick};

/// Names a transaction, and everything that is sent for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TxId(pub(crate) u64);

/// A server transaction, its request and its last response.
#[derive(Debug)]
pub(super) struct ServerTx {
    machine: Server,
    pub(super) key: Vec<u8>,
    merge: Option<Vec<u8>>,
    request: Request,
    pub flow: Flow,
    pub peer: PeerId,
    hop: Hop,
    /// Where a response goes when the connection is gone (RFC 3261 §18.2.2).
    fallback: Option<SocketAddr>,
    last: Option<Vec<u8>>,
    /// The tag of responses outside of a dialog.
    tag: Text,
    pub handle: Option<Handle>,
}

impl Agent {
    /// Opens a transaction for a request whose Via says where it came from. `None` where there is no
    /// room, and the request was refused without one.
    pub(super) fn open_server(
        &mut self,
        (flow, peer): (Flow, PeerId),
        request: Request,
        merge: Option<Vec<u8>>,
    ) -> Option<TxId> {
        let source = flow.remote.ip();
        let limits = self.config.limits;
        let open = self.per_source.get(&source).copied().unwrap_or(0);
        if open >= limits.per_source || self.transactions() >= limits.transactions {
            self.stats.drops.add(Drop::Overload);
            self.refuse(flow, &request, 503);
            return None;
        }
        let key = server_key(&request, &request.method)?;
        let tx = TxId(self.next_serial());
        let invite = request.method == Method::Invite;
        let timers = self.config.timers;
        let first = invite && request.headers.to().is_ok_and(|to| to.tag().is_none());
        let think = if first { timers.ring + timers.decision } else { timers.decision };
        let machine = Server::new(self.now, invite, flow.transport.is_sure(), (timers, think));
        self.timers.set(Timer::Server(tx), machine.next_timeout());
        self.keys.insert(key.clone(), tx);
        if let Some(merge) = &merge {
            self.merges.insert(merge.clone(), tx);
        }
        *self.per_source.entry(source).or_default() += 1;
        let (hop, fallback) = reply_to(flow, &request);
        let tag = Text::from(self.word());
        let (last, handle) = (None, None);
        let server =
            ServerTx { machine, key, merge, request, flow, peer, hop, fallback, last, tag, handle };
        self.servers.insert(tx, server);
        Some(tx)
    }

    /// The request of a transaction.
    pub(crate) fn request_of(&self, tx: TxId) -> Option<&Request> {
        self.servers.get(&tx).map(|server| &server.request)
    }

    /// Where the request of a transaction came from.
    pub(crate) fn source_of(&self, tx: TxId) -> Option<(Flow, PeerId)> {
        self.servers.get(&tx).map(|server| (server.flow, server.peer))
    }

    /// Whether a final response may still be sent.
    pub(crate) fn is_undecided(&self, tx: TxId) -> bool {
        self.servers.get(&tx).is_some_and(|server| server.machine.is_open())
    }

    /// The transaction is about this call from now on.
    pub(crate) fn belongs(&mut self, tx: TxId, handle: Handle) {
        if let Some(server) = self.servers.get_mut(&tx) {
            server.handle = Some(handle);
        }
    }

    /// The tag that responses of a transaction carry: that of the dialog to be.
    pub(crate) fn tag_of(&self, tx: TxId) -> Text {
        self.servers.get(&tx).map(|server| server.tag.clone()).unwrap_or_default()
    }

    /// A response to a transaction's request.
    pub(crate) fn reply(&self, tx: TxId, status: u16) -> Response {
        match self.servers.get(&tx) {
            Some(server) => server.request.response(status),
            None => Response::to(&crate::header::Headers::default(), status),
        }
    }

    /// Responds with a status and nothing more.
    pub(crate) fn respond_plain(&mut self, tx: TxId, status: u16) {
        let response = self.reply(tx, status);
        self.respond(tx, response);
    }

    /// Responds. Ignored where a final response was sent already.
    pub(crate) fn respond(&mut self, tx: TxId, mut response: Response) {
        let Some(server) = self.servers.get_mut(&tx) else { return };
        if !server.machine.is_open() {
            return;
        }
        if response.status > 100 {
            response.headers.set_to_tag(&server.tag);
        }
        response.headers.push(Name::Server, self.config.product.as_str());
        let bytes = response.to_bytes();
        server.machine.respond(self.now, response.status);
        server.last = Some(bytes.clone());
        let (handle, hop) = (server.handle, server.hop.clone());
        self.timers.set(Timer::Server(tx), server.machine.next_timeout());
        self.send(SendId(tx.0), handle, hop, bytes);
    }

    /// Sends a provisional response once more, as RFC 3262 §3 has it repeated.
    pub(crate) fn repeat_response(&mut self, tx: TxId) {
        let Some(server) = self.servers.get(&tx) else { return };
        let (handle, hop) = (server.handle, server.hop.clone());
        let Some(bytes) = server.last.clone() else { return };
        self.stats.repeated += 1;
        self.send(SendId(tx.0), handle, hop, bytes);
    }

    /// Responds without a transaction: nothing is remembered.
    pub(super) fn refuse(&mut self, flow: Flow, request: &Request, status: u16) {
        let mut response = request.response(status);
        let tag = self.word();
        response.headers.set_to_tag(tag.as_str());
        if status == 503 {
            response.headers.push(Name::RetryAfter, 10_u32);
        }
        self.send_stateless(flow, request, &response);
    }

    /// Sends a response to where its request came from.
    pub(super) fn send_stateless(&mut self, flow: Flow, request: &Request, response: &Response) {
        let (hop, _) = reply_to(flow, request);
        self.send(SendId(0), None, hop, response.to_bytes());
    }

    /// The transaction that a request belongs to; an ACK or CANCEL belongs to its INVITE.
    pub(super) fn server_of(&self, request: &Request) -> Option<TxId> {
        let method = match request.method {
            Method::Ack | Method::Cancel => &Method::Invite,
            ref method => method,
        };
        self.keys.get(&server_key(request, method)?).copied()
    }

    /// The transaction that a CANCEL itself is.
    pub(super) fn server_of_cancel(&self, request: &Request) -> Option<TxId> {
        self.keys.get(&server_key(request, &request.method)?).copied()
    }

    /// Whose call a transaction is about.
    pub(super) fn handle_of_server(&self, tx: TxId) -> Option<Handle> {
        self.servers.get(&tx).and_then(|server| server.handle)
    }

    /// The request of a transaction came again.
    pub(super) fn repeated(&mut self, tx: TxId) {
        let Some(server) = self.servers.get(&tx) else { return };
        if server.machine.handle_repeat() {
            self.repeat_response(tx);
        }
    }

    /// An ACK came for a transaction's final response. True where it is the first.
    pub(crate) fn acknowledged(&mut self, tx: TxId) -> bool {
        let Some(server) = self.servers.get_mut(&tx) else { return false };
        let first = server.machine.handle_ack(self.now);
        self.timers.set(Timer::Server(tx), server.machine.next_timeout());
        first
    }

    /// Whether a transaction's 2xx waits for its ACK.
    pub(crate) fn wants_ack(&self, tx: TxId) -> bool {
        self.servers.get(&tx).is_some_and(|server| server.machine.wants_ack())
    }

    pub(super) fn server_timeout(&mut self, tx: TxId) {
        let Some(server) = self.servers.get_mut(&tx) else { return };
        let tick = server.machine.handle_timeout(self.now);
        let handle = server.handle;
        self.timers.set(Timer::Server(tx), server.machine.next_timeout());
        match tick {
            Tick::Wait => {}
            Tick::Repeat => self.repeat_response(tx),
            Tick::Undecided => {
                // RFC 4320 §4.1: a non-INVITE request that took too long is better answered with 504.
                let invite = self.request_of(tx).is_some_and(|r| r.method == Method::Invite);
                self.respond_plain(tx, if invite { 480 } else { 504 });
                if let Some(handle) = handle {
                    self.undecided(handle, tx);
                }
            }
            Tick::NeverAcknowledged => {
                self.forget_server(tx);
                if let Some(handle) = handle {
                    self.never_acknowledged(handle, tx);
                }
            }
            Tick::Over => self.forget_server(tx),
        }
    }

    /// A response could not be sent: it goes where the Via says, once (RFC 3261 §18.2.2).
    pub(super) fn unsent_response(&mut self, tx: TxId) {
        let Some(server) = self.servers.get_mut(&tx) else { return };
        let Some(remote) = server.fallback.take() else { return };
        server.hop = Hop { remote, local: None, connect: true, ..server.hop.clone() };
        self.repeat_response(tx);
    }

    fn forget_server(&mut self, tx: TxId) {
        self.timers.clear(Timer::Server(tx));
        let Some(server) = self.servers.remove(&tx) else { return };
        self.keys.remove(&server.key);
        if let Some(merge) = server.merge {
            self.merges.remove(&merge);
        }
        let source: IpAddr = server.flow.remote.ip();
        if let Some(open) = self.per_source.get_mut(&source) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.per_source.remove(&source);
            }
        }
    }
}

/// What names a server transaction (RFC 3261 §17.2.3): the branch and who made it, or for peers of
/// RFC 2543 all that a retransmission shares.
fn server_key(request: &Request, method: &Method) -> Option<Vec<u8>> {
    let via = request.headers.top_via().ok()?;
    let sent_by = Text::from(&Via { params: Default::default(), ..via.clone() });
    let branch = via.branch().filter(|branch| {
        let cookie = branch.as_bytes().get(..Via::COOKIE.len());
        cookie.is_some_and(|cookie| cookie.eq_ignore_ascii_case(Via::COOKIE.as_bytes()))
    });
    if let Some(branch) = branch {
        return Some([sent_by.as_bytes(), b" ", branch.as_bytes(), b" ", method.name()].concat());
    }
    let call = request.headers.call_id().ok()?;
    let from = request.headers.from().ok()?;
    let seq = request.headers.cseq().ok()?.number.to_string();
    let tag = from.tag().cloned().unwrap_or_default();
    let parts = [sent_by.as_bytes(), call.as_bytes(), tag.as_bytes(), seq.as_bytes()];
    Some([parts.join(&b' '), method.name().to_vec()].join(&b' '))
}

/// What requests share that reached us over two paths (RFC 3261 §8.2.2.2).
pub(super) fn merge_key(request: &Request) -> Option<Vec<u8>> {
    let call = request.headers.call_id().ok()?;
    let from = request.headers.from().ok()?;
    let seq = Text::from(&request.headers.cseq().ok()?);
    Some([call.as_bytes(), from.tag()?.as_bytes(), seq.as_bytes()].join(&b' '))
}

/// Where a response goes (RFC 3261 §18.2.2, RFC 3581 §4): over the same connection, or to the port the
/// request came from where that was asked for, or to the port that its Via names.
fn reply_to(flow: Flow, request: &Request) -> (Hop, Option<SocketAddr>) {
    let Flow { transport, local, remote } = flow;
    let via = request.headers.top_via().ok();
    let port = via.as_ref().and_then(|via| via.sent_by.port).unwrap_or(transport.port());
    let sent_by = SocketAddr::new(remote.ip(), port);
    let stay = transport.is_sure() || via.is_none_or(|via| via.params.has("rport"));
    let remote = if stay { remote } else { sent_by };
    let hop = Hop { transport, local: Some(local), remote, name: None, connect: false };
    (hop, transport.is_sure().then_some(sent_by))
}
