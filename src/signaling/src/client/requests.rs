//! What a device asks for, done: the same for a session and for a single HTTP request.

use std::sync::Arc;

use offhook_call::{By, Media};
use offhook_proto::client::client_message::Message as Request;
use offhook_proto::client::server_message::Message as Reply;
use offhook_proto::client::{CallMedia, CallVia, Empty, ErrorCode, PlaceCall, Placed};
use offhook_store::User;
use offhook_types::{CallId, QuoteId, UserId};
use offhook_wire::number;

use super::phone;
use crate::account::{Accounts, Failure};
use crate::calls::{self, Dialing};
use crate::limit::Keyed;

/// Does requests.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) accounts: Accounts,
    pub(super) calls: calls::Handle,
    /// How often each user may ask for prices.
    pub(super) quotes: Arc<Keyed<UserId>>,
}

impl Requests {
    /// Do one request of a device.
    pub(super) async fn serve(
        &self,
        by: By,
        user: &User,
        request: Request,
    ) -> Result<Reply, Failure> {
        match request {
            Request::Place(place) => return self.place(by, user, place).await,
            Request::RingAck(ack) => self.calls.ring_ack(by, read_call(&ack.call_id)?).await?,
            Request::Accept(accept) => {
                read_media(accept.media)?;
                self.calls.accept(by, read_call(&accept.call_id)?).await?;
            }
            Request::Decline(decline) => {
                self.calls.decline(by, read_call(&decline.call_id)?).await?;
            }
            Request::Cancel(cancel) => self.calls.cancel(by, read_call(&cancel.call_id)?).await?,
            Request::HangUp(hang_up) => {
                self.calls.hang_up(by, read_call(&hang_up.call_id)?).await?;
            }
            Request::Press(press) => {
                let digits = phone::read_keys(&press.keys)?;
                self.calls.press(by, read_call(&press.call_id)?, digits).await?;
            }
            Request::Hold(hold) => {
                self.calls.hold(by, read_call(&hold.call_id)?, hold.held).await?;
            }
            Request::History(asked) => {
                let history = self.accounts.history(by.user, &asked).await?;
                return Ok(Reply::History(self.priced(by.user, history).await));
            }
            Request::Quote(asked) => return self.quote(user, asked).await.map(Reply::Quote),
            Request::Balance(_) => return self.balance(by.user).await.map(Reply::Balance),
            Request::Charge(asked) => {
                let call = read_call(&asked.call_id)?;
                return self.charge(by.user, call).await.map(Reply::Charge);
            }
            Request::Connect(_) | Request::Ack(_) | Request::Ping(_) => {
                return Err(Failure::bad_request("this message is not a request of a session"));
            }
        }
        Ok(Reply::Done(Empty {}))
    }

    async fn place(&self, by: By, user: &User, place: PlaceCall) -> Result<Reply, Failure> {
        let media = read_media(place.media)?;
        let via = CallVia::try_from(place.via);
        let (call, dialled) = match via.map_err(|_| Failure::bad_request("no such way to call"))? {
            CallVia::Phone => self.dial(by, user, &place).await?,
            CallVia::Unspecified | CallVia::App => {
                let number = number::read_from(&place.number, &user.number);
                let number = number.ok_or_else(Failure::bad_number)?;
                let dialled = number.as_str().to_owned();
                (self.calls.place(by, number, media).await?, dialled)
            }
        };
        Ok(Reply::Placed(Placed { call_id: call.to_string(), number: dialled }))
    }

    /// Place a call over the phone network. Pictures that were asked for are left out.
    async fn dial(
        &self,
        by: By,
        user: &User,
        place: &PlaceCall,
    ) -> Result<(CallId, String), Failure> {
        let to = number::read_dialed(&place.number, &user.number);
        let to = to.ok_or_else(Failure::bad_number)?;
        let quote = match place.quote_id.as_str() {
            "" => None,
            id => {
                let quote = id.parse::<QuoteId>();
                Some(quote.map_err(|_| Failure::bad_request("no such quote: ask for a new one"))?)
            }
        };
        let dialled = to.as_str().to_owned();
        let dialing = Dialing { to, quote, anonymous: place.anonymous };
        Ok((self.calls.dial(by, dialing).await?, dialled))
    }
}

/// An id that cannot be read is an id of no call.
fn read_call(text: &str) -> Result<CallId, Failure> {
    text.parse().map_err(|_| no_such_call())
}

pub(super) fn no_such_call() -> Failure {
    Failure::new(ErrorCode::NoSuchCall, "no such call for this device")
}

/// Left out it is sound only: nobody's camera is assumed.
fn read_media(media: i32) -> Result<Media, Failure> {
    match CallMedia::try_from(media) {
        Ok(CallMedia::Unspecified | CallMedia::Audio) => Ok(Media::Audio),
        Ok(CallMedia::Video) => Ok(Media::Video),
        Err(_) => Err(Failure::bad_request("no such media")),
    }
}
