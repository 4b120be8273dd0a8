//! Our own client protocol (docs/protocol/client.md): people sign up, the first half of a room's members calls the
//! second half, and whoever is answered goes on through the LiveKit door with what the server gave them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use offhook_scenario::Seat;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::socket::{self, Socket};
use super::{Leave, PATIENCE, Visitor, livekit};

/// Sign up, call or be called, talk until it is time, hang up.
pub async fn visit(visitor: &mut Visitor<'_>, leave: &mut Leave) -> Result<()> {
    let (half, number) = (visitor.group.count / 2, visitor.seat.number);
    let mut phone = Phone::sign_up(visitor).await?;
    let called = timeout(PATIENCE, async {
        if number < half {
            phone.call(visitor, &dialed(visitor.seat, number + half)).await
        } else {
            phone.answer(visitor, &dialed(visitor.seat, number)).await
        }
    });
    let call = called.await.context("the call took too long")??;
    let ended = tokio::select! {
        ended = livekit::visit(visitor, leave, (&call.url, &call.token)) => ended,
        ended = phone.until_ended() => ended,
    };
    // Whoever is second to hang up finds the call gone.
    phone.send(json!({ "hangUp": { "callId": call.id } })).await?;
    ended
}

/// The server wants to hear of a device every 20 seconds or so (docs/protocol/client.md).
const PING: Duration = Duration::from_secs(10);

/// A signed-in device.
struct Phone {
    socket: Socket,
    requests: u32,
}

/// A call that was answered.
struct Call {
    id: Value,
    url: String,
    token: String,
}

/// Every member of every room of the kind has a number of its own.
fn dialed(seat: &Seat, number: u32) -> String {
    let room = seat.room.rsplit('-').next().and_then(|room| room.parse().ok()).unwrap_or(0);
    let group = seat.group as u32;
    format!("+1303{:07}", 5_000_000 + (group * 100_000 + room * 1000 + number) % 4_999_999)
}

impl Phone {
    async fn sign_up(visitor: &Visitor<'_>) -> Result<Self> {
        let target = &visitor.stage.target;
        let number = dialed(visitor.seat, visitor.seat.number);
        let ask = async |path: &str, body: Value| -> Result<Value> {
            let url = format!("{}{path}", target.client);
            let sent = visitor.stage.http.post(url).json(&body).timeout(PATIENCE).send().await?;
            Ok(sent.error_for_status()?.json().await?)
        };
        ask("/v1/auth/code", json!({ "number": number })).await?;
        let code = json!({ "number": number, "code": target.code });
        let tokens = ask("/v1/auth/verify", code).await?;
        let socket = socket::open(&format!("{}/v1/connect", target.client)).await?;
        let mut phone = Self { socket, requests: 0 };
        phone.send(json!({ "connect": { "accessToken": tokens["accessToken"] } })).await?;
        phone.wait("connected").await?;
        Ok(phone)
    }

    async fn call(&mut self, visitor: &Visitor<'_>, number: &str) -> Result<Call> {
        let mut reachable = visitor.stage.reachable.subscribe();
        reachable.wait_for(|numbers| numbers.contains(number)).await?;
        let media = media(visitor);
        let place = json!({ "number": number, "media": media, "via": "CALL_VIA_APP" });
        self.send(json!({ "place": place })).await?;
        let id = self.wait("placed").await?["callId"].take();
        self.accepted(id, &visitor.stage.target.client).await
    }

    async fn answer(&mut self, visitor: &Visitor<'_>, own: &str) -> Result<Call> {
        visitor.stage.reachable.send_modify(|numbers| {
            numbers.insert(own.into());
        });
        let incoming = self.wait("incoming").await?;
        visitor.stage.reachable.send_modify(|numbers| {
            numbers.remove(own);
        });
        let id = incoming["callId"].clone();
        self.send(json!({ "ringAck": { "callId": id } })).await?;
        self.send(json!({ "accept": { "callId": id, "media": media(visitor) } })).await?;
        self.accepted(id, &visitor.stage.target.client).await
    }

    async fn accepted(&mut self, id: Value, own: &str) -> Result<Call> {
        let accepted = self.wait("accepted").await?;
        let text = |key: &str| accepted["grant"][key].as_str().map(str::to_owned);
        // Without an address it is the server that we are talking to.
        let url = text("url").filter(|url| !url.is_empty()).unwrap_or_else(|| own.to_owned());
        Ok(Call { id, url, token: text("token").context("no media token")? })
    }

    /// Until the other side hangs up.
    async fn until_ended(&mut self) -> Result<()> {
        let mut pings = interval(PING);
        loop {
            tokio::select! {
                _ = pings.tick() => self.send(json!({ "ping": {} })).await?,
                frame = self.socket.next() => {
                    let frame = frame.context("the server closed the session")??;
                    let Message::Text(text) = frame else { continue };
                    let message: Value = serde_json::from_str(&text)?;
                    if message.get("ended").is_some() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn send(&mut self, mut message: Value) -> Result<()> {
        self.requests += 1;
        message["requestId"] = json!(self.requests);
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    /// The next message of this kind. An error ends the wait, and so does the end of the call.
    async fn wait(&mut self, kind: &str) -> Result<Value> {
        loop {
            let frame = self.socket.next().await.context("the server closed the session")??;
            let Message::Text(text) = frame else { continue };
            let mut message: Value = serde_json::from_str(&text)?;
            if message.get(kind).is_some() {
                return Ok(message[kind].take());
            }
            if message.get("error").is_some() || message.get("ended").is_some() {
                bail!("waiting for {kind}, the server said {message}");
            }
        }
    }
}

fn media(visitor: &Visitor<'_>) -> &'static str {
    match visitor.group.tracks(offhook_types::MediaKind::Video) {
        0 => "CALL_MEDIA_AUDIO",
        _ => "CALL_MEDIA_VIDEO",
    }
}
