//! What the user agent of this project does not do, because nobody should, and carriers do: not to hear
//! a BYE, and to ask for an offer with a re-INVITE. It sits between the sockets and the agent.

use std::collections::BTreeMap;

use offhook_sip::agent::{Body, Flow, Hop, Send, SendId, Timers, Transport};
use offhook_sip::dialog::Dialog;
use offhook_sip::header::{self, Name, NameAddr, Via};
use offhook_sip::message::{Message, Method, Request, Response};
use offhook_sip::parse;
use offhook_sip::text::Text;
use offhook_sip::transaction::client::{Client, Heard, Tick};
use offhook_sip::uri::SipUri;
use offhook_types::{Rng, Time};

/// Overhears every call that comes in.
#[derive(Debug)]
pub struct Tap {
    calls: BTreeMap<Text, Overheard>,
    rng: Rng,
}

/// What becomes of a message that came.
#[derive(Debug)]
pub enum Verdict {
    /// It is the agent's.
    Pass,
    /// It is nobody's.
    Swallow,
    /// The first BYE of this call, which is not answered.
    Bye(Text),
    /// The offer that this call was asked for; [`Tap::answer`] is to follow.
    Offer(Text, Vec<u8>),
    /// This call refuses to make an offer, with this status.
    NoOffer(Text, u16),
}

#[derive(Debug)]
struct Overheard {
    invite: Request,
    flow: Flow,
    /// Of our side, once an ACK has said it.
    tag: Option<Text>,
    ears: Ears,
    question: Option<Question>,
}

/// How the carrier stands to BYEs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ears {
    Open,
    Closed,
    /// Closed, and one came.
    Missed,
}

/// A re-INVITE that asks for an offer.
#[derive(Debug)]
struct Question {
    machine: Client,
    dialog: Dialog,
    branch: Text,
    bytes: Vec<u8>,
    hop: Hop,
    ack: Option<Vec<u8>>,
}

impl Tap {
    /// Nothing heard yet.
    pub fn new(rng: Rng) -> Self {
        Self { calls: BTreeMap::new(), rng }
    }

    /// A message came. What is to be sent because of it is pushed.
    pub fn hear(&mut self, now: Time, flow: Flow, bytes: &[u8], out: &mut Vec<Send>) -> Verdict {
        match parse::datagram(bytes) {
            Ok(Message::Request(request)) => self.hear_request(flow, request),
            Ok(Message::Response(response)) => self.hear_response(now, &response, out),
            Err(_) => Verdict::Pass,
        }
    }

    /// BYEs of this call are not heard from now on.
    pub fn deafen(&mut self, call: &Text) {
        if let Some(call) = self.calls.get_mut(call) {
            call.ears = Ears::Closed;
        }
    }

    /// The call is over.
    pub fn forget(&mut self, call: &Text) {
        self.calls.remove(call);
    }

    /// Asks for an offer.
    pub fn ask(&mut self, now: Time, call: &Text) -> Option<Send> {
        let branch = self.branch();
        let known = self.calls.get_mut(call)?;
        let mut dialog = Dialog::incoming(&known.invite, known.tag.clone()?)?;
        let local = known.flow.local;
        let mut request = dialog.request(Method::Invite);
        request.headers.push_front(Name::Via, &via(known.flow, &branch));
        let contact = SipUri::new(None, local.into());
        request.headers.push(Name::Contact, &NameAddr::new(contact));
        let (bytes, hop) = (request.to_bytes(), hop(known.flow, &dialog));
        let sure = hop.transport.is_sure();
        let timers = Timers::default();
        let machine = Client::new(now, true, sure, (timers, timers.patience()));
        let send = Send { id: SendId(0), hop: hop.clone(), bytes: bytes.clone() };
        known.question = Some(Question { machine, dialog, branch, bytes, hop, ack: None });
        Some(send)
    }

    /// Answers the offer that was asked for, in the ACK.
    pub fn answer(&mut self, call: &Text, body: &Body) -> Option<Send> {
        let branch = self.branch();
        let known = self.calls.get_mut(call)?;
        let question = known.question.as_mut()?;
        let mut ack = question.dialog.numbered(Method::Ack, question.dialog.local_seq);
        ack.headers.push_front(Name::Via, &via(known.flow, &branch));
        ack.headers.set(Name::ContentType, body.kind.as_str());
        ack.body.clone_from(&body.bytes);
        let bytes = ack.to_bytes();
        question.ack = Some(bytes.clone());
        Some(Send { id: SendId(0), hop: question.hop.clone(), bytes })
    }

    /// What the agent sends, with its number raised where the tap has used one of the dialog's.
    pub fn outgoing(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.calls.values().all(|call| call.question.is_none()) {
            return bytes;
        }
        let Ok(Message::Request(mut request)) = parse::datagram(&bytes) else { return bytes };
        let call = request.headers.call_id().ok().and_then(|id| self.calls.get(&id));
        let Ok(mut cseq) = request.headers.cseq() else { return bytes };
        if call.is_none_or(|call| call.question.is_none()) {
            return bytes;
        }
        cseq.number += 1;
        request.headers.set(Name::CSeq, &cseq);
        request.to_bytes()
    }

    /// When [`Tap::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Time> {
        let questions = self.calls.values().filter_map(|call| call.question.as_ref());
        let open = questions.filter(|question| question.machine.is_open());
        open.map(|question| question.machine.next_timeout()).min()
    }

    /// Time has passed: questions are asked again.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<Send>) {
        for question in self.calls.values_mut().filter_map(|call| call.question.as_mut()) {
            let due = question.machine.is_open() && question.machine.next_timeout() <= now;
            if due && question.machine.handle_timeout(now) == Tick::Repeat {
                let (hop, bytes) = (question.hop.clone(), question.bytes.clone());
                out.push(Send { id: SendId(0), hop, bytes });
            }
        }
    }

    fn hear_request(&mut self, flow: Flow, request: Request) -> Verdict {
        let (Ok(id), Ok(to)) = (request.headers.call_id(), request.headers.to()) else {
            return Verdict::Pass;
        };
        if request.method == Method::Invite && to.tag().is_none() {
            let (ears, tag, question) = (Ears::Open, None, None);
            let call = Overheard { invite: request, flow, tag, ears, question };
            self.calls.entry(id).or_insert(call);
            return Verdict::Pass;
        }
        let Some(call) = self.calls.get_mut(&id) else { return Verdict::Pass };
        match (&request.method, call.ears) {
            (Method::Ack, _) => {
                call.tag = call.tag.take().or_else(|| to.tag().cloned());
                Verdict::Pass
            }
            (Method::Bye, Ears::Closed) => {
                call.ears = Ears::Missed;
                Verdict::Bye(id)
            }
            (Method::Bye, Ears::Missed) => Verdict::Swallow,
            _ => Verdict::Pass,
        }
    }

    fn hear_response(&mut self, now: Time, response: &Response, out: &mut Vec<Send>) -> Verdict {
        let Ok(id) = response.headers.call_id() else { return Verdict::Pass };
        let branch = response.headers.top_via().ok().and_then(|via| via.branch().cloned());
        let question = self.calls.get_mut(&id).and_then(|call| call.question.as_mut());
        let Some(question) = question.filter(|question| branch.as_ref() == Some(&question.branch))
        else {
            return Verdict::Pass;
        };
        let heard = question.machine.handle_response(now, response.status);
        let mut send = |bytes: Vec<u8>| {
            out.push(Send { id: SendId(0), hop: question.hop.clone(), bytes });
        };
        if response.is_success() {
            return match &question.ack {
                Some(ack) => {
                    send(ack.clone());
                    Verdict::Swallow
                }
                None => Verdict::Offer(id, response.body.clone()),
            };
        }
        if matches!(heard, Heard::Ack | Heard::AckAndPass) {
            send(refusal_ack(question));
        }
        match heard {
            Heard::AckAndPass => Verdict::NoOffer(id, response.status),
            _ => Verdict::Swallow,
        }
    }

    fn branch(&mut self) -> Text {
        format!("{}{:016x}", Via::COOKIE, self.rng.next_u64()).into()
    }
}

/// The ACK of a refusal has the branch of its INVITE (RFC 3261 §17.1.1.3).
fn refusal_ack(question: &Question) -> Vec<u8> {
    let mut ack = question.dialog.numbered(Method::Ack, question.dialog.local_seq);
    if let Ok(Message::Request(asked)) = parse::datagram(&question.bytes)
        && let Some(via) = asked.headers.get(&Name::Via)
    {
        ack.headers.push_front(Name::Via, via);
    }
    ack.to_bytes()
}

fn via(flow: Flow, branch: &Text) -> Via {
    let transport = match flow.transport {
        Transport::Udp => header::Transport::Udp,
        Transport::Tcp | Transport::Tls => header::Transport::Tcp,
    };
    Via::new(transport, flow.local.into(), branch.clone())
}

/// Where requests of a dialog go: to the first proxy, or to the contact; on a connection, back on it.
fn hop(flow: Flow, dialog: &Dialog) -> Hop {
    let next = dialog.routes.first().map_or(&dialog.target, |route| &route.uri);
    let named = next.as_sip().and_then(|uri| uri.at.address(Transport::Udp.port()));
    let datagrams = flow.transport == Transport::Udp;
    let remote = named.filter(|_| datagrams).unwrap_or(flow.remote);
    let (transport, local) = (flow.transport, datagrams.then_some(flow.local));
    Hop { transport, local, remote, name: None, connect: false }
}
