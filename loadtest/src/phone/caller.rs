//! Somebody who calls: signed up over HTTP, then a session over the WebSocket (docs/protocol/client.md).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A signed-in device.
pub struct Caller {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u32,
}

/// How long the parts of a call took.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From the request to the reply that the call exists.
    pub placed: Duration,
    /// From the request to the answer.
    pub answered: Duration,
    /// From hanging up to the end.
    pub ended: Duration,
}

/// What a call may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The demo carrier answers numbers that end in 15 at once.
const CALLED: &str = "+12125550115";

impl Caller {
    /// The person with this serial number, who has not been seen before.
    pub async fn sign_up(url: &str, serial: u32) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let number = format!("+1303{:07}", 5_550_000 + serial);
        let ask = async |path: &str, body: Value| -> Result<Value> {
            let sent = http.post(format!("{url}{path}")).json(&body).send().await?;
            Ok(sent.error_for_status()?.json().await?)
        };
        ask("/v1/auth/code", json!({ "number": number })).await?;
        let code = json!({ "number": number, "code": super::stage::CODE });
        let tokens = ask("/v1/auth/verify", code).await?;
        let (socket, _) = connect_async(format!("{}/v1/connect", url.replacen("http", "ws", 1)))
            .await
            .context("the WebSocket")?;
        let mut caller = Self { socket, requests: 0 };
        caller.send(json!({ "connect": { "accessToken": tokens["accessToken"] } })).await?;
        caller.wait("connected").await?;
        Ok(caller)
    }

    /// Call, talk for so long, hang up.
    pub async fn call(&mut self, talk: Duration) -> Result<Timing> {
        timeout(PATIENCE, self.whole_call(talk)).await.context("the call took too long")?
    }

    async fn whole_call(&mut self, talk: Duration) -> Result<Timing> {
        let asked = Instant::now();
        let place = json!({ "number": CALLED, "media": "CALL_MEDIA_AUDIO",
            "via": "CALL_VIA_PHONE" });
        self.send(json!({ "place": place })).await?;
        let call = self.wait("placed").await?["callId"].clone();
        let placed = asked.elapsed();
        self.wait("accepted").await?;
        let answered = asked.elapsed();
        tokio::time::sleep(talk).await;
        let hung_up = Instant::now();
        self.send(json!({ "hangUp": { "callId": call } })).await?;
        self.wait("ended").await?;
        Ok(Timing { placed, answered, ended: hung_up.elapsed() })
    }

    async fn send(&mut self, mut message: Value) -> Result<()> {
        self.requests += 1;
        message["requestId"] = json!(self.requests);
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    /// The next message of this kind; an error, or the end of a call that is waited for otherwise, ends
    /// the wait.
    async fn wait(&mut self, kind: &str) -> Result<Value> {
        loop {
            let frame = self.socket.next().await.context("the server closed the session")??;
            let Message::Text(text) = frame else { continue };
            let mut message: Value = serde_json::from_str(&text)?;
            let seq = message["seq"].as_str().and_then(|seq| seq.parse::<u64>().ok());
            if let Some(seq) = seq.filter(|seq| seq % ACKNOWLEDGED_EACH == 0) {
                self.send(json!({ "ack": { "seq": seq.to_string() } })).await?;
            }
            if message.get(kind).is_some() {
                return Ok(message[kind].take());
            }
            if message.get("error").is_some() || message.get("ended").is_some() {
                bail!("waiting for {kind}, the server said {message}");
            }
        }
    }
}

/// The server keeps so many events at least.
const ACKNOWLEDGED_EACH: u64 = 16;
