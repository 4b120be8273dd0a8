//! The door over a real listener, with real accounts, calls and rooms behind it. A device in here
//! is a WebSocket that speaks protobuf JSON unless a test says otherwise.

mod behaviour;
mod document;
mod resume;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::account::tests::{ADA, BOB, CODE, Disk, config as account_config};
use crate::calls::{self, Neighbours, Options};
use crate::push::Nobody;
use crate::rooms::Rooms;
use crate::token::Keys;

/// Longer than anything takes on a busy machine; a test that waits for it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    sessions: Sessions,
    disk: Disk,
    http: reqwest::Client,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut config = Config { messages: Rate::per_minute(1_000_000), ..Config::default() };
        change(&mut config);
        let disk = Disk::new().await;
        let neighbours = Neighbours {
            store: disk.store.clone(),
            rooms: Rooms::start(&crate::rooms::Config::default(), 1),
            keys: Keys::new([("key".to_owned(), "secret".repeat(8))]),
            push: Arc::new(Nobody),
            phones: crate::phone::Phones::none(),
        };
        let mut options = Options::default();
        options.calls.place_burst = 10_000;
        let calls = calls::start(options, neighbours, 2).await.unwrap();
        let sessions = Sessions::new(config, calls);
        let disk_store = disk.store.clone();
        let accounts =
            Accounts::new(account_config(), disk_store, Arc::new(sessions.clone())).unwrap();
        let router = crate::account::routes(accounts.clone())
            .merge(routes(Door::new(accounts, sessions.clone())))
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, sessions, disk, http: reqwest::Client::new() }
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (u16, Value) {
        let answer = self
            .http
            .post(format!("http://{}/v1/{path}", self.address))
            .header("content-type", "application/json")
            .bearer_auth(token)
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// An access token of a new device.
    async fn sign_in(&self, number: &str) -> String {
        self.post("auth/code", "", json!({"number": number})).await;
        let verify = json!({"number": number, "code": CODE, "displayName": "somebody"});
        let (status, tokens) = self.post("auth/verify", "", verify).await;
        assert_eq!(status, 200, "{tokens}");
        tokens["accessToken"].as_str().unwrap().to_owned()
    }

    async fn open(&self) -> Socket {
        let url = format!("ws://{}/v1/connect", self.address);
        Socket(connect_async(url).await.unwrap().0)
    }

    /// A new session of a new device.
    async fn device(&self, number: &str) -> Device {
        let token = self.sign_in(number).await;
        self.device_of(token).await
    }

    /// A new session of the device with that token.
    async fn device_of(&self, token: String) -> Device {
        let mut socket = self.open().await;
        socket.send(json!({"requestId": 1, "connect": {"accessToken": token}})).await;
        let connected = socket.next().await;
        assert_eq!(connected["replyTo"], 1, "{connected}");
        let session = connected["connected"]["sessionId"].as_str().unwrap().to_owned();
        Device { token, session, socket, request: 1, connected }
    }
}

/// A raw connection.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn send(&mut self, message: Value) {
        self.send_frame(Frame::text(message.to_string())).await;
    }

    async fn send_frame(&mut self, frame: Frame) {
        self.0.send(frame).await.unwrap();
    }

    async fn frame(&mut self) -> Frame {
        loop {
            let frame = timeout(DEADLINE, self.0.next()).await.expect("nothing came");
            match frame.expect("the connection ended").unwrap() {
                Frame::Ping(_) | Frame::Pong(_) => {}
                frame => return frame,
            }
        }
    }

    async fn next(&mut self) -> Value {
        match self.frame().await {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The close code, after whatever else is on the way.
    async fn close_code(&mut self) -> u16 {
        loop {
            if let Frame::Close(close) = self.frame().await {
                return close.expect("a close without a code").code.into();
            }
        }
    }
}

/// A device with a session.
struct Device {
    token: String,
    session: String,
    socket: Socket,
    request: u32,
    connected: Value,
}

impl Device {
    /// Send a request without waiting; its id.
    async fn ask(&mut self, request: Value) -> u32 {
        self.request += 1;
        self.repeat(self.request, request).await;
        self.request
    }

    async fn repeat(&mut self, id: u32, mut request: Value) {
        request["requestId"] = id.into();
        self.socket.send(request).await;
    }

    /// Ask, and be answered before anything else comes.
    async fn call(&mut self, request: Value) -> Value {
        let id = self.ask(request).await;
        let reply = self.socket.next().await;
        assert_eq!(reply["replyTo"], id, "{reply}");
        reply
    }

    async fn place(&mut self, number: &str) -> String {
        let reply = self.call(json!({"place": {"number": number}})).await;
        reply["placed"]["callId"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// The next message, which is an event with this number and of this kind.
    async fn event(&mut self, seq: u64, kind: &str) -> Value {
        let event = self.socket.next().await;
        assert_eq!(event["seq"], seq.to_string(), "{event}");
        assert!(event.get(kind).is_some(), "no {kind}: {event}");
        event[kind].clone()
    }

    /// Lose the connection without a word and come back.
    async fn resume(self, server: &Server, last_seq: u64) -> Self {
        drop(self.socket);
        let mut socket = server.open().await;
        let id = self.request + 1;
        let connect = connect(&self.token, &self.session, last_seq);
        socket.send(json!({"requestId": id, "connect": connect})).await;
        let connected = socket.next().await;
        assert_eq!(connected["connected"]["resumed"], true, "{connected}");
        Self { socket, request: id, connected, ..self }
    }
}

fn connect(token: &str, session: &str, last_seq: u64) -> Value {
    json!({"accessToken": token, "sessionId": session, "lastSeq": last_seq.to_string()})
}
