//! A native client's connection and the messages of its session (docs/protocol/quic.md).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use offhook_proto::quic::from_client::Body as Ask;
use offhook_proto::quic::from_server::Body as Answer;
use offhook_proto::quic::{FromClient, FromServer};
use offhook_wire::cursor::Reader;
use offhook_wire::roq::{self, Varint};
use prost::Message;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    AsyncUdpSocket, ClientConfig, Connection, Endpoint, EndpointConfig, RecvStream, SendStream,
    TokioRuntime, TransportConfig,
};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::pin::Pinned;

/// The flow of the session's messages.
const MESSAGES: u64 = 0;
/// Messages that wait to be heard.
const WAITING: usize = 64;
/// What waits to be taken by a client that is behind.
const DATAGRAMS: usize = 1 << 20;
/// Packets that are too long for a datagram come in streams, so many at once.
const STREAMS: u32 = 64;
/// How long the last packet of a connection may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What `GET /quic/{room}` tells.
#[derive(Deserialize)]
pub struct Place {
    port: u16,
    alpn: String,
    certificate_sha256: String,
}

/// A connection with its session's stream.
pub struct Client {
    /// For packets.
    pub connection: Connection,
    endpoint: Endpoint,
    messages: mpsc::Receiver<FromServer>,
    /// News that came while an answer was awaited.
    unheard: VecDeque<Answer>,
    stream: SendStream,
    request: u32,
}

impl Place {
    /// Ask the server where to connect for a room.
    pub async fn ask(http: &reqwest::Client, url: &str, token: &str) -> Result<Self> {
        let response = http.get(url).bearer_auth(token).send().await?;
        let status = response.status();
        ensure!(status.is_success(), "{url} answered {status}");
        Ok(serde_json::from_str(&response.text().await?)?)
    }

    fn config(&self) -> Result<ClientConfig> {
        let fingerprint = bytes(&self.certificate_sha256)?;
        let tls13 = [&rustls::version::TLS13];
        let mut tls = rustls::ClientConfig::builder_with_protocol_versions(&tls13)
            .dangerous()
            .with_custom_certificate_verifier(Pinned::new(fingerprint))
            .with_no_client_auth();
        tls.alpn_protocols = vec![self.alpn.clone().into_bytes()];
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        let mut transport = TransportConfig::default();
        transport
            .datagram_receive_buffer_size(Some(DATAGRAMS))
            .max_concurrent_uni_streams(STREAMS.into());
        config.transport_config(Arc::new(transport));
        Ok(config)
    }
}

impl Client {
    /// Connect over a socket, to where the server said on this host.
    pub async fn connect(
        place: &Place,
        host: std::net::IpAddr,
        socket: Arc<dyn AsyncUdpSocket>,
    ) -> Result<Self> {
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let endpoint = Endpoint::new_with_abstract_socket(config, None, socket, runtime)?;
        let server = SocketAddr::new(host, place.port);
        let connection = endpoint.connect_with(place.config()?, server, "localhost")?.await?;
        let (mut stream, receive) = connection.open_bi().await?;
        stream.write_all(integer(MESSAGES)?.as_bytes()).await?;
        let (told, messages) = mpsc::channel(WAITING);
        tokio::spawn(read(receive, told));
        let unheard = VecDeque::new();
        Ok(Self { connection, endpoint, messages, unheard, stream, request: 0 })
    }

    /// Ask and wait for the answer.
    pub async fn ask(&mut self, ask: Ask) -> Result<Answer> {
        self.request += 1;
        self.say(self.request, ask).await?;
        loop {
            let message = self.messages.recv().await.context(OVER)?;
            match message.body {
                Some(Answer::Refused(refused)) if message.answers == self.request => {
                    bail!("refused: {}", refused.message)
                }
                Some(answer) if message.answers == self.request => return Ok(answer),
                news => self.unheard.extend(news),
            }
        }
    }

    /// Ask without waiting for an answer.
    pub async fn tell(&mut self, ask: Ask) -> Result<()> {
        self.say(0, ask).await
    }

    /// The next news.
    pub async fn news(&mut self) -> Result<Answer> {
        loop {
            if let Some(news) = self.unheard.pop_front() {
                return Ok(news);
            }
            self.unheard.extend(self.messages.recv().await.context(OVER)?.body);
        }
    }

    /// Go on over another socket under new keys, as after a change of network.
    pub fn move_on(&self, socket: Arc<dyn AsyncUdpSocket>) -> Result<()> {
        self.connection.force_key_update();
        Ok(self.endpoint.rebind_abstract(socket)?)
    }

    /// Say goodbye.
    pub async fn close(self) {
        self.connection.close(0u32.into(), b"");
        // It leaves when the endpoint has its turn.
        let _ = tokio::time::timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }

    async fn say(&mut self, request: u32, ask: Ask) -> Result<()> {
        let message = FromClient { request, body: Some(ask) }.encode_to_vec();
        self.stream.write_all(integer(message.len() as u64)?.as_bytes()).await?;
        Ok(self.stream.write_all(&message).await?)
    }
}

const OVER: &str = "the connection is over";

/// Hexadecimal digits as bytes.
fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pair = |at: usize| {
        u8::from_str_radix(hex.get(at..at + 2).context("odd digits")?, 16).context("digit")
    };
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn integer(value: u64) -> Result<Varint> {
    Varint::new(value).context("too large for QUIC")
}

async fn read(mut stream: RecvStream, told: mpsc::Sender<FromServer>) -> Result<()> {
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head[..1]).await?;
        let size = roq::varint_len(head[0]);
        stream.read_exact(&mut head[1..size]).await?;
        let len = roq::varint(&mut Reader::new(&head[..size]))?;
        let mut message = vec![0; usize::try_from(len)?];
        stream.read_exact(&mut message).await?;
        told.send(FromServer::decode(Bytes::from(message))?).await?;
    }
}
