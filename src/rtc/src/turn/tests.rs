use super::*;

const CLIENT: &str = "198.51.100.9:4000";
const RELAYED: &str = "127.0.0.1:5000";
const WORKER: &str = "192.0.2.1:7882";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

/// A client and the server that it speaks to.
struct Pair {
    turn: Turn,
    credentials: TurnCredentials,
    nonce: Vec<u8>,
    serial: u8,
}

impl Pair {
    fn new() -> Self {
        let authority = Arc::new(Authority::new(b"drawn at start", "offhook"));
        let credentials = authority.issue(at(60), "leg");
        let setup = Setup {
            authority,
            peers: Arc::new([
                address(WORKER),
                address("192.0.2.1:7883"),
                address("[2001:db8::1]:7882"),
            ]),
            client: address(CLIENT),
            relayed: address(RELAYED),
            nonce: [7; 16],
        };
        Self { turn: Turn::new(setup), credentials, nonce: Vec::new(), serial: 0 }
    }

    fn send(&mut self, now: Time, message: &[u8]) -> (Vec<u8>, bool) {
        let mut reply = [0; 512];
        match self.turn.handle(now, message, &mut reply) {
            Outcome::Reply { len, authentic } => (reply[..len].to_vec(), authentic),
            Outcome::Over { len } => (reply[..len].to_vec(), false),
            other => panic!("{other:?}"),
        }
    }

    /// A request with credentials, and what it is answered: the error code or the attributes.
    fn request(
        &mut self,
        now: Time,
        method: u16,
        attributes: &[(u16, Vec<u8>)],
    ) -> Result<Vec<u8>, u16> {
        self.serial += 1;
        let mut out = [0; 512];
        let id = stun::TransactionId([self.serial; 12]);
        let TurnCredentials { username, password } = self.credentials.clone();
        let key = Md5::digest(format!("{username}:offhook:{password}"));
        let mut builder = Builder::new(&mut out, Class::Request, method, id);
        for (kind, value) in attributes {
            builder = builder.attribute(*kind, value);
        }
        let len = builder
            .attribute(attribute::USERNAME, username.as_bytes())
            .attribute(attribute::REALM, b"offhook")
            .attribute(attribute::NONCE, &self.nonce)
            .integrity(&IntegrityKey::new(&key))
            .finish()
            .unwrap();
        let (reply, _) = self.send(now, &out[..len]);
        let message = Message::parse(&reply).unwrap();
        assert_eq!((message.method, message.transaction), (method, id));
        match message.error_code() {
            Some(code) => Err(code),
            None => {
                assert!(message.verify_integrity(&IntegrityKey::new(&key)));
                Ok(reply)
            }
        }
    }

    fn allocate(&mut self, now: Time) -> Result<Vec<u8>, u16> {
        self.request(now, turn::ALLOCATE, &[(attribute::REQUESTED_TRANSPORT, vec![UDP, 0, 0, 0])])
    }

    /// Be told the nonce and allocate.
    fn enter(&mut self) {
        let mut out = [0; 64];
        let id = stun::TransactionId([99; 12]);
        let len = Builder::new(&mut out, Class::Request, turn::ALLOCATE, id)
            .attribute(attribute::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0])
            .finish()
            .unwrap();
        let (reply, authentic) = self.send(at(0), &out[..len]);
        let challenge = Message::parse(&reply).unwrap();
        assert_eq!((challenge.error_code(), authentic), (Some(401), false));
        assert_eq!(challenge.attribute(attribute::REALM), Some(&b"offhook"[..]));
        self.nonce = challenge.attribute(attribute::NONCE).unwrap().to_vec();
        let granted = self.allocate(at(0)).unwrap();
        let granted = Message::parse(&granted).unwrap();
        assert_eq!(granted.xor_address(attribute::XOR_RELAYED_ADDRESS), Some(address(RELAYED)));
        assert_eq!(granted.xor_mapped_address(), Some(address(CLIENT)));
        assert_eq!(granted.attribute(attribute::LIFETIME), Some(&600u32.to_be_bytes()[..]));
    }
}

/// XOR-PEER-ADDRESS as a client writes it.
fn peer(text: &str, serial: u8) -> (u16, Vec<u8>) {
    let mut out = [0; 64];
    let builder = Builder::new(&mut out, Class::Request, 1, stun::TransactionId([serial; 12]));
    let len = builder.xor_address(attribute::XOR_PEER_ADDRESS, address(text)).finish().unwrap();
    (attribute::XOR_PEER_ADDRESS, out[24..len].to_vec())
}

fn indication(to: &str, data: &[u8]) -> Vec<u8> {
    let mut out = [0; 256];
    let id = stun::TransactionId([3; 12]);
    let len = Builder::new(&mut out, Class::Indication, turn::SEND, id)
        .xor_address(attribute::XOR_PEER_ADDRESS, address(to))
        .attribute(attribute::DATA, data)
        .finish()
        .unwrap();
    out[..len].to_vec()
}

#[test]
fn packets_go_to_our_own_ports_and_back() {
    let mut pair = Pair::new();
    pair.enter();
    let mut none = [0; 8];
    let early = indication(WORKER, b"check");
    assert_eq!(pair.turn.handle(at(1), &early, &mut none), Outcome::Drop(Drop::Forbidden));
    let serial = pair.serial + 1;
    pair.request(at(1), turn::CREATE_PERMISSION, &[peer(WORKER, serial)]).unwrap();
    let expected = Outcome::Relay { peer: address(WORKER), payload: b"check" };
    assert_eq!(pair.turn.handle(at(1), &early, &mut none), expected);

    let mut header = [0; WRAP];
    let front = pair.turn.wrap(at(1), (address(WORKER), 5), &mut header).unwrap();
    let whole = [front, b"reply", &[0; 3]].concat();
    let wrapped = Message::parse(&whole).unwrap();
    assert_eq!((wrapped.class, wrapped.method), (Class::Indication, turn::DATA));
    assert_eq!(wrapped.attribute(attribute::DATA), Some(&b"reply"[..]));
    assert_eq!(wrapped.xor_address(attribute::XOR_PEER_ADDRESS), Some(address(WORKER)));

    let serial = pair.serial + 1;
    let number = (attribute::CHANNEL_NUMBER, vec![0x40, 1, 0, 0]);
    pair.request(at(2), turn::CHANNEL_BIND, &[number, peer(WORKER, serial)]).unwrap();
    let front = pair.turn.wrap(at(2), (address(WORKER), 5), &mut header).unwrap();
    assert_eq!(front, [0x40, 1, 0, 5]);
    let data = [0x40, 1, 0, 4, b'd', b'a', b't', b'a'];
    let expected = Outcome::Relay { peer: address(WORKER), payload: b"data" };
    assert_eq!(pair.turn.handle(at(2), &data, &mut none), expected);
    let other = [0x40, 2, 0, 4, b'd', b'a', b't', b'a'];
    assert_eq!(pair.turn.handle(at(2), &other, &mut none), Outcome::Drop(Drop::Forbidden));
}

#[test]
fn nobody_else_is_relayed_to() {
    let mut pair = Pair::new();
    pair.enter();
    for stranger in ["203.0.113.1:53", "127.0.0.1:22", "[::1]:80"] {
        let serial = pair.serial + 1;
        let refused = pair.request(at(1), turn::CREATE_PERMISSION, &[peer(stranger, serial)]);
        assert_eq!(refused, Err(403), "{stranger}");
        let serial = pair.serial + 1;
        let number = (attribute::CHANNEL_NUMBER, vec![0x40, 0, 0, 0]);
        let refused = pair.request(at(1), turn::CHANNEL_BIND, &[number, peer(stranger, serial)]);
        assert_eq!(refused, Err(403), "{stranger}");
    }
    // The address is ours, the port is another service's.
    let serial = pair.serial + 1;
    pair.request(at(1), turn::CREATE_PERMISSION, &[peer("192.0.2.1:22", serial)]).unwrap();
    let packet = indication("192.0.2.1:22", b"x");
    assert_eq!(pair.turn.handle(at(1), &packet, &mut []), Outcome::Drop(Drop::Forbidden));
}

#[test]
fn credentials_are_needed_and_end() {
    let mut pair = Pair::new();
    pair.nonce = b"07070707070707070707070707070707".to_vec();
    assert_eq!(pair.allocate(at(61)), Err(401), "they ended at 60");
    pair.credentials.password.push('x');
    assert_eq!(pair.allocate(at(1)), Err(401));
    pair.credentials.password.pop();
    let other = std::mem::replace(&mut pair.nonce, b"another".to_vec());
    assert_eq!(pair.allocate(at(1)), Err(438));
    pair.nonce = other;
    assert!(pair.allocate(at(1)).is_ok());
    assert_eq!(pair.allocate(at(1)), Err(437), "there is one");
    // What was allocated in time lives on, also past the end of the credentials.
    assert!(pair.request(at(300), turn::REFRESH, &[]).is_ok());
    assert!(pair.turn.is_allocated(at(899)) && !pair.turn.is_allocated(at(901)));
    pair.credentials = pair.turn.setup.authority.issue(at(900), "somebody else");
    assert_eq!(pair.request(at(301), turn::REFRESH, &[]), Err(441));
}

#[test]
fn a_refresh_of_zero_ends_it() {
    let mut pair = Pair::new();
    pair.enter();
    assert!(pair.request(at(1), turn::REFRESH, &[(attribute::LIFETIME, vec![0; 4])]).is_ok());
    assert!(!pair.turn.is_allocated(at(1)));
    assert!(pair.turn.wrap(at(1), (address(WORKER), 5), &mut [0; WRAP]).is_none());
}

#[test]
fn a_channel_keeps_its_peer() {
    let mut pair = Pair::new();
    pair.enter();
    let mut bind = |number: u8, to: &str| {
        let serial = pair.serial + 1;
        let number = (attribute::CHANNEL_NUMBER, vec![0x40, number, 0, 0]);
        pair.request(at(1), turn::CHANNEL_BIND, &[number, peer(to, serial)]).map(|_| ())
    };
    assert_eq!(bind(0, WORKER), Ok(()));
    assert_eq!(bind(0, WORKER), Ok(()), "a refresh");
    assert_eq!(bind(1, WORKER), Err(400));
    assert_eq!(bind(0, "192.0.2.1:7883"), Err(400));
    assert_eq!(bind(1, "192.0.2.1:7883"), Ok(()));
}

#[test]
fn what_is_no_message_of_a_client_is_dropped() {
    let mut pair = Pair::new();
    let mut reply = [0; 512];
    let mut check = |bytes: &[u8], reason| {
        assert_eq!(pair.turn.handle(at(0), bytes, &mut reply), Outcome::Drop(reason));
    };
    check(&[], Drop::Malformed);
    check(b"not stun", Drop::Malformed);
    check(&[0x40, 0, 0, 0], Drop::NoAllocation);
    check(&indication(WORKER, b"x"), Drop::NoAllocation);
}
