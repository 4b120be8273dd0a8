use super::*;

fn socket(ip: &str) -> UdpSocket {
    UdpSocket::bind(SocketAddr::new(ip.parse().unwrap(), 0), 1 << 20, 1 << 20).unwrap()
}

/// Receive until `wanted` datagrams are there, waiting on the socket.
fn receive(socket: &UdpSocket, wanted: usize) -> Vec<(Path, Vec<u8>)> {
    let bell = Bell::new().unwrap();
    let (mut inbox, mut all) = (Inbox::new(), Vec::new());
    while all.len() < wanted {
        socket.wait(&bell, Duration::from_secs(5));
        assert_ne!(socket.receive(&mut inbox).unwrap(), 0, "nothing came");
        for message in inbox.messages() {
            all.extend(message.datagrams().map(|datagram| (message.path, datagram.to_vec())));
        }
    }
    all
}

/// What is sent in one run arrives as separate datagrams, from the address that `to` names.
fn check(from: &UdpSocket, to: &UdpSocket, to_ip: &str, local: Option<&str>) {
    let peer = SocketAddr::new(to_ip.parse().unwrap(), to.address().port());
    let path = Path { peer, local: local.map(|l| l.parse().unwrap()) };
    let bytes: Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
    let mut sent = Sent::default();
    from.send(&[Run { path, bytes: &bytes, segment: 1000 }], &mut sent);
    assert_eq!((sent.messages, sent.segmented, sent.failed), (1, 1, 0), "{sent:?}");
    let got = receive(to, 3);
    let joined: Vec<u8> = got.iter().flat_map(|(_, datagram)| datagram.clone()).collect();
    assert_eq!(joined, bytes);
    assert_eq!(got.iter().map(|(_, d)| d.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
    for (path, _) in got {
        assert_eq!(path.peer.port(), from.address().port());
        assert_eq!(path.peer.is_ipv4(), peer.is_ipv4());
        if let Some(local) = local {
            assert_eq!(path.peer.ip().to_string(), local);
        }
        if to.address().ip().is_unspecified() {
            assert_eq!(path.local, Some(peer.ip()), "the address that was asked");
        }
    }
}

#[test]
fn runs_arrive_as_datagrams_over_both_families() {
    let (a, b) = (socket("::"), socket("::"));
    assert!(a.takes_v6());
    check(&a, &b, "127.0.0.1", None);
    check(&a, &b, "::1", None);
}

#[test]
fn a_chosen_source_address_is_used() {
    let (a, b) = (socket("::"), socket("::"));
    check(&a, &b, "127.0.0.1", Some("127.0.0.5"));
    let (a, b) = (socket("0.0.0.0"), socket("0.0.0.0"));
    check(&a, &b, "127.0.0.1", Some("127.0.0.7"));
}

#[test]
fn a_full_batch_leaves_in_one_call() {
    let (a, b) = (socket("::"), socket("127.0.0.1"));
    let path = Path { peer: b.address(), local: None };
    let run = Run { path, bytes: &[7; 300], segment: 300 };
    let mut sent = Sent::default();
    a.send(&[run; SEND_BATCH], &mut sent);
    assert_eq!((sent.calls, sent.messages, sent.segmented), (1, SEND_BATCH as u64, 0));
    assert_eq!(receive(&b, SEND_BATCH).len(), SEND_BATCH);
}

#[test]
fn a_refused_message_does_not_stop_the_others() {
    let (a, b) = (socket("127.0.0.1"), socket("127.0.0.1"));
    let good = Run { path: Path { peer: b.address(), local: None }, bytes: &[1; 10], segment: 10 };
    let port_zero = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bad = Run { path: Path { peer: port_zero, local: None }, ..good };
    let mut sent = Sent::default();
    a.send(&[good, bad, good], &mut sent);
    assert_eq!((sent.messages, sent.failed), (2, 1));
    assert_eq!(receive(&b, 2).len(), 2);
}

#[test]
fn a_run_over_the_mtu_is_sent_one_by_one() {
    // Loopback has an MTU of 65536, so the limit met here is that of 65507 bytes a message.
    let (a, b) = (socket("127.0.0.1"), socket("127.0.0.1"));
    let path = Path { peer: b.address(), local: None };
    let bytes = vec![3; 70_000];
    let mut sent = Sent::default();
    a.send(&[Run { path, bytes: &bytes, segment: 10_000 }], &mut sent);
    assert_eq!((sent.refused, sent.messages), (1, 7), "{sent:?}");
    assert_eq!(receive(&b, 7).len(), 7);
}

#[test]
fn the_bell_ends_a_wait() {
    let (socket, bell) = (socket("127.0.0.1"), Bell::new().unwrap());
    bell.ring();
    let start = std::time::Instant::now();
    socket.wait(&bell, Duration::from_secs(60));
    assert!(start.elapsed() < Duration::from_secs(30));
}
