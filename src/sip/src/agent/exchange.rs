//! What we ask: one request until its final response, over as many look-ups, addresses, challenges and
//! transactions as it takes (RFC 3263 §4.3, RFC 3261 §8.1.2 and §22).

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use super::{Agent, Door, Flow, Handle, Hop, Output, PeerId, QueryId, Question, Send, SendId};
use super::{Record, Timer, Transport, TxId, Way};
use crate::auth;
use crate::header::{Name, NameAddr, Via};
use crate::message::{Method, Request, Response};
use crate::target::{Step, Target, Walk};
use crate::text::Text;
use crate::transaction::client::{Client, Heard, Tick};
use crate::uri::{SipUri, Uri};

/// Names an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExchangeId(pub(crate) u64);

/// Whose exchange it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Call(Handle, Errand),
    Register(Handle),
    Ping(Handle),
    /// Nobody waits: the end of a forked dialog.
    Nobody(Option<Handle>),
}

/// What a call asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    Invite,
    Reoffer,
    Refresh,
    Prack,
    Ack,
    Bye,
    Info,
    Refer,
    Notify,
}

/// A request to be made.
pub(crate) struct Plan {
    pub owner: Owner,
    /// Whole but for Via and Contact.
    pub request: Request,
    pub peer: PeerId,
    /// The user part of Contact, where the request has one.
    pub contact: Option<Text>,
    /// Bounds how long one address goes unanswered.
    pub patience: Duration,
    /// The INVITE that an ACK is for, and the tag of its response.
    pub ack_of: Option<(TxId, Text)>,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub owner: Owner,
    pub request: Request,
    pub peer: PeerId,
    /// What answers challenges.
    pub(super) auth: auth::Client,
    contact: Option<Text>,
    patience: Duration,
    ack_of: Option<(TxId, Text)>,
    walk: Walk,
    targets: VecDeque<Target>,
    /// What is being tried.
    target: Option<Target>,
    pub tx: Option<TxId>,
    /// A provisional response beyond 100 came: somebody may be ringing, so no other address is tried.
    ringing: bool,
    cancel: Cancel,
}

#[derive(Debug, PartialEq)]
enum Cancel {
    No,
    /// As soon as a provisional response allows it (RFC 3261 §9.1).
    Wanted(Vec<Text>),
    Sent,
}

/// Why no response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// In time. RFC 3261 §8.1.3.1 has it count as a 408.
    Timeout,
    /// Nothing could be sent or resolved: a 503.
    Network,
}

/// A client transaction and what it repeats.
#[derive(Debug)]
pub(super) struct ClientTx {
    machine: Client,
    /// Branch and method.
    pub(super) key: Vec<u8>,
    request: Request,
    bytes: Vec<u8>,
    hop: Hop,
    handle: Option<Handle>,
    peer: PeerId,
    exchange: Option<ExchangeId>,
    /// ACKs of 2xx by the tag of their dialog, for when the 2xx comes again.
    acks: Vec<(Text, Vec<u8>, Hop)>,
}

/// RFC 3261 §18.1.1: beyond this a datagram may be cut in pieces on the way.
const MOST_DATAGRAM: usize = 1300;
/// Answers of one INVITE whose ACKs are kept.
const MOST_ACKS: usize = 16;

impl ClientTx {
    /// An INVITE that rings waits for its user's patience alone.
    pub(super) fn is_ringing(&self) -> bool {
        self.machine.is_proceeding()
    }
}

impl Failure {
    /// The response that stands for it.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Timeout => 408,
            Self::Network => 503,
        }
    }
}

impl Owner {
    pub(crate) const fn handle(self) -> Option<Handle> {
        match self {
            Self::Call(handle, _) | Self::Register(handle) | Self::Ping(handle) => Some(handle),
            Self::Nobody(handle) => handle,
        }
    }
}

impl Agent {
    /// Begins an exchange.
    pub(crate) fn start(&mut self, mut plan: Plan) -> ExchangeId {
        let id = ExchangeId(self.next_serial());
        let usable = [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter();
        let usable = usable.filter(|t| self.config.doors.iter().any(|d| d.transport == *t));
        let walk = match next_hop(&plan.request) {
            Some(uri) => Walk::new(&uri, usable.collect()),
            None => Walk::nowhere(),
        };
        let auth = self.authorize(&plan.owner, &mut plan.request);
        let exchange = Exchange {
            owner: plan.owner,
            request: plan.request,
            peer: plan.peer,
            auth,
            contact: plan.contact,
            patience: plan.patience,
            ack_of: plan.ack_of,
            walk,
            targets: VecDeque::new(),
            target: None,
            tx: None,
            ringing: false,
            cancel: Cancel::No,
        };
        self.exchanges.insert(id, exchange);
        // Through the clock, so that whoever starts an exchange is done before it can fail.
        self.timers.set(Timer::Walk(id), self.now);
        self.walk(id);
        id
    }

    /// The exchange, as long as it is under way.
    pub(crate) fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(&id)
    }

    /// Nobody waits for the outcome of these any more.
    pub(crate) fn disown(&mut self, handle: Handle) {
        for exchange in self.exchanges.values_mut() {
            if exchange.owner.handle() == Some(handle) && exchange.request.method != Method::Invite
            {
                exchange.owner = Owner::Nobody(Some(handle));
            }
        }
    }

    /// Takes an INVITE back. True where something must still come of it; otherwise it never left.
    pub(crate) fn cancel(&mut self, id: ExchangeId, reasons: Vec<Text>) -> bool {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return false };
        if exchange.tx.is_none() {
            self.finish(id);
            return false;
        }
        exchange.targets.clear();
        if exchange.cancel == Cancel::No {
            exchange.cancel = Cancel::Wanted(reasons);
            self.try_cancel(id);
        }
        true
    }

    fn try_cancel(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(tx) = exchange.tx else { return };
        let Some(client) = self.clients.get_mut(&tx) else { return };
        let Cancel::Wanted(reasons) = &exchange.cancel else { return };
        if !client.machine.is_proceeding() {
            return;
        }
        let mut request = Request::new(Method::Cancel, client.request.uri.clone());
        for (name, value) in client.request.headers.iter() {
            if matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::Route) {
                request.headers.push(name.clone(), value);
            }
        }
        if let Ok(mut cseq) = client.request.headers.cseq() {
            cseq.method = Method::Cancel;
            request.headers.push(Name::CSeq, &cseq);
        }
        request.headers.push(Name::MaxForwards, 70_u32);
        for reason in reasons {
            request.headers.push(Name::Reason, reason);
        }
        client.machine.cancelled(self.now);
        let (hop, handle, peer) = (client.hop.clone(), client.handle, client.peer);
        self.timers.set(Timer::Client(tx), client.machine.next_timeout());
        exchange.cancel = Cancel::Sent;
        self.open_client(request, (hop, handle, peer), None, Duration::MAX);
    }

    /// Whose trunk a request of ours went to.
    pub(crate) fn peer_of_client(&self, tx: TxId) -> PeerId {
        self.clients.get(&tx).map_or(PeerId(0), |client| client.peer)
    }

    /// The exchange is over; its transactions live on as long as they must.
    pub(crate) fn finish(&mut self, id: ExchangeId) {
        self.exchanges.remove(&id);
        self.timers.clear(Timer::Walk(id));
        self.queries.retain(|_, exchange| *exchange != id);
    }

    /// Asks the next question, or tries the first address.
    fn walk(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        match exchange.walk.step() {
            Step::Ask(question) => {
                self.timers.set(Timer::Walk(id), self.now + self.config.timers.resolver);
                self.look_up(id, question);
            }
            Step::Done(targets) => {
                exchange.targets = targets.into();
                self.attempt(id);
            }
        }
    }

    fn look_up(&mut self, id: ExchangeId, question: Question) {
        let query = QueryId(self.next_serial());
        self.queries.insert(query, id);
        self.out.push_back(Output::Resolve { query, question });
    }

    pub(super) fn resolved(&mut self, query: QueryId, records: Vec<Record>) {
        let Some(id) = self.queries.remove(&query) else { return };
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        exchange.walk.handle_records(records, &mut self.rng);
        self.walk(id);
    }

    /// The resolver took too long, or there was nowhere to send to.
    pub(super) fn walk_timeout(&mut self, id: ExchangeId) {
        let asked = self.queries.iter().find(|(_, exchange)| **exchange == id);
        match asked.map(|(query, _)| *query) {
            Some(query) => self.resolved(query, Vec::new()),
            None => self.failed(id, Failure::Network),
        }
    }

    /// Tries the next address.
    fn attempt(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(target) = exchange.targets.pop_front() else {
            // Through the clock, so that whoever started the exchange is done before it fails.
            return self.timers.set(Timer::Walk(id), self.now);
        };
        exchange.tx = None;
        let door = self.config.doors.iter().find(|door| door.reaches(&target));
        let Some(door) = door.cloned() else { return self.attempt(id) };
        if let Some(user) = &exchange.contact {
            exchange.request.headers.set(Name::Contact, &door.contact(user));
        }
        let length = exchange.request.to_bytes().len() + ROOM_FOR_VIA;
        let stream = Target { transport: Transport::Tcp, ..target.clone() };
        let large = target.transport == Transport::Udp && length > MOST_DATAGRAM;
        let tried = exchange.target.as_ref() == Some(&stream);
        if large && !tried && self.config.doors.iter().any(|door| door.reaches(&stream)) {
            // RFC 3261 §18.1.1: a stream first, and the datagram where nobody listens there.
            exchange.targets.push_front(target);
            exchange.targets.push_front(stream);
            return self.attempt(id);
        }
        exchange.target = Some(target);
        self.launch(id, &door);
    }

    /// Sends to the address that is being tried.
    fn launch(&mut self, id: ExchangeId, door: &Door) {
        let branch = format!("{}{}", Via::COOKIE, self.word());
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(target) = exchange.target.clone() else { return };
        let mut request = exchange.request.clone();
        let via = Via::new(door.transport.via(), door.advertised.clone(), branch.as_str());
        request.headers.push_front(Name::Via, &via);
        let local = (!door.transport.is_sure()).then_some(door.local);
        let Target { transport, remote, name } = target;
        let hop = Hop { transport, local, remote, name, connect: true };
        let (peer, handle) = (exchange.peer, exchange.owner.handle());
        let (patience, ack_of) = (exchange.patience, exchange.ack_of.clone());
        self.sources.learn(self.now, remote.ip(), peer);
        self.timers.clear(Timer::Walk(id));
        if let Some((invite, tag)) = ack_of {
            let bytes = request.to_bytes();
            if let Some(client) = self.clients.get_mut(&invite)
                && client.acks.len() < MOST_ACKS
            {
                client.acks.push((tag, bytes.clone(), hop.clone()));
            }
            self.finish(id);
            return self.send(SendId(0), handle, hop, bytes);
        }
        let tx = self.open_client(request, (hop, handle, peer), Some(id), patience);
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.tx = Some(tx);
        }
    }

    /// Opens a transaction for a request that has its Via, and sends it.
    fn open_client(
        &mut self,
        request: Request,
        (hop, handle, peer): (Hop, Option<Handle>, PeerId),
        exchange: Option<ExchangeId>,
        patience: Duration,
    ) -> TxId {
        let tx = TxId(self.next_serial());
        let invite = request.method == Method::Invite;
        let sure = hop.transport.is_sure();
        let machine = Client::new(self.now, invite, sure, (self.config.timers, patience));
        self.timers.set(Timer::Client(tx), machine.next_timeout());
        let via = request.headers.top_via().ok();
        let branch = via.as_ref().and_then(Via::branch).cloned().unwrap_or_default();
        let key = client_key(&branch, &request.method);
        let bytes = request.to_bytes();
        self.branches.insert(key.clone(), tx);
        self.send(SendId(tx.0), handle, hop.clone(), bytes.clone());
        let acks = Vec::new();
        let client = ClientTx { machine, key, request, bytes, hop, handle, peer, exchange, acks };
        self.clients.insert(tx, client);
        tx
    }

    /// Sends, counts and traces.
    pub(super) fn send(&mut self, id: SendId, handle: Option<Handle>, hop: Hop, bytes: Vec<u8>) {
        self.stats.sent += 1;
        self.trace(handle, Way::Out, (hop.transport, hop.remote), &bytes);
        self.out.push_back(Output::Send(Send { id, hop, bytes }));
    }

    /// A response came.
    pub(super) fn response(&mut self, flow: Flow, response: Response) -> bool {
        let Ok(cseq) = response.headers.cseq() else { return false };
        let Ok(via) = response.headers.top_via() else { return false };
        let Some(branch) = via.branch() else { return false };
        let key = client_key(branch, &cseq.method);
        let Some(&tx) = self.branches.get(&key) else { return false };
        let Some(client) = self.clients.get_mut(&tx) else { return false };
        if flow.transport != client.hop.transport {
            return false;
        }
        let heard = client.machine.handle_response(self.now, response.status);
        self.timers.set(Timer::Client(tx), client.machine.next_timeout());
        let exchange = client.exchange;
        if matches!(heard, Heard::AckAndPass | Heard::Ack) {
            self.acknowledge_failure(tx, &response);
        }
        if response.is_success() && self.repeat_ack(tx, &response) {
            return true;
        }
        if let Some(id) = exchange
            && matches!(heard, Heard::Pass | Heard::AckAndPass)
        {
            self.heard(id, tx, response);
        }
        true
    }

    /// Whose call the response is about, for the trace.
    pub(super) fn handle_of_response(&self, response: &Response) -> Option<Handle> {
        let cseq = response.headers.cseq().ok()?;
        let via = response.headers.top_via().ok()?;
        let tx = self.branches.get(&client_key(via.branch()?, &cseq.method))?;
        self.clients.get(tx)?.handle
    }

    /// The ACK of a final response that is not a 2xx (RFC 3261 §17.1.1.3).
    fn acknowledge_failure(&mut self, tx: TxId, response: &Response) {
        let Some(client) = self.clients.get(&tx) else { return };
        let mut ack = Request::new(Method::Ack, client.request.uri.clone());
        for (name, value) in client.request.headers.iter() {
            match name {
                Name::Via | Name::From | Name::CallId | Name::Route | Name::MaxForwards => {
                    ack.headers.push(name.clone(), value);
                }
                Name::To => {
                    let to = response.headers.get(&Name::To).unwrap_or(value);
                    ack.headers.push(Name::To, to);
                }
                _ => {}
            }
        }
        if let Ok(mut cseq) = client.request.headers.cseq() {
            cseq.method = Method::Ack;
            ack.headers.push(Name::CSeq, &cseq);
        }
        let (handle, hop) = (client.handle, client.hop.clone());
        self.send(SendId(0), handle, hop, ack.to_bytes());
    }

    /// Sends the ACK of a 2xx again, where there was one.
    fn repeat_ack(&mut self, tx: TxId, response: &Response) -> bool {
        let Some(client) = self.clients.get(&tx) else { return false };
        let tag = response.headers.to().ok().and_then(|to| to.tag().cloned()).unwrap_or_default();
        let known = client.acks.iter().find(|(known, ..)| *known == tag);
        let Some((_, bytes, hop)) = known.cloned() else { return false };
        self.stats.repeated += 1;
        self.send(SendId(0), client.handle, hop, bytes);
        true
    }

    /// A response that the user has not seen.
    fn heard(&mut self, id: ExchangeId, tx: TxId, response: Response) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.tx != Some(tx) {
            return;
        }
        if response.is_provisional() {
            exchange.ringing |= response.status > 100;
            let owner = exchange.owner;
            self.try_cancel(id);
            if let Owner::Call(handle, Errand::Invite) = owner {
                self.invite_progress(handle, response);
            }
            return;
        }
        let untouched = exchange.cancel == Cancel::No;
        if !matches!(response.status, 401 | 407) {
            let owner = exchange.owner;
            if let Some(auth) = self.auth_of(owner) {
                auth.accepted();
            }
        }
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if untouched && response.status == 503 && !exchange.ringing && !exchange.targets.is_empty()
        {
            return self.attempt(id);
        }
        if untouched && matches!(response.status, 401 | 407) && self.answer_challenge(id, &response)
        {
            return;
        }
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let owner = exchange.owner;
        let invite = exchange.request.method == Method::Invite;
        if invite && response.is_success() {
            // The exchange stays with its transaction: other answers may come.
            return self.invited(id, tx, owner, response);
        }
        self.finish(id);
        self.outcome(owner, Ok(response));
    }

    /// Sends the request again with a new CSeq and an answer to the challenge.
    pub(super) fn relaunch(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if let Some(target) = exchange.target.take() {
            exchange.targets.push_front(target);
        }
        self.attempt(id);
    }

    /// No response came from the address that was tried.
    fn failed(&mut self, id: ExchangeId, failure: Failure) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        if exchange.cancel == Cancel::No && !exchange.ringing && !exchange.targets.is_empty() {
            return self.attempt(id);
        }
        let owner = exchange.owner;
        self.finish(id);
        self.outcome(owner, Err(failure));
    }

    fn outcome(&mut self, owner: Owner, outcome: Result<Response, Failure>) {
        match owner {
            Owner::Call(handle, errand) => self.errand_done(handle, errand, outcome),
            Owner::Register(handle) => self.register_done(handle, outcome),
            Owner::Ping(handle) => self.ping_done(handle, outcome),
            Owner::Nobody(_) => {}
        }
    }

    pub(super) fn client_timeout(&mut self, tx: TxId) {
        let Some(client) = self.clients.get_mut(&tx) else { return };
        let tick = client.machine.handle_timeout(self.now);
        let exchange = client.exchange;
        match tick {
            Tick::Wait => self.timers.set(Timer::Client(tx), client.machine.next_timeout()),
            Tick::Repeat => {
                self.timers.set(Timer::Client(tx), client.machine.next_timeout());
                self.stats.repeated += 1;
                let (handle, hop, bytes) =
                    (client.handle, client.hop.clone(), client.bytes.clone());
                self.send(SendId(tx.0), handle, hop, bytes);
            }
            Tick::TimedOut => {
                self.forget_client(tx);
                if let Some(id) = self.current(exchange, tx) {
                    self.failed(id, Failure::Timeout);
                }
            }
            Tick::Over => {
                self.forget_client(tx);
                if let Some(id) = self.current(exchange, tx) {
                    self.finish(id);
                }
            }
        }
    }

    /// The exchange, if this is the transaction that it waits for.
    fn current(&self, exchange: Option<ExchangeId>, tx: TxId) -> Option<ExchangeId> {
        exchange.filter(|id| self.exchanges.get(id).is_some_and(|e| e.tx == Some(tx)))
    }

    /// A send came to nothing.
    pub(super) fn unsent(&mut self, tx: TxId) {
        let Some(client) = self.clients.get(&tx) else { return self.unsent_response(tx) };
        if !client.machine.is_open() {
            return;
        }
        let exchange = client.exchange;
        self.forget_client(tx);
        if let Some(id) = self.current(exchange, tx) {
            self.failed(id, Failure::Network);
        }
    }

    /// A connection is gone: what waits on it fails.
    pub(super) fn closed(&mut self, flow: Flow) {
        let waits = |client: &ClientTx| {
            let Hop { transport, remote, .. } = client.hop;
            client.machine.is_open() && (transport, remote) == (flow.transport, flow.remote)
        };
        let lost: Vec<_> =
            self.clients.iter().filter(|(_, client)| waits(client)).map(|(tx, _)| *tx).collect();
        for tx in lost {
            self.unsent(tx);
        }
    }

    fn forget_client(&mut self, tx: TxId) {
        self.timers.clear(Timer::Client(tx));
        if let Some(client) = self.clients.remove(&tx) {
            self.branches.remove(&client.key);
        }
    }
}

impl Door {
    /// Whether a message for `target` can leave here.
    fn reaches(&self, target: &Target) -> bool {
        let family = |address: SocketAddr| address.is_ipv4();
        self.transport == target.transport && family(self.local) == family(target.remote)
    }

    /// Where we are reached through this door.
    pub(crate) fn contact(&self, user: &Text) -> NameAddr {
        let user = user.decoded();
        let user = Some(user.as_ref()).filter(|user| !user.is_empty());
        let mut uri = SipUri::new(user, self.advertised.clone());
        if self.transport != Transport::Udp {
            uri.set_param("transport", Some(self.transport.name()));
        }
        NameAddr::new(uri)
    }
}

/// An upper bound of what a Via adds.
const ROOM_FOR_VIA: usize = 120;

fn client_key(branch: &Text, method: &Method) -> Vec<u8> {
    [branch.as_bytes(), b" ", method.name()].concat()
}

/// Where a request goes first: its first Route, or else its URI (RFC 3261 §8.1.2). What is no SIP URI
/// leads nowhere.
fn next_hop(request: &Request) -> Option<SipUri> {
    let route = request.headers.routes().ok().and_then(|routes| routes.into_iter().next());
    match route.map_or_else(|| request.uri.clone(), |route| route.uri) {
        Uri::Sip(uri) => Some(uri),
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}
