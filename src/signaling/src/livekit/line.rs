//! One signaling connection: a WebSocket that carries protobuf or, for clients that start with
//! text, JSON. Writing happens in a task of its own behind a bounded channel, so that a client
//! that does not read cannot hold the session up.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol as proto;
use prost::Message as _;
use proto::{signal_request, signal_response};
use tokio::sync::mpsc;

/// The session's end of a connection.
pub(super) struct Line {
    stream: SplitStream<WebSocket>,
    out: mpsc::Sender<Message>,
    text: bool,
}

/// What came in.
#[derive(Debug)]
pub(super) enum Heard {
    /// A request; `None` is one of a kind we do not know.
    Request(Option<Box<signal_request::Message>>),
    /// Bytes that are not a message.
    Malformed,
    /// The connection is over.
    Closed,
}

/// The client does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slow;

impl Line {
    /// Take a connection over. `waiting` is how many messages may wait for the client.
    pub fn new(socket: WebSocket, waiting: usize, write_timeout: Duration) -> Self {
        let (sink, stream) = socket.split();
        let (out, messages) = mpsc::channel(waiting.max(1));
        tokio::spawn(write(sink, messages, write_timeout));
        Self { stream, out, text: false }
    }

    /// The next thing that the client says.
    pub async fn next(&mut self) -> Heard {
        loop {
            let Some(Ok(message)) = self.stream.next().await else { return Heard::Closed };
            let request = match message {
                Message::Binary(bytes) => proto::SignalRequest::decode(bytes).ok(),
                Message::Text(text) => {
                    self.text = true;
                    serde_json::from_str::<proto::SignalRequest>(text.as_str()).ok()
                }
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Close(_) => return Heard::Closed,
            };
            return match request {
                Some(request) => Heard::Request(request.message.map(Box::new)),
                None => Heard::Malformed,
            };
        }
    }

    pub fn send(&self, message: signal_response::Message) -> Result<(), Slow> {
        let response = proto::SignalResponse { message: Some(message) };
        let message = if self.text {
            let Ok(text) = serde_json::to_string(&response) else { return Ok(()) };
            Message::Text(text.into())
        } else {
            Message::Binary(response.encode_to_vec().into())
        };
        match self.out.try_send(message) {
            // A connection that broke is noticed by reading from it.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Slow),
        }
    }

    /// Close the connection after everything sent before. `unsupported` tells the client that it
    /// was what it sent (RFC 6455 §7.4.1: 1003), otherwise all is well (1000).
    pub fn close(self, unsupported: bool) {
        let code = if unsupported { close_code::UNSUPPORTED } else { close_code::NORMAL };
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static("") };
        let _ = self.out.try_send(Message::Close(Some(frame)));
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut messages: mpsc::Receiver<Message>,
    limit: Duration,
) {
    while let Some(message) = messages.recv().await {
        let last = matches!(message, Message::Close(_));
        match tokio::time::timeout(limit, sink.send(message)).await {
            Ok(Ok(())) if !last => (),
            _ => break,
        }
    }
    let _ = tokio::time::timeout(limit, sink.close()).await;
}
