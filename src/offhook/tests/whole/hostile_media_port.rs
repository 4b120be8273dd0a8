//! Strangers on the media ports cost a counter, not a call: while a publisher and a player are connected, the
//! ports are flooded with packets of every kind, or with connections, and the player hears and sees all the same.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

use crate::server::{Server, http, peer, python};

/// Of each kind; bounded so that the flood ends by itself.
const PACKETS: usize = 3000;

fn run(server: &Server, door: &str, identity: &str, seconds: &str) -> Child {
    Command::new(python())
        .arg(peer("aiortc_peer.py"))
        .arg(door)
        .arg(format!("http://127.0.0.1:{}/{door}/attacked", server.http))
        .args([&server.token("attacked", identity), "--seconds", seconds])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts")
}

/// The port of a candidate over `protocol`, from the answer to an offer of our own.
fn media_port(server: &Server, protocol: &str) -> u16 {
    let offer = include_str!("../../../wire/src/sdp/offers/obs-whip.sdp");
    let bearer = format!("Bearer {}", server.token("attacked", "scout"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/sdp")];
    let answer = http(server.http, "POST", "/whip/attacked", &headers, offer).expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");
    let over =
        |line: &&str| line.starts_with("a=candidate:") && line.split(' ').nth(2) == Some(protocol);
    let candidate = answer.body.lines().find(over).expect("a candidate");
    candidate.split(' ').nth(5).and_then(|port| port.parse().ok()).expect("a port")
}

fn dropped(server: &Server) -> u64 {
    let metrics = http(server.admin, "GET", "/metrics", &[], "").expect("metrics").body;
    let values = metrics
        .lines()
        .filter_map(|l| l.strip_prefix("offhook_media_drops_total{")?.split(' ').nth(1));
    values.filter_map(|v| v.parse::<u64>().ok()).sum()
}

#[test]
fn a_flood_on_the_media_port_costs_a_counter() {
    let server = Server::start("");
    let port = media_port(&server, "udp");
    let publisher = run(&server, "whip", "publisher", "20");
    let player = run(&server, "whep", "player", "30");
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let kinds: [&[u8]; 7] = [
        // A binding request without credentials; a truncated one; a ClientHello; a cut record; RTP; RTCP;
        // nothing known.
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        &[0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42],
        &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0],
        &[22, 0xfe],
        &[
            0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
            15, 16, 17,
        ],
        &[0x81, 201, 0, 7, 0, 0, 0, 1],
        &[0xff; 1400],
    ];
    let before = dropped(&server);
    for _ in 0..PACKETS {
        for kind in kinds {
            let _ = stranger.send_to(kind, ("127.0.0.1", port));
        }
    }
    finish(player, publisher);
    // The kernel may have dropped a part of the flood before us; most of it must have been counted.
    let counted = dropped(&server) - before;
    assert!(counted > PACKETS as u64, "only {counted} drops were counted");
    // Nobody answered the stranger: no amplification.
    stranger.set_nonblocking(true).expect("non-blocking");
    assert!(stranger.recv_from(&mut [0; 2048]).is_err(), "a stranger was answered");
}

fn finish(player: Child, publisher: Child) {
    for (who, child) in [("player", player), ("publisher", publisher)] {
        let output = child.wait_with_output().expect("python ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{who}: {said}");
    }
}

#[test]
fn a_flood_of_connections_costs_a_counter() {
    let server = Server::start("");
    let port = media_port(&server, "tcp");
    let publisher = run(&server, "whip", "publisher", "20");
    let player = run(&server, "whep", "player", "30");
    let before = dropped(&server);
    let begun: [&[u8]; 5] = [
        // Nothing; half a frame; a check of nobody's; HTTP; a TLS hello where there is no certificate.
        &[],
        &[0, 100, 0, 1],
        &[
            0, 28, 0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6,
            0, 3, b'x', b':', b'y', 0,
        ],
        b"GET / HTTP/1.1\r\n\r\n",
        &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
    ];
    // A few hundred are held at a time, so that the flood meets the limits and not those of this process.
    let mut held = std::collections::VecDeque::new();
    for nth in 0..PACKETS {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        // It may be closed already.
        let _ = stream.write_all(begun[nth % begun.len()]);
        held.push_back(stream);
        if held.len() > 300 {
            held.pop_front();
        }
    }
    finish(player, publisher);
    let counted = dropped(&server) - before;
    assert!(counted > PACKETS as u64 / 2, "only {counted} drops were counted");
}
