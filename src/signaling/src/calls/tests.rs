//! The task over a real store and real rooms. A device in here is what a session holds: a channel
//! of events.

mod ends;
mod phones;
mod story;

use std::sync::Mutex;

use offhook_call::Config;
use offhook_proto::client::{
    CallAccepted, CallCause, CallEnded, CallState, IncomingCall, MediaGrant,
};
use offhook_store::{
    Calls as _, Devices as _, NewDevice, NewUser, TokenHash, TokenPair, Users as _,
};
use offhook_types::{DeviceId, WallTime};
use tokio::time::timeout;

use super::*;
use crate::account::tests::Disk;
use crate::push::Wake;

/// Longer than anything takes on a busy machine; a test that waits for it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server without doors.
struct Server {
    calls: Handle,
    rooms: Rooms,
    keys: Keys,
    pushes: Arc<Pushes>,
    disk: Disk,
    serial: u64,
}

#[derive(Default)]
struct Pushes(Mutex<Vec<(Wake, DeviceId)>>);

impl Push for Pushes {
    fn push(&self, wake: Wake, device: DeviceId, _: CallId) {
        self.0.lock().unwrap().push((wake, device));
    }
}

struct Device {
    by: By,
    number: Number,
    session: SessionId,
    sender: mpsc::Sender<DeviceEvent>,
    events: mpsc::Receiver<DeviceEvent>,
}

impl Server {
    async fn start(calls: Config) -> Self {
        Self::start_with(calls, Phones::none()).await
    }

    async fn start_with(calls: Config, phones: Phones) -> Self {
        let disk = Disk::new().await;
        let rooms = Rooms::start(&crate::rooms::Config::default(), 1);
        let keys = Keys::new([("key".to_owned(), "secret".repeat(8))]);
        let pushes = Arc::new(Pushes::default());
        let neighbours = Neighbours {
            store: disk.store.clone(),
            rooms: rooms.clone(),
            keys: keys.clone(),
            push: pushes.clone(),
            phones,
        };
        let options =
            Options { calls, media_url: "wss://media.example".into(), ..Options::default() };
        let calls = start(options, neighbours, 3).await.unwrap();
        Self { calls, rooms, keys, pushes, disk, serial: 100 }
    }

    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A device of the user with that number, who is signed up if new; not attached.
    async fn sign_in(&mut self, number: &str) -> Device {
        let number: Number = number.parse().unwrap();
        let now = wall_now();
        let id = UserId(self.serial());
        let new = NewUser { id, number: number.clone(), display_name: "somebody".into() };
        let user = self.disk.store.sign_up(now, &new).await.unwrap();
        let serial = self.serial();
        let device = DeviceId(serial);
        let new = NewDevice { id: device, user: user.id, name: String::new(), most: 10 };
        let hash = |kind: u8| {
            let mut hash = [kind; 32];
            hash[..8].copy_from_slice(&serial.to_be_bytes());
            TokenHash(hash)
        };
        let tokens = TokenPair {
            access: hash(1),
            access_expires_at: WallTime(u64::MAX / 4),
            refresh: hash(2),
            refresh_expires_at: WallTime(u64::MAX / 4),
        };
        self.disk.store.add_device(now, &new, &tokens).await.unwrap();
        let (sender, events) = mpsc::channel(16);
        let by = By { user: user.id, device };
        Device { by, number, session: SessionId(serial), sender, events }
    }

    /// As `sign_in`, attached.
    async fn device(&mut self, number: &str) -> Device {
        let device = self.sign_in(number).await;
        assert_eq!(self.attach(&device).await, Vec::new());
        device
    }

    async fn attach(&self, device: &Device) -> Vec<CallSnapshot> {
        let Device { by, session, sender, .. } = device;
        self.calls.attach(*by, *session, sender.clone()).await.unwrap()
    }

    async fn place(&self, from: &Device, to: &str) -> CallId {
        self.calls.place(from.by, to.parse().unwrap(), Media::Video).await.unwrap()
    }

    /// A call from one to the other that both are told to join.
    async fn talk(&self, from: &mut Device, to: &mut Device) -> (CallId, MediaGrant, MediaGrant) {
        let call = self.place(from, to.number.clone().as_str()).await;
        to.incoming().await;
        self.calls.accept(to.by, call).await.unwrap();
        let mine = from.accepted().await.grant.unwrap();
        let theirs = to.accepted().await.grant.unwrap();
        (call, mine, theirs)
    }

    async fn history(&self, device: &Device) -> Vec<offhook_store::HistoryEntry> {
        self.disk.store.history(device.by.user, None, 50).await.unwrap().entries
    }
}

impl Device {
    async fn event(&mut self) -> DeviceEvent {
        timeout(DEADLINE, self.events.recv()).await.expect("an event").expect("a channel")
    }

    async fn incoming(&mut self) -> IncomingCall {
        match self.event().await {
            DeviceEvent::Incoming(incoming) => incoming,
            other => panic!("{other:?} instead of a ring"),
        }
    }

    async fn accepted(&mut self) -> CallAccepted {
        match self.event().await {
            DeviceEvent::Accepted(accepted) => accepted,
            other => panic!("{other:?} instead of an accept"),
        }
    }

    async fn ended(&mut self) -> CallEnded {
        match self.event().await {
            DeviceEvent::Ended(ended) => ended,
            other => panic!("{other:?} instead of an end"),
        }
    }

    async fn ends_with(&mut self, call: CallId, cause: CallCause) {
        let ended = self.ended().await;
        assert_eq!((ended.call_id.as_str(), ended.cause()), (call.to_string().as_str(), cause));
    }
}

const ADA: &str = "+12025550101";
const BOB: &str = "+12025550102";
const CYD: &str = "+12025550103";

#[test]
fn a_room_names_its_call_and_others_do_not() {
    let call = CallId(0xfeed);
    assert_eq!(call_of_room(&room_name(call)), Some(call));
    for name in ["call-", "lobby", "call-US_00000000001", "call-CA_1", ""] {
        assert_eq!(call_of_room(name), None, "{name}");
    }
}
