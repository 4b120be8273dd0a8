//! Endpoints on loopback with clients of `quinn`, polite and otherwise, and the tunnel's worker played by the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use offhook_media::SteppedNode;
use offhook_quic::{ALPN, Code, Config, Count, Drop, Endpoints, Limits, Session};
use offhook_types::{LegId, Ssrc, WorkerId};
use offhook_wire::roq::Varint;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, SendStream, VarInt};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);
const LEG: LegId = LegId(77);

struct Stage {
    endpoints: Endpoints,
    sessions: mpsc::UnboundedReceiver<Session>,
    /// Holds the workers' ends of the tunnels; it never turns.
    _node: SteppedNode,
}

fn config() -> Config {
    Config { bind: IpAddr::from([127, 0, 0, 1]), base_port: 0, ..Config::default() }
}

impl Stage {
    fn new(config: Config) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let media = offhook_media::Config {
            bind: IpAddr::from([127, 0, 0, 1]),
            base_port: 0,
            tunnels: true,
            ..offhook_media::Config::default()
        };
        let node = SteppedNode::new(media, Arc::new(|_| ())).unwrap();
        let (told, sessions) = mpsc::unbounded_channel();
        let on_session = Arc::new(move |session| told.send(session).unwrap_or_default());
        let endpoints = Endpoints::start(config, node.take_tunnels(), on_session).unwrap();
        Self { endpoints, sessions, _node: node }
    }

    fn client(&self) -> Client {
        Client::new(self, ALPN)
    }

    async fn session(&mut self) -> Session {
        tokio::time::timeout(PATIENCE, self.sessions.recv()).await.unwrap().unwrap()
    }

    /// A client whose session was begun.
    async fn meet(&mut self) -> (Client, Connection, SendStream, Session) {
        let client = self.client();
        let connection = client.connect().await.unwrap();
        let mut stream = connection.open_bi().await.unwrap().0;
        stream.write_all(&[0]).await.unwrap();
        let session = self.session().await;
        (client, connection, stream, session)
    }

    async fn counted(&self, what: &str, done: impl Fn(&offhook_quic::Snapshot) -> bool) {
        let wait = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while !done(&self.endpoints.snapshot()) {
                ticks.tick().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        assert!(found.is_ok(), "never: {what}: {:?}", self.endpoints.snapshot());
    }

    async fn dropped(&self, reason: Drop, many: u64) {
        self.counted(&format!("{reason:?}"), |s| s.drops.get(reason) == many).await;
    }
}

struct Client {
    endpoint: Endpoint,
    config: quinn::ClientConfig,
    server: SocketAddr,
}

impl Client {
    fn new(stage: &Stage, alpn: &[u8]) -> Self {
        let mut tls = rustls::ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anyone::Anyone::default()))
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let server = SocketAddr::from(([127, 0, 0, 1], stage.endpoints.ports()[0]));
        Self { endpoint, config, server }
    }

    async fn connect(&self) -> Result<Connection, ConnectionError> {
        let connecting =
            self.endpoint.connect_with(self.config.clone(), self.server, "localhost").unwrap();
        tokio::time::timeout(PATIENCE, connecting).await.expect("neither in nor out")
    }
}

async fn code(connection: &Connection) -> u64 {
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("still open");
    match closed {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other:?}"),
    }
}

fn rtp(ssrc: u8, len: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, ssrc];
    packet.resize(len.max(12), 7);
    packet
}

fn datagram(flow: u8, packet: &[u8]) -> Bytes {
    [&[flow], packet].concat().into()
}

#[tokio::test]
async fn messages_go_both_ways_and_the_last_word_arrives() {
    let mut stage = Stage::new(config());
    let client = stage.client();
    let connection = client.connect().await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let long = vec![b'x'; 300];
    let framed = [&[0, 5][..], b"hello", Varint::new(300).unwrap().as_bytes(), &long].concat();
    send.write_all(&framed).await.unwrap();
    let mut session = stage.session().await;
    assert_eq!(session.worker(), WorkerId(0));
    assert_eq!(session.receive().await.as_deref(), Some(&b"hello"[..]));
    assert_eq!(session.receive().await.as_deref(), Some(&long[..]));
    assert!(session.send(Bytes::from_static(b"welcome")));
    session.close(Code::GOING_DOWN, "the server is going down");
    let mut said = [0; 8];
    receive.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"\x07welcome");
    drop(receive);
    assert_eq!(code(&connection).await, Code::GOING_DOWN.0);
    stage.counted("gone", |s| s.connections == 0).await;
}

#[tokio::test]
async fn only_announced_media_of_a_client_in_a_room_is_taken() {
    let mut stage = Stage::new(config());
    let (_client, connection, _stream, session) = stage.meet().await;
    let send = |bytes: Bytes| connection.send_datagram(bytes).unwrap();
    send(datagram(2, &rtp(1, 100)));
    stage.dropped(Drop::NotJoined, 1).await;
    session.carry(LEG);
    stage.counted("joined", |s| s.joined == 1).await;
    assert!(session.expect(2, vec![Ssrc(1)]) && !session.expect(2, vec![Ssrc(9)]));
    send(datagram(2, &rtp(1, 100)));
    send(datagram(1, &[0x80, 201, 0, 1, 0, 0, 0, 1]));
    stage.counted("taken", |s| s.counts.get(Count::PacketsReceived) == 2).await;
    send(datagram(3, &rtp(1, 100)));
    stage.dropped(Drop::UnknownFlow, 1).await;
    send(datagram(2, &rtp(2, 100)));
    stage.dropped(Drop::ForeignStream, 1).await;
    send(Bytes::from_static(&[0xc0]));
    send(Bytes::new());
    stage.dropped(Drop::Malformed, 2).await;

    // The same in a stream: two packets, then a length beyond the end.
    let packet = rtp(1, 60);
    let twice = [&[2, 60][..], &packet, &[60], &packet].concat();
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&twice).await.unwrap();
    stream.finish().unwrap();
    stage.counted("both taken", |s| s.counts.get(Count::PacketsReceived) == 4).await;
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[2, 60, 1]).await.unwrap();
    stream.finish().unwrap();
    assert_eq!(code(&connection).await, 0x03);
}

#[tokio::test]
async fn a_worker_that_does_not_keep_up_costs_packets_not_memory() {
    let mut stage = Stage::new(config());
    let (_client, connection, _stream, session) = stage.meet().await;
    session.carry(LEG);
    assert!(session.expect(2, vec![Ssrc(1)]));
    // Nobody turns the worker, so its ring of two megabytes fills.
    let packet = datagram(2, &rtp(1, 1000));
    let full = |s: &offhook_quic::Snapshot| s.drops.get(Drop::TunnelFull) > 0;
    let wait = async {
        while !full(&stage.endpoints.snapshot()) {
            connection.send_datagram_wait(packet.clone()).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    assert!(connection.close_reason().is_none(), "the connection goes on");
}

#[tokio::test]
async fn strangers_and_the_impolite_are_told_why() {
    let limits = Limits { message_bytes: 1000, ..Limits::default() };
    let join_timeout = Duration::from_millis(600);
    let stage = &mut Stage::new(Config { limits, join_timeout, ..config() });
    // Another protocol does not get through the handshake.
    let other = Client::new(stage, b"h3");
    assert!(matches!(other.connect().await, Err(ConnectionError::ConnectionClosed(_))));
    stage.dropped(Drop::Handshake, 1).await;

    // What the first stream says, and the code that it earns.
    let cases: [(&[u8], u64); 4] = [
        (&[5], 0x04),
        (&[0, 0x47, 0xff], Code::MESSAGE_TOO_LONG.0),
        (&[0, 3, b'x'], 0x03),
        (&[0, 1, b'x'], Code::JOIN_TIMEOUT.0),
    ];
    for (bytes, expect) in cases {
        let client = stage.client();
        let connection = client.connect().await.unwrap();
        let mut stream = connection.open_bi().await.unwrap().0;
        stream.write_all(bytes).await.unwrap();
        if expect == 0x03 {
            stream.finish().unwrap();
        }
        let _session = stage.session().await;
        assert_eq!(code(&connection).await, expect, "{bytes:?}");
    }
    let silent = stage.client();
    assert_eq!(code(&silent.connect().await.unwrap()).await, Code::JOIN_TIMEOUT.0);

    let mut deaf = stage.client();
    let mut transport = quinn::TransportConfig::default();
    transport.datagram_receive_buffer_size(None);
    deaf.config.transport_config(Arc::new(transport));
    assert_eq!(code(&deaf.connect().await.unwrap()).await, 0x07);
    stage.counted("all gone", |s| s.connections == 0).await;
}

#[tokio::test]
async fn addresses_are_proven_under_pressure_and_have_their_share() {
    let limits = Limits { unproven: 1, connections_per_address: 3, ..Limits::default() };
    let stage = Stage::new(Config { limits, ..config() });
    let (mut clients, mut connections) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let client = stage.client();
        connections.push(client.connect().await.unwrap());
        clients.push(client);
    }
    assert_eq!(stage.endpoints.snapshot().counts.get(Count::Retries), 2);
    let one_more = stage.client().connect().await;
    assert!(matches!(one_more, Err(ConnectionError::ConnectionClosed(_))), "{one_more:?}");
    stage.dropped(Drop::AddressLimit, 1).await;
    connections.pop().unwrap().close(VarInt::from_u32(0), b"");
    stage.counted("room again", |s| s.connections == 2).await;
    assert!(stage.client().connect().await.is_ok());
}

#[tokio::test]
async fn a_client_moves_and_renews_its_keys_without_a_gap() {
    let mut stage = Stage::new(config());
    let (client, connection, _stream, session) = stage.meet().await;
    session.carry(LEG);
    assert!(session.expect(2, vec![Ssrc(1)]));
    for expected in 1..=3 {
        connection.force_key_update();
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        client.endpoint.rebind(socket).unwrap();
        connection.send_datagram(datagram(2, &rtp(1, 200))).unwrap();
        stage.counted("arrived", |s| s.counts.get(Count::PacketsReceived) == expected).await;
        stage.counted("seen to move", |s| s.counts.get(Count::Migrations) == expected).await;
    }
    assert_eq!(stage.endpoints.snapshot().counts.get(Count::Connections), 1);
}

#[tokio::test]
async fn going_down_is_told_to_everyone() {
    let mut stage = Stage::new(config());
    let (_client, connection, _stream, _session) = stage.meet().await;
    let endpoints = stage.endpoints;
    let stopped = tokio::task::spawn_blocking(move || endpoints.stop());
    assert_eq!(code(&connection).await, Code::GOING_DOWN.0);
    stopped.await.unwrap();
}

/// A client that takes any certificate: what is shown is not what these tests are about.
mod anyone {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub struct Anyone(CryptoProvider);

    impl Default for Anyone {
        fn default() -> Self {
            Self(rustls::crypto::aws_lc_rs::default_provider())
        }
    }

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.2".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signed, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
