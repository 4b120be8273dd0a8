//! What a device asks for, done: the same for a session and for a single HTTP request.

use offhook_call::{By, Media};
use offhook_proto::client::client_message::Message as Request;
use offhook_proto::client::server_message::Message as Reply;
use offhook_proto::client::{CallMedia, Empty, ErrorCode, PlaceCall, Placed};
use offhook_store::User;
use offhook_types::CallId;
use offhook_wire::number;

use crate::account::{Accounts, Failure};
use crate::calls;

/// Does requests.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) accounts: Accounts,
    pub(super) calls: calls::Handle,
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
            Request::History(asked) => {
                return Ok(Reply::History(self.accounts.history(by.user, &asked).await?));
            }
            Request::Connect(_) | Request::Ack(_) | Request::Ping(_) => {
                return Err(Failure::bad_request("this message is not a request of a session"));
            }
        }
        Ok(Reply::Done(Empty {}))
    }

    async fn place(&self, by: By, user: &User, place: PlaceCall) -> Result<Reply, Failure> {
        let media = read_media(place.media)?;
        let number = number::read_from(&place.number, &user.number);
        let number = number.ok_or_else(Failure::bad_number)?;
        let dialled = number.as_str().to_owned();
        let call = self.calls.place(by, number, media).await?;
        Ok(Reply::Placed(Placed { call_id: call.to_string(), number: dialled }))
    }
}

/// An id that cannot be read is an id of no call.
fn read_call(text: &str) -> Result<CallId, Failure> {
    let none = || Failure::new(ErrorCode::NoSuchCall, "no such call for this device");
    text.parse().map_err(|_| none())
}

/// Left out it is sound only: nobody's camera is assumed.
fn read_media(media: i32) -> Result<Media, Failure> {
    match CallMedia::try_from(media) {
        Ok(CallMedia::Unspecified | CallMedia::Audio) => Ok(Media::Audio),
        Ok(CallMedia::Video) => Ok(Media::Video),
        Err(_) => Err(Failure::bad_request("no such media")),
    }
}
