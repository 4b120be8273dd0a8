//! Challenges (RFC 3261 §22, RFC 8760): who has the password, and when a request is sent again.

use super::{Agent, ExchangeId, Misdeed, Owner};
use crate::auth;
use crate::header::{CSeq, Name};
use crate::message::{Method, Request, Response};

impl Agent {
    /// What answers the challenges that the owner of an exchange meets. It outlives the exchange, so that
    /// a nonce is used again and counted.
    pub(super) fn auth_of(&mut self, owner: Owner) -> Option<&mut auth::Client> {
        match owner {
            Owner::Call(handle, _) => self.calls.get_mut(&handle).map(|call| &mut call.auth),
            Owner::Register(handle) => self.registrations.get_mut(&handle).map(|r| &mut r.auth),
            Owner::Ping(handle) => self.pings.get_mut(&handle).map(|ping| &mut ping.auth),
            Owner::Nobody(_) => None,
        }
    }

    /// Answers in advance what was asked before. An ACK has what its INVITE had.
    pub(super) fn authorize(&mut self, owner: &Owner, request: &mut Request) -> auth::Client {
        let Some(auth) = self.auth_of(*owner) else { return auth::Client::new(Vec::new()) };
        if request.method != Method::Ack {
            auth.authorize(request);
        }
        auth.clone()
    }

    /// Challenges to one exchange are answered as those to another were: nobody owns it any more.
    pub(crate) fn lend_password(&mut self, from: ExchangeId, to: ExchangeId) {
        let Some(mut auth) = self.exchanges.get(&from).map(|exchange| exchange.auth.clone()) else {
            return;
        };
        auth.accepted();
        if let Some(exchange) = self.exchanges.get_mut(&to) {
            exchange.auth = auth;
        }
    }

    /// Sends a request again with an answer to its challenge. False where there is none: no credentials
    /// for the realm, or they were turned down. Inside of a dialog too only a request of ours is sent
    /// again, and only as often as [`auth::Client`] lets it.
    pub(super) fn answer_challenge(&mut self, id: ExchangeId, response: &Response) -> bool {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return false };
        if exchange.auth.challenged(response, &mut self.rng).is_err() {
            self.stats.misdeeds.add(Misdeed::Challenge);
            return false;
        }
        let (owner, request) = (exchange.owner, exchange.request.clone());
        let Some(number) = self.next_number(owner, &request) else { return false };
        let Some(exchange) = self.exchanges.get_mut(&id) else { return false };
        let cseq = CSeq { number, method: request.method };
        exchange.request.headers.set(Name::CSeq, &cseq);
        exchange.auth.authorize(&mut exchange.request);
        let auth = exchange.auth.clone();
        if let Some(kept) = self.auth_of(owner) {
            *kept = auth;
        }
        self.relaunch(id);
        true
    }
}
