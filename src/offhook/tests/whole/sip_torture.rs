//! Every case of RFC 4475 and RFC 5118 (src/sip/tests/torture), and streams that are cut, doubled and smuggled into,
//! sent to the running server from a trunk's address: each is answered as the RFC says, and nothing is left open.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use crate::phone::AREA;
use crate::server::{DEADLINE, Server};

/// A carrier at a loopback address of its own, so that the ports that the messages name are free there.
struct Carrier {
    sockets: Vec<UdpSocket>,
    heard: Receiver<Vec<u8>>,
    /// A response comes again until it is acknowledged; which ones came.
    seen: HashSet<Vec<u8>>,
    address: Ipv4Addr,
    server: u16,
    pings: u32,
}

/// The ports in the topmost Via of the cases; what is sent comes from the first.
const PORTS: [u16; 4] = [5066, 5060, 6050, 19_823];

impl Carrier {
    fn open(server: &Server, last: u8) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 64 | (high & 63), low.max(1), last);
        let (send, heard) = channel();
        let sockets: Vec<UdpSocket> =
            PORTS.iter().map(|port| UdpSocket::bind((address, *port)).expect("a port")).collect();
        for socket in &sockets {
            let (socket, send) = (socket.try_clone().expect("a socket"), send.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 65_535];
                while let Ok(length) = socket.recv(&mut buffer) {
                    // An empty datagram from ourselves ends this.
                    if length == 0 || send.send(buffer[..length].to_vec()).is_err() {
                        return;
                    }
                }
            });
        }
        let server = server.sip_port("udp");
        Self { sockets, heard, seen: HashSet::new(), address, server, pings: 0 }
    }

    fn send(&self, bytes: &[u8]) {
        self.sockets[0].send_to(bytes, ("127.0.0.1", self.server)).expect("sent");
    }

    /// The final response to what was sent; nothing where an OPTIONS that is sent behind it is answered first.
    fn answer(&mut self, expected: Expected) -> Option<String> {
        if expected == Expected::Silence {
            self.ping();
        }
        let ping = format!("CSeq: {} OPTIONS", self.pings);
        loop {
            let response =
                self.heard.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no answer"));
            let text = String::from_utf8_lossy(&response).into_owned();
            if text.contains("Call-ID: torture-ping") {
                if expected == Expected::Silence && text.contains(&ping) {
                    return None;
                }
            } else if !text.starts_with("SIP/2.0 1") && self.seen.insert(response) {
                return text.split(' ').nth(1).map(str::to_owned);
            }
        }
    }

    fn ping(&mut self) {
        self.pings += 1;
        self.send(options(self.address, self.pings, "UDP").as_bytes());
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        for socket in &self.sockets {
            let _ = socket.local_addr().and_then(|own| socket.send_to(&[], own));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Answer,
    Silence,
}

/// A request that any server answers with 200.
fn options(address: Ipv4Addr, number: u32, transport: &str) -> String {
    format!(
        "OPTIONS sip:gw.example.net SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {address}:5066;branch=z9hG4bKping{number}\r\n\
         From: <sip:peer@example.net>;tag=p\r\nTo: <sip:gw.example.net>\r\n\
         Call-ID: torture-ping\r\nCSeq: {number} OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/torture")
}

/// What the running server says where the table says that the message is right: OPTIONS is answered, nobody has the
/// number that INVITE asks for, a dialog that is named is not there, and a response belongs to nothing.
fn of_accepted(case: &str, bytes: &[u8]) -> &'static str {
    match bytes.split(|byte| *byte == b' ').next() {
        Some(b"OPTIONS") => "200",
        Some(b"INVITE") if case == "wsinv" => "481",
        Some(b"INVITE") => "404",
        _ => "drop",
    }
}

#[test]
fn every_torture_case_is_answered_and_leaves_nothing_open() {
    let server = Server::phone("");
    let mut carrier = Carrier::open(&server, 1);
    server.trunk("carrier", 5066, &json!({"proxy": format!("sip:{}:5066", carrier.address)}));
    let table = std::fs::read_to_string(folder().join("cases.tsv")).expect("the table");
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let bytes = std::fs::read(folder().join(format!("{}.sip", columns[0]))).expect("a case");
        let expect =
            if columns[2] == "accept" { of_accepted(columns[0], &bytes) } else { columns[2] };
        carrier.send(&bytes);
        let silent = if expect == "drop" { Expected::Silence } else { Expected::Answer };
        let got = carrier.answer(silent).unwrap_or_else(|| "drop".to_owned());
        if got != expect {
            wrong.push(format!("{} (RFC {}): {got}, not {expect}", columns[0], columns[1]));
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases > 50, "{cases} cases");
    assert!(server.records().is_empty(), "{:?}", server.records());
    server.assert_at_rest();
}

#[test]
fn a_source_that_is_no_trunks_hears_nothing_and_is_counted() {
    let server = Server::phone("");
    let mut trunk = Carrier::open(&server, 2);
    server.trunk("carrier", 5066, &json!({"proxy": format!("sip:{}:5066", trunk.address)}));
    let stranger = Carrier::open(&server, 3);
    let calls = [
        options(stranger.address, 1, "UDP"),
        options(stranger.address, 2, "UDP").replace("OPTIONS", "INVITE"),
        "\u{0}\u{1}nonsense".to_owned(),
    ];
    calls.iter().for_each(|call| stranger.send(call.as_bytes()));
    // What the trunk is told came after what the stranger was not told.
    assert_eq!(trunk.answer(Expected::Silence), None);
    assert!(stranger.heard.try_recv().is_err());
    let dropped = "offhook_gateway_sip_drops_total{reason=\"unknown_source\"}";
    assert_eq!(server.metric(dropped), 3.0);
    // A connection of a stranger is closed before a byte of it is read.
    let mut stream = connect(&server);
    let _ = stream.write_all(options(stranger.address, 3, "TCP").as_bytes());
    assert_eq!(said(&mut stream), "");
    let lost = "offhook_gateway_sip_lost_total{reason=\"unknown_source\"}";
    assert_eq!(server.metric(lost), 1.0);
    assert!(server.records().is_empty());
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.sip_port("tcp"))).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream
}

/// Everything that comes until the other side closes.
fn said(stream: &mut TcpStream) -> String {
    said_until(stream, "\u{0}")
}

/// Everything that comes until the other side closes, or has said this.
fn said_until(stream: &mut TcpStream, last: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(last) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => all.push_str(&String::from_utf8_lossy(&buffer[..length])),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the connection stays open: {error}; {all}"),
        }
    }
    all
}

#[test]
fn streams_that_lose_their_place_are_closed_and_others_answered() {
    let server = Server::phone("");
    server.trunk("carrier", 5066, &json!({"proxy": "sip:127.0.0.1:5066;transport=tcp"}));
    let good = |number| options(Ipv4Addr::LOCALHOST, number, "TCP");
    let length = "Content-Length: 0\r\n";
    let smuggled = good(9);
    let body = format!("Content-Type: message/sip\r\nContent-Length: {}\r\n", smuggled.len());
    // What is sent, how many answers come, and whether the connection stays.
    for (what, bytes, answers, stays) in [
        ("two requests at once", good(1) + &good(2), 2, true),
        ("keep-alives before a request", "\r\n\r\n\r\n\r\n".to_owned() + &good(3), 1, true),
        (
            "two lengths",
            good(4).replace(length, "Content-Length: 0\r\nContent-Length: 5\r\n"),
            0,
            false,
        ),
        ("the same length twice", good(5).replace(length, &length.repeat(2)), 0, false),
        ("no length", good(6).replace(length, ""), 0, false),
        ("a negative length", good(7).replace(length, "Content-Length: -1\r\n"), 0, false),
        ("a length beyond all bounds", good(8).replace(length, "l: 99999999999\r\n"), 0, false),
        ("a request inside a body", good(10).replace(length, &body) + &smuggled, 1, true),
        ("no SIP", "GET / HTTP/1.1\r\nHost: sip\r\n\r\n".to_owned(), 0, false),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), 0, false),
        ("lines without end", "x".repeat(70_000), 0, false),
    ] {
        let mut stream = connect(&server);
        let _ = stream.write_all(bytes.as_bytes());
        if stays {
            // It is still good for another request, whose answer comes after those before.
            stream.write_all(good(99).as_bytes()).expect("sent");
            let said = said_until(&mut stream, "CSeq: 99 OPTIONS");
            assert_eq!(responses(&said), answers, "{what}: {said}");
        } else {
            assert_eq!(said(&mut stream), "", "{what}");
        }
    }
    server.assert_at_rest();
}

/// Finished responses before the one that was waited for.
fn responses(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("SIP/2.0 ")).count() - 1
}

#[test]
fn half_a_message_does_not_hold_a_connection() {
    let server = Server::phone("");
    server.trunk("carrier", 5066, &json!({"proxy": "sip:127.0.0.1:5066;transport=tcp"}));
    let mut stream = connect(&server);
    stream.write_all(b"OPTIONS sip:gw.example.net SIP/2.0\r\nVia: SIP/2").expect("sent");
    assert_eq!(said(&mut stream), "");
    let idle = "offhook_gateway_sip_lost_total{reason=\"idle\"}";
    server.until("count", || (server.metric(idle) == 1.0).then_some(()));
}

#[test]
fn a_description_among_other_parts_is_an_offer() {
    let server = Server::phone("");
    let mut carrier = Carrier::open(&server, 4);
    crate::caller::Caller::sign_up(&server, "+12025550101");
    server.admin(
        "PUT",
        &format!("/v1/numbers/{AREA}0100"),
        &json!({"room": "team", "account": "+12025550101"}),
    );
    server.trunk("carrier", 5066, &json!({"proxy": format!("sip:{}:5066", carrier.address)}));
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n",
        carrier.address
    );
    let body = format!(
        "--b\r\nContent-Type: application/isup\r\n\r\n\u{1}\u{2}\r\n--b\r\n\
         Content-Type: application/sdp\r\n\r\n{sdp}\r\n--b--\r\n"
    );
    let invite = |number: u32, more: &str, body: &str| {
        options(carrier.address, number, "UDP")
            .replace("OPTIONS", "INVITE")
            .replace("INVITE sip:", &format!("INVITE sip:{AREA}0100@"))
            .replace("Call-ID: torture-ping", "Call-ID: parts")
            .replace(
                "Max-Forwards",
                &format!("Contact: <sip:{}:5066>\r\n{more}Max-Forwards", carrier.address),
            )
            .replace("Length: 0", &format!("Length: {}", body.len()))
            + body
    };
    let request = invite(77, "Content-Type: multipart/mixed;boundary=b\r\n", &body);
    carrier.send(request.as_bytes());
    assert_eq!(carrier.answer(Expected::Answer).as_deref(), Some("200"));
    // Nobody acknowledges it: it is taken back.
    drop(server);
}
