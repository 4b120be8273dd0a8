//! What every store must do, as one suite: an implementation passes when [`check`] returns. Each
//! part uses numbers and ids of its own, so the suite runs on one empty store.

mod phone;

use offhook_call::{Caller, Cause, Direction, Ending, Media, Party, Record, Via};
use offhook_types::{CallId, DeviceId, Number, UserId, WallTime};

use crate::{
    CodeHash, CodeKey, Error, NewCode, NewDevice, NewUser, Rotation, Store, TokenHash, TokenPair,
    User,
};

/// The whole suite, on an empty store.
pub(crate) async fn check(store: &dyn Store) {
    users(store).await;
    devices_and_tokens(store).await;
    too_many_devices(store).await;
    refresh_rotation(store).await;
    refresh_reuse(store).await;
    pruning_tokens(store).await;
    codes(store).await;
    parallel_guesses(store).await;
    call_records(store).await;
    refused_records(store).await;
    history_shows_each_side(store).await;
    phones_are_callers_and_callees(store).await;
    history_pages(store).await;
    calls_left_open(store).await;
    phone::check(store).await;
}

pub(crate) fn number(last: u32) -> Number {
    format!("+120255{last:05}").parse().unwrap()
}

/// A user whose id and number come from `serial`.
pub(crate) async fn sign_up(store: &dyn Store, serial: u32) -> User {
    let new = NewUser {
        id: UserId(u64::MAX - u64::from(serial)),
        number: number(serial),
        display_name: format!("name {serial}"),
    };
    store.sign_up(WallTime(1000), &new).await.unwrap()
}

fn pair(serial: u8) -> TokenPair {
    TokenPair {
        access: TokenHash([serial; 32]),
        access_expires_at: WallTime(2000),
        refresh: TokenHash([serial ^ 0x80; 32]),
        refresh_expires_at: WallTime(9000),
    }
}

fn device(user: &User, serial: u64, most: u32) -> NewDevice {
    NewDevice { id: DeviceId(serial), user: user.id, name: format!("device {serial}"), most }
}

fn record(call: u64, caller: &User, callee: Option<&User>, placed_at: u64) -> Record {
    Record {
        call: CallId(call),
        caller: Caller::User(caller.id),
        callee: callee.map(|user| user.id),
        number: callee.map_or_else(|| number(99_999), |user| user.number.clone()).into(),
        via: Via::App,
        media: Media::Video,
        placed_at: WallTime(placed_at),
        accepted_at: None,
        ending: None,
    }
}

async fn users(store: &dyn Store) {
    let ada = sign_up(store, 1).await;
    assert_eq!(store.user(ada.id).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(store.user_by_number(&ada.number).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(store.user(UserId(0)).await.unwrap(), None);
    assert_eq!(store.user_by_number(&number(88_888)).await.unwrap(), None);

    // The number decides who it is: signing up again finds the same person, unchanged.
    let again = NewUser { id: UserId(5), number: ada.number.clone(), display_name: "x".into() };
    assert_eq!(store.sign_up(WallTime(2000), &again).await.unwrap(), ada);
    assert_eq!(store.user(UserId(5)).await.unwrap(), None);

    let taken = NewUser { id: ada.id, number: number(2), display_name: String::new() };
    assert!(matches!(store.sign_up(WallTime(0), &taken).await, Err(Error::Conflict)));

    let renamed = store.rename(ada.id, "Ada '); DROP TABLE users; --").await.unwrap().unwrap();
    assert_eq!(renamed.display_name, "Ada '); DROP TABLE users; --");
    assert_eq!(store.user(ada.id).await.unwrap(), Some(renamed));
    assert_eq!(store.rename(UserId(0), "nobody").await.unwrap(), None);
}

async fn devices_and_tokens(store: &dyn Store) {
    let (ada, bob) = (sign_up(store, 10).await, sign_up(store, 11).await);
    store.add_device(WallTime(1000), &device(&ada, 10, 5), &pair(10)).await.unwrap();
    let bearer = store.bearer(WallTime(1999), &pair(10).access).await.unwrap().unwrap();
    assert_eq!((bearer.user.id, bearer.device.id), (ada.id, DeviceId(10)));
    assert_eq!(bearer.expires_at, WallTime(2000));
    assert_eq!(store.bearer(WallTime(2000), &pair(10).access).await.unwrap(), None);
    assert_eq!(store.bearer(WallTime(1000), &pair(10).refresh).await.unwrap(), None);

    let twice = store.add_device(WallTime(1000), &device(&bob, 10, 5), &pair(11)).await;
    assert!(matches!(twice, Err(Error::Conflict)));
    let nobody = NewDevice { user: UserId(0), ..device(&bob, 12, 5) };
    let orphan = store.add_device(WallTime(1000), &nobody, &pair(11)).await;
    assert!(matches!(orphan, Err(Error::Missing)));
    assert_eq!(store.devices_of(bob.id).await.unwrap(), []);

    store.seen(WallTime(1500), DeviceId(10)).await.unwrap();
    store.seen(WallTime(1400), DeviceId(10)).await.unwrap();
    let devices = store.devices_of(ada.id).await.unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!((devices[0].created_at, devices[0].last_seen_at), (WallTime(1000), WallTime(1500)));

    // Nobody revokes another's device.
    assert!(!store.revoke_device(bob.id, DeviceId(10)).await.unwrap());
    assert!(store.revoke_device(ada.id, DeviceId(10)).await.unwrap());
    assert!(!store.revoke_device(ada.id, DeviceId(10)).await.unwrap());
    assert_eq!(store.bearer(WallTime(1000), &pair(10).access).await.unwrap(), None);
    let refreshed = store.rotate(WallTime(1000), &pair(10).refresh, &pair(12)).await.unwrap();
    assert_eq!(refreshed, Rotation::Unknown);
}

async fn too_many_devices(store: &dyn Store) {
    let ada = sign_up(store, 20).await;
    for serial in 20..23 {
        let now = WallTime(1000 + serial);
        store.add_device(now, &device(&ada, serial, 3), &pair(serial as u8)).await.unwrap();
    }
    // 20 is the oldest, but 21 was not seen for longest.
    store.seen(WallTime(1500), DeviceId(20)).await.unwrap();
    let next = device(&ada, 23, 3);
    let revoked = store.add_device(WallTime(1600), &next, &pair(23)).await.unwrap();
    assert_eq!(revoked, [DeviceId(21)]);
    let left: Vec<_> = store.devices_of(ada.id).await.unwrap().iter().map(|d| d.id.0).collect();
    assert_eq!(left, [20, 22, 23]);
}

async fn refresh_rotation(store: &dyn Store) {
    let ada = sign_up(store, 30).await;
    store.add_device(WallTime(1000), &device(&ada, 30, 5), &pair(30)).await.unwrap();
    let done = store.rotate(WallTime(1100), &pair(30).refresh, &pair(31)).await.unwrap();
    let Rotation::Done(bearer) = done else { panic!("not rotated: {done:?}") };
    assert_eq!((bearer.device.id, bearer.device.last_seen_at), (DeviceId(30), WallTime(1100)));
    assert_eq!(store.bearer(WallTime(1100), &pair(30).access).await.unwrap(), None);
    assert!(store.bearer(WallTime(1100), &pair(31).access).await.unwrap().is_some());
    // Expired, and an access token in its place.
    let late = store.rotate(WallTime(9000), &pair(31).refresh, &pair(32)).await.unwrap();
    assert_eq!(late, Rotation::Unknown);
    let wrong = store.rotate(WallTime(1100), &pair(31).access, &pair(32)).await.unwrap();
    assert_eq!(wrong, Rotation::Unknown);
    assert!(store.bearer(WallTime(1100), &pair(31).access).await.unwrap().is_some());
}

async fn refresh_reuse(store: &dyn Store) {
    let ada = sign_up(store, 40).await;
    store.add_device(WallTime(1000), &device(&ada, 40, 5), &pair(40)).await.unwrap();
    store.rotate(WallTime(1100), &pair(40).refresh, &pair(41)).await.unwrap();
    let reused = store.rotate(WallTime(1200), &pair(40).refresh, &pair(42)).await.unwrap();
    assert_eq!(reused, Rotation::Reused { user: ada.id, device: DeviceId(40) });
    assert_eq!(store.devices_of(ada.id).await.unwrap(), []);
    assert_eq!(store.bearer(WallTime(1200), &pair(41).access).await.unwrap(), None);
    let rest = store.rotate(WallTime(1200), &pair(41).refresh, &pair(42)).await.unwrap();
    assert_eq!(rest, Rotation::Unknown);
}

async fn pruning_tokens(store: &dyn Store) {
    let ada = sign_up(store, 50).await;
    store.add_device(WallTime(1000), &device(&ada, 50, 5), &pair(50)).await.unwrap();
    store.prune_tokens(WallTime(8999)).await.unwrap();
    assert_eq!(store.devices_of(ada.id).await.unwrap().len(), 1);
    assert!(store.prune_tokens(WallTime(9000)).await.unwrap() >= 1);
    assert_eq!(store.devices_of(ada.id).await.unwrap(), []);
}

fn code(key: u8, hash: u8, attempts: u32) -> NewCode {
    let (key, hash) = (CodeKey([key; 32]), CodeHash([hash; 32]));
    NewCode { key, hash, expires_at: WallTime(2000), attempts }
}

async fn codes(store: &dyn Store) {
    let key = CodeKey([1; 32]);
    let attempt = async |now| store.attempt_code(WallTime(now), &key).await.unwrap().map(|h| h.0);
    assert_eq!(attempt(1000).await, None);
    store.put_code(&code(1, 7, 2)).await.unwrap();
    assert_eq!(attempt(1000).await, Some([7; 32]));
    assert_eq!(attempt(1999).await, Some([7; 32]));
    assert_eq!(attempt(1999).await, None, "attempts are used up");

    store.put_code(&code(1, 8, 2)).await.unwrap();
    assert_eq!(attempt(2000).await, None, "expired");
    assert!(!store.consume_code(&key, &CodeHash([7; 32])).await.unwrap(), "replaced");
    assert!(store.consume_code(&key, &CodeHash([8; 32])).await.unwrap());
    assert!(!store.consume_code(&key, &CodeHash([8; 32])).await.unwrap(), "used");

    store.put_code(&code(1, 9, 2)).await.unwrap();
    assert_eq!(store.prune_codes(WallTime(1999)).await.unwrap(), 0);
    assert_eq!(store.prune_codes(WallTime(2000)).await.unwrap(), 1);
    assert_eq!(attempt(1000).await, None);
}

/// Five guesses are five guesses, also when a thousand come at once.
async fn parallel_guesses(store: &dyn Store) {
    let key = CodeKey([2; 32]);
    store.put_code(&code(2, 7, 5)).await.unwrap();
    let guesses = (0..20).map(|_| store.attempt_code(WallTime(1000), &key));
    let answers = futures_util::future::join_all(guesses).await;
    assert_eq!(answers.into_iter().filter(|a| a.as_ref().unwrap().is_some()).count(), 5);
    let uses = (0..20).map(|_| store.consume_code(&key, &CodeHash([7; 32])));
    let used = futures_util::future::join_all(uses).await;
    assert_eq!(used.into_iter().filter(|u| *u.as_ref().unwrap()).count(), 1);
}

async fn call_records(store: &dyn Store) {
    let (ada, bob) = (sign_up(store, 60).await, sign_up(store, 61).await);
    let placed = record(60, &ada, Some(&bob), 1000);
    store.open_call(&placed).await.unwrap();
    assert!(matches!(store.open_call(&placed).await, Err(Error::Conflict)));
    assert_eq!(store.call(CallId(60)).await.unwrap(), Some(placed.clone()));
    assert_eq!(store.history(ada.id, None, 10).await.unwrap().entries, [], "not yet over");

    assert!(store.accept_call(CallId(60), WallTime(1100)).await.unwrap());
    assert!(!store.accept_call(CallId(60), WallTime(1200)).await.unwrap());
    let ending = Ending { cause: Cause::HungUp, at: WallTime(2000) };
    assert!(store.close_call(CallId(60), Some(WallTime(1300)), ending).await.unwrap());
    let second = Ending { cause: Cause::Server, at: WallTime(3000) };
    assert!(!store.close_call(CallId(60), None, second).await.unwrap(), "closed once");
    assert!(!store.accept_call(CallId(60), WallTime(1200)).await.unwrap());

    let closed = Record { accepted_at: Some(WallTime(1100)), ending: Some(ending), ..placed };
    assert_eq!(store.call(CallId(60)).await.unwrap(), Some(closed));
    assert_eq!(store.history(ada.id, None, 10).await.unwrap().entries.len(), 1);
}

async fn refused_records(store: &dyn Store) {
    let ending = Ending { cause: Cause::Busy, at: WallTime(1) };
    assert!(!store.close_call(CallId(404), None, ending).await.unwrap());
    assert!(!store.accept_call(CallId(404), WallTime(1)).await.unwrap());
    assert_eq!(store.call(CallId(404)).await.unwrap(), None);
    let ada = sign_up(store, 65).await;
    let stranger = Record { caller: Caller::User(UserId(0)), ..record(65, &ada, None, 1000) };
    assert!(matches!(store.open_call(&stranger).await, Err(Error::Missing)));
}

async fn history_shows_each_side(store: &dyn Store) {
    let (ada, bob) = (sign_up(store, 70).await, sign_up(store, 71).await);
    store.open_call(&record(70, &ada, Some(&bob), 1000)).await.unwrap();
    let ending = Ending { cause: Cause::HungUp, at: WallTime(3000) };
    store.close_call(CallId(70), Some(WallTime(2000)), ending).await.unwrap();
    store.open_call(&record(71, &ada, None, 4000)).await.unwrap();
    let ending = Ending { cause: Cause::Unavailable, at: WallTime(4001) };
    store.close_call(CallId(71), None, ending).await.unwrap();

    let outgoing = store.history(ada.id, None, 10).await.unwrap();
    assert!(!outgoing.more);
    let [unknown, answered] = &outgoing.entries[..] else { panic!("{outgoing:?}") };
    assert_eq!((unknown.call, unknown.cause), (CallId(71), Cause::Unavailable));
    assert_eq!(unknown.peer_number, Some(number(99_999).into()));
    assert_eq!((unknown.accepted_at, unknown.via), (None, Via::App));
    assert_eq!(answered.direction, Direction::Outgoing);
    assert_eq!(answered.peer_number, Some(bob.number.clone().into()));
    assert_eq!(answered.peer_name, "");
    assert_eq!(answered.accepted_at, Some(WallTime(2000)));
    assert_eq!((answered.media, answered.ended_at), (Media::Video, WallTime(3000)));

    let incoming = store.history(bob.id, None, 10).await.unwrap().entries;
    assert_eq!(incoming.len(), 1);
    assert_eq!(incoming[0].direction, Direction::Incoming);
    assert_eq!(incoming[0].peer_number, Some(ada.number.clone().into()));
    assert_eq!(incoming[0].peer_name, "name 70");
}

async fn phones_are_callers_and_callees(store: &dyn Store) {
    let ada = sign_up(store, 75).await;
    let hidden = Party { number: None, name: "".into() };
    let shown = Party { number: Some(number(75_001).into()), name: "ACME".into() };
    let incoming = |call, party, at| Record {
        caller: Caller::Phone(party),
        callee: Some(ada.id),
        via: Via::Phone,
        ..record(call, &ada, None, at)
    };
    let out =
        Record { via: Via::Phone, number: "112".parse().unwrap(), ..record(752, &ada, None, 3) };
    for record in [incoming(750, hidden, 1), incoming(751, shown.clone(), 2), out] {
        store.open_call(&record).await.unwrap();
        assert_eq!(store.call(record.call).await.unwrap().as_ref(), Some(&record));
        let ending = Ending { cause: Cause::Carrier, at: WallTime(9) };
        assert!(store.close_call(record.call, None, ending).await.unwrap());
    }
    let history = store.history(ada.id, None, 10).await.unwrap().entries;
    let [emergency, acme, nobody] = &history[..] else { panic!("{history:?}") };
    assert_eq!(emergency.direction, Direction::Outgoing);
    assert_eq!(emergency.peer_number, Some("112".parse().unwrap()));
    assert_eq!((&acme.peer_number, acme.peer_name.as_str()), (&shown.number, "ACME"));
    assert_eq!((&nobody.peer_number, nobody.peer_name.as_str()), (&None, ""));
    assert!(history.iter().all(|entry| entry.via == Via::Phone && entry.cause == Cause::Carrier));
}

async fn history_pages(store: &dyn Store) {
    let (ada, bob) = (sign_up(store, 80).await, sign_up(store, 81).await);
    // Two of them in the same millisecond.
    for (call, at) in [(800, 1000), (801, 2000), (802, 2000), (803, 3000), (804, 4000)] {
        store.open_call(&record(call, &ada, Some(&bob), at)).await.unwrap();
        let ending = Ending { cause: Cause::NoAnswer, at: WallTime(at + 1) };
        store.close_call(CallId(call), None, ending).await.unwrap();
    }
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let page = store.history(ada.id, before, 2).await.unwrap();
        pages.push(page.entries.iter().map(|entry| entry.call.0).collect::<Vec<_>>());
        before = page.entries.last().map(|entry| entry.placed_at);
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [vec![804, 803], vec![801, 802], vec![800]]);
    let cut = store.history(ada.id, Some(WallTime(3000)), 1).await.unwrap();
    assert_eq!(cut.entries.len(), 2, "one millisecond is not cut apart");
    assert!(store.history(ada.id, Some(WallTime(u64::MAX)), 100).await.unwrap().entries.len() == 5);
}

async fn calls_left_open(store: &dyn Store) {
    let (ada, bob) = (sign_up(store, 90).await, sign_up(store, 91).await);
    assert_eq!(store.close_left_open(WallTime(5000)).await.unwrap(), 0);
    store.open_call(&record(90, &ada, Some(&bob), 1000)).await.unwrap();
    store.accept_call(CallId(90), WallTime(1100)).await.unwrap();
    store.open_call(&record(91, &bob, None, 1000)).await.unwrap();
    assert_eq!(store.close_left_open(WallTime(5000)).await.unwrap(), 2);
    assert_eq!(store.close_left_open(WallTime(6000)).await.unwrap(), 0);
    let closed = store.call(CallId(90)).await.unwrap().unwrap();
    assert_eq!(closed.ending, Some(Ending { cause: Cause::Server, at: WallTime(5000) }));
    assert_eq!(closed.accepted_at, Some(WallTime(1100)));
    assert_eq!(store.history(bob.id, None, 10).await.unwrap().entries.len(), 2);
}
