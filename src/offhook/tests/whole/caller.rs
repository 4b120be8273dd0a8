//! A person with an app, as far as a phone call needs one: signed in over HTTP, connected over the WebSocket.
//! The person does not join the media of a call; the server waits for that for `[calls] join_ms`.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::server::{DEADLINE, Server, http};

/// Signed in and connected.
pub struct Caller {
    socket: WebSocket<TcpStream>,
    requests: u32,
    /// Events that came while a reply was waited for.
    early: Vec<Value>,
    /// The access token.
    pub token: String,
}

impl Caller {
    /// Sign up with a number in E.164, and connect.
    pub fn sign_up(server: &Server, number: &str) -> Self {
        let json = [("content-type", "application/json")];
        let post = |path, body: Value| {
            let answer = http(server.http, "POST", path, &json, &body.to_string());
            let answer = answer.filter(|a| a.status == 200).unwrap_or_else(|| panic!("{path}"));
            serde_json::from_str::<Value>(&answer.body).expect("JSON")
        };
        post("/v1/auth/code", json!({"number": number}));
        let tokens = post("/v1/auth/verify", json!({"number": number, "code": "123456"}));
        Self::connect(server, tokens["accessToken"].as_str().expect("a token").to_owned())
    }

    /// Connect with an access token.
    pub fn connect(server: &Server, token: String) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.http)).expect("a connection");
        let url = format!("ws://127.0.0.1:{}/v1/connect", server.http);
        let (socket, _) = tungstenite::client(url, stream).expect("a WebSocket");
        let mut caller = Self { socket, requests: 0, early: Vec::new(), token };
        caller.ask("connect", json!({"accessToken": caller.token}));
        caller
    }

    /// Send a request; the reply, which may be an error.
    pub fn ask(&mut self, kind: &str, body: Value) -> Value {
        self.requests += 1;
        let request = json!({"requestId": self.requests, kind: body}).to_string();
        self.socket.send(Message::text(request)).expect("sent");
        loop {
            let message = self.message(DEADLINE).unwrap_or_else(|| panic!("no reply to {kind}"));
            match message["replyTo"].as_u64() {
                Some(reply) if reply == u64::from(self.requests) => return message,
                Some(_) => {}
                None => self.early.push(message),
            }
        }
    }

    /// Call a phone; the call's id.
    pub fn call(&mut self, number: &str) -> String {
        let place = json!({"number": number, "media": "CALL_MEDIA_AUDIO", "via": "CALL_VIA_PHONE"});
        let reply = self.ask("place", place);
        let id = reply["placed"]["callId"].as_str();
        id.unwrap_or_else(|| panic!("not placed: {reply}")).to_owned()
    }

    /// Hang up, whether or not it was answered.
    pub fn hang_up(&mut self, call: &str) -> Value {
        self.ask("hangUp", json!({"callId": call}))
    }

    /// Take back a call that was not answered.
    pub fn cancel(&mut self, call: &str) -> Value {
        self.ask("cancel", json!({"callId": call}))
    }

    /// Press keys.
    pub fn press(&mut self, call: &str, keys: &str) -> Value {
        self.ask("press", json!({"callId": call, "keys": keys}))
    }

    /// Hold the phone, or take it back.
    pub fn hold(&mut self, call: &str, held: bool) -> Value {
        self.ask("hold", json!({"callId": call, "held": held}))
    }

    /// The next event of this kind (`ringing`, `accepted`, `ended`, …); others before it are passed over.
    pub fn wait(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let mut passed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.event(left) {
                Some(mut event) if event[kind].is_object() => return event[kind].take(),
                Some(event) => passed.push(event),
                None => panic!("no {kind} in time, but {passed:?}"),
            }
        }
    }

    /// The next event; nothing when none comes in time.
    pub fn event(&mut self, within: Duration) -> Option<Value> {
        if !self.early.is_empty() {
            return Some(self.early.remove(0));
        }
        let deadline = Instant::now() + within;
        loop {
            let message = self.message(deadline.saturating_duration_since(Instant::now()))?;
            if message["seq"].is_string() {
                return Some(message);
            }
        }
    }

    fn message(&mut self, within: Duration) -> Option<Value> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a deadline");
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(text.as_str()).expect("JSON"));
                }
                Ok(_) => {}
                Err(Error::Io(error)) if is_timeout(&error) => return None,
                Err(error) => panic!("the connection broke: {error}"),
            }
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
