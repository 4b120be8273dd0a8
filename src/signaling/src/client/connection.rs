//! One WebSocket: reads frames, finds the session that they belong to, and ends when either side
//! has had enough.

use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use offhook_proto::client::client_message::Message as Request;
use offhook_proto::client::server_message::Message as Reply;
use offhook_proto::client::{ClientMessage, Connect, ErrorCode, Pong};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::Door;
use super::link::{Closed, Link, goodbye};
use super::session::{Greeting, Mail};
use crate::account::{Encoding, Failure};
use crate::limit::Total;

/// For the peer to answer our close: it reads the reason before the connection is reset.
const LINGER: Duration = Duration::from_secs(1);

/// What was read from a connection.
enum Heard {
    Message(Encoding, ClientMessage),
    /// A frame that says no more than that somebody is there.
    Life,
    /// JSON with a request_id, but with something in it that cannot be read: a client newer than
    /// this server.
    Unreadable {
        request: u32,
    },
    /// Not a message in either encoding.
    Garbage,
}

/// Serve a connection to its end.
pub(super) async fn serve(door: Door, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let config = door.sessions.config();
    let deadline = Instant::now() + config.connect_timeout;
    let (encoding, first) = match next_message(&mut stream, deadline).await {
        Ok(first) => first,
        Err(why) => {
            door.sessions.count(why);
            goodbye(&mut sink, why).await;
            return linger(&mut stream).await;
        }
    };
    let id = door.sessions.next_link();
    let (link, writer) = Link::new(id, encoding, config.queue, sink, config.ping_interval);
    let mut writer = tokio::spawn(writer);
    let ended = tokio::select! {
        why = listen(&door, &link, &mut stream, first, deadline) => {
            link.close(why);
            None
        }
        why = &mut writer => Some(why),
    };
    let ended = match ended {
        Some(ended) => ended,
        None => writer.await,
    };
    door.sessions.count(ended.unwrap_or(Closed::ByPeer));
    linger(&mut stream).await;
}

/// Read until there is a reason to stop.
async fn listen(
    door: &Door,
    link: &Link,
    stream: &mut SplitStream<WebSocket>,
    first: ClientMessage,
    deadline: Instant,
) -> Closed {
    let mailbox = match connect(door, link, stream, first, deadline).await {
        Ok(mailbox) => mailbox,
        Err(why) => return why,
    };
    let config = door.sessions.config();
    let pace = Total::new(config.messages);
    loop {
        let heard = match timeout(config.idle_timeout, next(stream)).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(why)) => return why,
            Err(_) => return Closed::Timeout,
        };
        if pace.check().is_err() {
            return Closed::TooFast;
        }
        let message = match heard {
            Heard::Message(_, message) => message,
            Heard::Life => continue,
            Heard::Unreadable { request } => {
                let failure = Failure::bad_request("a field cannot be read");
                if link.refuse(request, failure).is_err() {
                    return Closed::SlowReader;
                }
                continue;
            }
            Heard::Garbage => return refuse_garbage(link),
        };
        // Answered here, since it asks whether the connection lives and not whether the session has
        // time.
        if let Some(Request::Ping(_)) = message.message {
            if link.reply(message.request_id, Reply::Pong(Pong {})).is_err() {
                return Closed::SlowReader;
            }
            continue;
        }
        if mailbox.send(Mail::Message { link: link.id, message }).await.is_err() {
            // The session is over and has said so on the link.
            return Closed::ByPeer;
        }
    }
}

fn refuse_garbage(link: &Link) -> Closed {
    let text = "a frame that is neither JSON text nor binary protobuf of ClientMessage";
    // A peer that reads no error reads no close either.
    let _ = link.refuse(0, Failure::bad_request(text));
    Closed::BadMessage
}

/// Take Connect messages until one opens a session.
async fn connect(
    door: &Door,
    link: &Link,
    stream: &mut SplitStream<WebSocket>,
    first: ClientMessage,
    deadline: Instant,
) -> Result<mpsc::Sender<Mail>, Closed> {
    let mut message = first;
    loop {
        let request = message.request_id;
        let Some(Request::Connect(asked)) = message.message else {
            let _ = link.refuse(request, Failure::bad_request("the first message is Connect"));
            return Err(Closed::BadMessage);
        };
        let failure = match open(door, link, request, asked).await {
            Ok(mailbox) => return Ok(mailbox),
            Err(failure) => failure,
        };
        let code = failure.code;
        if link.refuse(request, failure).is_err() {
            return Err(Closed::SlowReader);
        }
        match code {
            // It may ask for a new session on the same connection.
            ErrorCode::SessionGone => {}
            ErrorCode::Unauthenticated => return Err(Closed::Unauthenticated),
            _ => return Err(Closed::TryLater),
        }
        message = next_message(stream, deadline).await?.1;
    }
}

async fn open(
    door: &Door,
    link: &Link,
    request: u32,
    asked: Connect,
) -> Result<mpsc::Sender<Mail>, Failure> {
    let bearer = door.accounts.authenticate(&asked.access_token).await?;
    door.accounts.count_request(bearer.user.id)?;
    let greeting = Greeting { bearer, link: link.clone(), request };
    if asked.session_id.is_empty() {
        door.sessions.start(door.requests(), greeting).await
    } else {
        door.sessions.resume(&asked.session_id, asked.last_seq, greeting).await
    }
}

/// The next message, before a deadline.
async fn next_message(
    stream: &mut SplitStream<WebSocket>,
    deadline: Instant,
) -> Result<(Encoding, ClientMessage), Closed> {
    loop {
        match timeout_at(deadline, next(stream)).await {
            Ok(Ok(Heard::Message(encoding, message))) => return Ok((encoding, message)),
            Ok(Ok(Heard::Life)) => {}
            Ok(Ok(Heard::Unreadable { .. } | Heard::Garbage)) => return Err(Closed::BadMessage),
            Ok(Err(why)) => return Err(why),
            Err(_) => return Err(Closed::Timeout),
        }
    }
}

async fn next(stream: &mut SplitStream<WebSocket>) -> Result<Heard, Closed> {
    let frame = match stream.next().await {
        Some(Ok(frame)) => frame,
        // The library hides its errors' types; the test for long messages holds this to its words.
        Some(Err(error)) if error.to_string().contains("too long") => return Err(Closed::TooLong),
        Some(Err(_)) | None => return Err(Closed::ByPeer),
    };
    match &frame {
        Frame::Text(text) => Ok(read(Encoding::Json, text.as_bytes())),
        Frame::Binary(bytes) => Ok(read(Encoding::Protobuf, bytes)),
        Frame::Ping(_) | Frame::Pong(_) => Ok(Heard::Life),
        Frame::Close(_) => Err(Closed::ByPeer),
    }
}

fn read(encoding: Encoding, bytes: &[u8]) -> Heard {
    if let Some(message) = encoding.decode(bytes) {
        return Heard::Message(encoding, message);
    }
    match encoding {
        Encoding::Json => {
            json_request(bytes).map_or(Heard::Garbage, |request| Heard::Unreadable { request })
        }
        Encoding::Protobuf => Heard::Garbage,
    }
}

/// The request_id of a message that cannot be read otherwise.
fn json_request(bytes: &[u8]) -> Option<u32> {
    let message: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    u32::try_from(message.get("requestId")?.as_u64()?).ok()
}

async fn linger(stream: &mut SplitStream<WebSocket>) {
    let drained = async { while let Some(Ok(_)) = stream.next().await {} };
    // A peer that sends on and on is not waited for.
    let _ = timeout(LINGER, drained).await;
}
