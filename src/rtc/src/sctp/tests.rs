use offhook_types::rng::Rng;

use super::*;

const MAX_MESSAGE: usize = 64 << 10;

fn setup(role: DtlsRole, opens_channels: bool) -> Setup {
    let base = Instant::now();
    Setup { role, opens_channels, max_message: MAX_MESSAGE, max_buffered: 256 << 10, base }
}

/// Two associations joined by a link that loses `loss` percent.
struct Pair {
    now: Time,
    rng: Rng,
    loss: u32,
    sides: [Sctp; 2],
    outputs: [Vec<Output>; 2],
}

impl Pair {
    fn new(opener: DtlsRole) -> Self {
        let side = |role| Sctp::new(Time::ZERO, setup(role, role == opener));
        Self {
            now: Time::ZERO,
            rng: Rng::from_seed(4),
            loss: 0,
            sides: [side(DtlsRole::Client), side(DtlsRole::Server)],
            outputs: [Vec::new(), Vec::new()],
        }
    }

    fn open(opener: DtlsRole) -> Self {
        let mut pair = Self::new(opener);
        pair.run(50);
        let opened = [Output::Opened(DataKind::Reliable), Output::Opened(DataKind::Lossy)];
        for outputs in &mut pair.outputs {
            assert_eq!(core::mem::take(outputs), opened);
        }
        pair
    }

    /// Exchanges packets for a while, ten milliseconds a step.
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let mut flying = Vec::new();
            for (from, side) in self.sides.iter_mut().enumerate() {
                if side.next_timeout().is_some_and(|at| at <= self.now) {
                    side.handle_timeout(self.now);
                }
                while let Some(output) = side.poll(self.now) {
                    match output {
                        Output::Packet(packet) => flying.push((1 - from, packet)),
                        other => self.outputs[from].push(other),
                    }
                }
            }
            for (to, packet) in flying {
                assert!(packet.len() <= 1232 - 37, "{}", packet.len());
                if !self.rng.chance(self.loss) {
                    self.sides[to].handle_packet(self.now, &packet);
                }
            }
            self.now = self.now + Duration::from_millis(10);
        }
    }

    fn messages(&mut self, side: usize) -> Vec<(DataKind, Vec<u8>)> {
        let message = |output| match output {
            Output::Message { kind, payload } => (kind, payload),
            other => panic!("{other:?}"),
        };
        core::mem::take(&mut self.outputs[side]).into_iter().map(message).collect()
    }
}

#[test]
fn either_side_can_open_the_channels_and_both_can_send() {
    for opener in [DtlsRole::Client, DtlsRole::Server] {
        let mut pair = Pair::open(opener);
        let sent = vec![
            (DataKind::Reliable, b"one".to_vec()),
            (DataKind::Lossy, Vec::new()),
            (DataKind::Reliable, vec![7; MAX_MESSAGE]),
        ];
        for side in 0..2 {
            for (kind, payload) in &sent {
                pair.sides[side].send(*kind, payload).unwrap();
            }
        }
        pair.run(100);
        for side in 0..2 {
            let mut got = pair.messages(side);
            got.sort_by_key(|(_, payload)| (payload.is_empty(), payload.len()));
            assert_eq!(got, [sent[0].clone(), sent[2].clone(), sent[1].clone()]);
            assert_eq!(pair.sides[side].buffered(DataKind::Reliable), 0);
        }
    }
}

#[test]
fn the_dtls_client_opens_even_streams_and_the_server_odd_ones() {
    for (opener, ids) in [(DtlsRole::Client, [0, 2]), (DtlsRole::Server, [1, 3])] {
        for side in Pair::open(opener).sides {
            assert!(side.channels.iter().map(|channel| channel.id).eq(ids));
        }
    }
}

#[test]
fn reliable_messages_survive_loss_in_order_and_lossy_ones_do_not_wait() {
    let mut pair = Pair::open(DtlsRole::Client);
    pair.loss = 20;
    for n in 0..50u8 {
        pair.sides[0].send(DataKind::Reliable, &[n; 2000]).unwrap();
        pair.sides[0].send(DataKind::Lossy, &[n]).unwrap();
        pair.run(2);
    }
    pair.run(3000);
    let got = pair.messages(1);
    let of = |kind| got.iter().filter(move |(k, _)| *k == kind).map(|(_, p)| p[0]);
    assert!(of(DataKind::Reliable).eq(0..50));
    let lossy = of(DataKind::Lossy).count();
    assert!((20..50).contains(&lossy), "{lossy}");
}

#[test]
fn a_peer_that_does_not_read_is_told_apart_and_lossy_is_dropped() {
    let mut pair = Pair::open(DtlsRole::Client);
    let message = vec![1; 32 << 10];
    let sender = &mut pair.sides[0];
    let reliable = (0..100).map_while(|_| sender.send(DataKind::Reliable, &message).ok()).count();
    assert_eq!(reliable, 8);
    assert_eq!(sender.send(DataKind::Reliable, &message), Err(SendError::Full));
    assert_eq!(sender.buffered(DataKind::Reliable), 256 << 10);
    for _ in 0..10 {
        assert_eq!(sender.send(DataKind::Lossy, &message), Ok(()));
    }
    assert_eq!(sender.drops().get(Drop::LossyOverflow), 2);
    assert_eq!(sender.send(DataKind::Lossy, &vec![0; MAX_MESSAGE + 1]), Err(SendError::TooLong));
}

#[test]
fn nothing_is_sent_before_a_channel_is_open() {
    let mut pair = Pair::new(DtlsRole::Client);
    assert_eq!(pair.sides[1].send(DataKind::Lossy, b"x"), Err(SendError::NotOpen));
    pair.run(1);
    assert_eq!(pair.sides[0].send(DataKind::Reliable, b"x"), Err(SendError::NotOpen));
}

/// Opens a stream of the client's by hand and writes to it.
fn write(pair: &mut Pair, id: u16, ppi: PayloadProtocolIdentifier, payload: &[u8]) {
    let (_, association) = pair.sides[0].association.as_mut().unwrap();
    let _ = association.open_stream(id, ppi);
    association.stream(id).unwrap().write_with_ppi(payload, ppi).unwrap();
    pair.run(20);
}

#[test]
fn channels_of_other_names_are_acknowledged_and_ignored() {
    let mut pair = Pair::open(DtlsRole::Client);
    let open = dcep::open(ChannelType::RELIABLE, "chat");
    write(&mut pair, 8, PayloadProtocolIdentifier::Dcep, &open);
    write(&mut pair, 8, PayloadProtocolIdentifier::String, b"hello");
    assert!(pair.messages(1).is_empty());
    assert_eq!(pair.sides[1].drops().get(Drop::UnknownChannel), 1);
    // Its acknowledgement arrived: the client did not ask for it through us, so it was noticed as
    // odd.
    assert_eq!(pair.sides[0].drops().get(Drop::BadOpen), 1);
    // A second opening of one stream, and of none, are noticed.
    write(&mut pair, 8, PayloadProtocolIdentifier::Dcep, &open);
    write(&mut pair, 10, PayloadProtocolIdentifier::Dcep, b"\x03junk");
    assert_eq!(pair.sides[1].drops().get(Drop::BadOpen), 2);
    pair.sides[1].send(DataKind::Reliable, b"still fine").unwrap();
    pair.run(20);
    assert_eq!(pair.messages(0).len(), 1);
}

#[test]
fn messages_beyond_the_limit_are_dropped_and_far_beyond_end_the_association() {
    let mut pair = Pair::open(DtlsRole::Client);
    let (_, association) = pair.sides[0].association.as_mut().unwrap();
    association.set_max_send_message_size(10 << 20);
    let long = vec![1; MAX_MESSAGE + 1];
    write(&mut pair, 0, PayloadProtocolIdentifier::Binary, &long);
    pair.run(200);
    assert_eq!(pair.sides[1].drops().get(Drop::TooLong), 1);
    assert!(pair.messages(1).is_empty());
    write(&mut pair, 0, PayloadProtocolIdentifier::Binary, &vec![1; 3 * MAX_MESSAGE]);
    pair.run(500);
    assert_eq!(pair.outputs[1], [Output::Closed]);
    assert_eq!(pair.sides[1].send(DataKind::Reliable, b"x"), Err(SendError::Closed));
}

#[test]
fn a_flood_of_streams_ends_the_association() {
    let mut pair = Pair::open(DtlsRole::Client);
    for id in 0..MAX_PEER_STREAMS as u16 + 10 {
        write(&mut pair, 100 + id, PayloadProtocolIdentifier::Binary, b"x");
        if pair.outputs[1].contains(&Output::Closed) {
            break;
        }
    }
    assert_eq!(pair.sides[1].drops().get(Drop::TooManyChannels), 1);
    assert_eq!(pair.outputs[1], [Output::Closed]);
}

#[test]
fn garbage_and_further_beginnings_are_counted() {
    let mut pair = Pair::open(DtlsRole::Client);
    let mut stranger = Sctp::new(Time::ZERO, setup(DtlsRole::Client, true));
    let Some(Output::Packet(init)) = stranger.poll(Time::ZERO) else { panic!("no INIT") };
    let server = &mut pair.sides[1];
    for packet in [&b""[..], b"short", &[0xff; 64], &init, &init] {
        server.handle_packet(pair.now, packet);
    }
    assert_eq!(server.drops().get(Drop::Malformed), 5);
    let client = &mut pair.sides[0];
    client.handle_packet(pair.now, &init);
    assert_eq!(client.drops().get(Drop::Malformed), 1);
    pair.sides[0].send(DataKind::Lossy, b"unharmed").unwrap();
    pair.run(20);
    assert_eq!(pair.messages(1).len(), 1);
}
