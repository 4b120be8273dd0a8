//! One native client: its connection, its session, and packets both ways (docs/protocol/quic.md).

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use offhook_proto::quic::{FromClient, FromServer, Join, Joined, from_client, from_server};
use offhook_wire::cursor::Reader;
use offhook_wire::roq::{self, FlowId, Varint};
use prost::Message;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, TransportConfig};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::pin::Pinned;

/// Where to go and what to show.
pub struct Access {
    /// The server's public address.
    pub url: String,
    /// The room.
    pub room: String,
    /// A token for it.
    pub token: String,
}

/// A client in a room.
pub struct Client {
    /// Packets both ways.
    pub wire: Wire,
    /// What the server told about the room and the formats.
    pub joined: Joined,
    messages: mpsc::Receiver<FromServer>,
    stream: SendStream,
    request: u32,
}

/// A connection. Cheap to clone.
#[derive(Clone)]
pub struct Wire {
    endpoint: Endpoint,
    /// The connection itself.
    pub connection: Connection,
}

/// The flow of the session's messages, and that of RTCP.
const MESSAGES: u64 = 0;
pub const RTCP: u64 = 1;
/// How long the last packet of a connection may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What `GET /quic/{room}` tells.
#[derive(Deserialize)]
struct Place {
    port: u16,
    alpn: String,
    certificate_sha256: String,
}

impl Client {
    /// Ask where to connect, connect, join, and receive all.
    pub async fn connect(access: &Access) -> Result<Self> {
        let wire = dial(access).await?;
        let (mut stream, receive) = wire.connection.open_bi().await?;
        stream.write_all(integer(MESSAGES)?.as_bytes()).await?;
        let (told, messages) = mpsc::channel(64);
        tokio::spawn(read(receive, told));
        let joined = Joined::default();
        let mut client = Self { wire, joined, messages, stream, request: 0 };
        let join = Join { token: access.token.clone(), receive_all: true };
        match client.ask(from_client::Body::Join(join)).await? {
            from_server::Body::Joined(joined) => client.joined = joined,
            other => bail!("not joined: {other:?}"),
        }
        Ok(client)
    }

    /// Ask and wait for the answer; news that comes before is dropped.
    pub async fn ask(&mut self, body: from_client::Body) -> Result<from_server::Body> {
        self.request += 1;
        let message = FromClient { request: self.request, body: Some(body) }.encode_to_vec();
        self.stream.write_all(integer(message.len() as u64)?.as_bytes()).await?;
        self.stream.write_all(&message).await?;
        loop {
            let message = self.messages.recv().await.context("the connection is over")?;
            match message.body {
                Some(body) if message.answers == self.request => return Ok(body),
                _ => {}
            }
        }
    }

    /// The next news; `None` when the connection is over.
    pub async fn news(&mut self) -> Option<from_server::Body> {
        loop {
            if let Some(body) = self.messages.recv().await?.body {
                return Some(body);
            }
        }
    }

    /// The payload type of a format.
    pub fn payload_type(&self, mime: &str) -> Result<u8> {
        let format = self.joined.formats.iter().find(|format| format.mime == mime);
        Ok(u8::try_from(format.context("no such format")?.payload_type)?)
    }

    /// The id of a header extension; zero when there is none.
    pub fn extension(&self, uri: &str) -> u8 {
        let found = self.joined.extensions.iter().find(|extension| extension.uri == uri);
        found.and_then(|extension| u8::try_from(extension.id).ok()).unwrap_or(0)
    }
}

impl Wire {
    /// Send a packet in a flow.
    pub fn send(&self, flow: u64, packet: &[u8]) -> Result<()> {
        let flow = integer(flow)?;
        let mut datagram = BytesMut::with_capacity(packet.len() + 8);
        datagram.put_slice(flow.as_bytes());
        datagram.put_slice(packet);
        Ok(self.connection.send_datagram(datagram.freeze())?)
    }

    /// Go on from another port under new keys, as after a change of network.
    pub fn move_on(&self) -> Result<()> {
        self.connection.force_key_update();
        let any = SocketAddr::new(self.endpoint.local_addr()?.ip(), 0);
        Ok(self.endpoint.rebind(UdpSocket::bind(any)?)?)
    }

    /// Say goodbye.
    pub async fn close(&self) {
        self.connection.close(0u32.into(), b"");
        // It leaves when the endpoint has its turn.
        let _ = tokio::time::timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }
}

async fn dial(access: &Access) -> Result<Wire> {
    let ask = format!("{}/quic/{}", access.url, access.room);
    let told = reqwest::Client::new().get(&ask).bearer_auth(&access.token).send().await?;
    ensure!(told.status().is_success(), "{ask} answered {}", told.status());
    let place: Place = serde_json::from_str(&told.text().await?)?;
    let mut tls = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .dangerous()
        .with_custom_certificate_verifier(Pinned::new(bytes(&place.certificate_sha256)?))
        .with_no_client_auth();
    tls.alpn_protocols = vec![place.alpn.into_bytes()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = TransportConfig::default();
    transport.datagram_receive_buffer_size(Some(1 << 20)).max_concurrent_uni_streams(64u32.into());
    config.transport_config(Arc::new(transport));
    let url = reqwest::Url::parse(&access.url)?;
    let host = url.host_str().context("no host")?;
    let server = tokio::net::lookup_host((host, place.port)).await?.next().context("no address")?;
    let any: SocketAddr = if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }.parse()?;
    let endpoint = Endpoint::client(any)?;
    let connection = endpoint.connect_with(config, server, "localhost")?.await?;
    Ok(Wire { endpoint, connection })
}

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

/// Read a stream of packets to its end.
pub async fn packets(mut stream: RecvStream) -> Result<Vec<(FlowId, Vec<u8>)>> {
    let bytes = stream.read_to_end(64 << 10).await?;
    let mut reader = Reader::new(&bytes);
    let flow = FlowId::new(roq::varint(&mut reader)?).context("flow")?;
    let mut found = Vec::new();
    while !reader.is_empty() {
        let len = usize::try_from(roq::varint(&mut reader)?)?;
        found.push((flow, reader.take(len)?.to_vec()));
    }
    Ok(found)
}
