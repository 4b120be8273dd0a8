//! Ends that nobody asked for.

use offhook_call::room::{Door, Joined, Left, Receive};
use offhook_call::{Caller, Cause, Record, RecordStep, Via};

use super::*;
use crate::rooms::Seat;

impl Server {
    async fn join(&self, grant: &MediaGrant) -> (Seat, Joined) {
        let claims = self.keys.verify(&grant.token).unwrap();
        let join = claims.grant(Some(&grant.room)).unwrap().into_join(Door::Whip, Receive::None);
        let (seat, joined, _) = self.rooms.join(join).await.unwrap();
        (seat, joined)
    }
}

/// Short where nothing else has to happen within the time, however slow the machine.
const SOON: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_number_that_is_nobodys_is_unavailable() {
    let config = Config { ring_ack_timeout: SOON, ..Config::default() };
    let mut server = Server::start(config).await;
    let mut ada = server.device(ADA).await;
    let call = server.place(&ada, BOB).await;
    ada.ends_with(call, CallCause::Unavailable).await;
    server.calls.stop().await;
    let history = server.history(&ada).await;
    assert_eq!(history[0].peer_number.as_ref().unwrap().as_str(), BOB);
}

#[tokio::test]
async fn a_call_whose_sides_do_not_join_is_lost() {
    let config = Config { join_timeout: SOON, ..Config::default() };
    let mut server = Server::start(config).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, _, _) = server.talk(&mut ada, &mut bob).await;
    ada.ends_with(call, CallCause::ConnectionLost).await;
    bob.ends_with(call, CallCause::ConnectionLost).await;
}

#[tokio::test]
async fn a_call_whose_side_leaves_the_room_is_lost_and_the_room_closed() {
    let config = Config { reconnect_grace: SOON, ..Config::default() };
    let mut server = Server::start(config).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, mine, theirs) = server.talk(&mut ada, &mut bob).await;
    let (here, _) = server.join(&mine).await;
    let (_there, _) = server.join(&theirs).await;
    here.leave(Left::ClientLeft).await;
    ada.ends_with(call, CallCause::ConnectionLost).await;
    bob.ends_with(call, CallCause::ConnectionLost).await;
    let mut events = server.rooms.watch();
    let gone = async {
        while !server.rooms.list(vec![room_name(call)]).await.unwrap().is_empty() {
            let _ = events.recv().await;
        }
    };
    timeout(DEADLINE, gone).await.expect("the room is closed");
}

#[tokio::test]
async fn a_room_that_somebody_else_closes_ends_the_call() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, _, _) = server.talk(&mut ada, &mut bob).await;
    server.rooms.delete(&room_name(call), Left::RoomDeleted).await.unwrap();
    ada.ends_with(call, CallCause::Server).await;
    bob.ends_with(call, CallCause::Server).await;
}

#[tokio::test]
async fn missed_room_events_are_made_up_for() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, mine, _) = server.talk(&mut ada, &mut bob).await;
    let (_here, _) = server.join(&mine).await;
    let present = meeting::present(&server.rooms).await.unwrap();
    assert_eq!(present.get(&call), Some(&vec![ada.by.user]));
    server.calls.send(Mail::Present(present)).await.unwrap();
    assert_eq!(server.calls.counts().await.unwrap().live, 1);
    server.calls.send(Mail::Present(Default::default())).await.unwrap();
    ada.ends_with(call, CallCause::Server).await;
}

#[tokio::test]
async fn stopping_ends_calls_and_leaves_no_record_open() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, _, _) = server.talk(&mut ada, &mut bob).await;
    server.calls.stop().await;
    bob.ends_with(call, CallCause::Server).await;
    let record = server.disk.store.call(call).await.unwrap().unwrap();
    assert_eq!(record.ending.map(|ending| ending.cause), Some(Cause::Server));
}

#[tokio::test]
async fn calls_of_an_earlier_life_are_closed_at_the_start() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, _, _) = server.talk(&mut ada, &mut bob).await;
    let neighbours = Neighbours {
        store: server.disk.store.clone(),
        rooms: server.rooms.clone(),
        keys: server.keys.clone(),
        push: server.pushes.clone(),
        phones: crate::phone::Phones::none(),
    };
    start(Options::default(), neighbours, 4).await.unwrap();
    let record = server.disk.store.call(call).await.unwrap().unwrap();
    assert_eq!(record.ending.map(|ending| ending.cause), Some(Cause::Server));
}

#[tokio::test]
async fn a_session_that_does_not_take_its_events_is_dropped() {
    let mut server = Server::start(Config::default()).await;
    let mut ada = server.device(ADA).await;
    let mut bob = server.sign_in(BOB).await;
    let (sender, events) = mpsc::channel(1);
    server.calls.attach(bob.by, bob.session, sender).await.unwrap();
    bob.events = events;
    let call = server.place(&ada, BOB).await;
    server.calls.ring_ack(bob.by, call).await.unwrap_or(());
    // The ring fills the channel; the end does not fit.
    let filled = async {
        while bob.events.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, filled).await.unwrap();
    server.calls.cancel(ada.by, call).await.unwrap();
    while !matches!(ada.event().await, DeviceEvent::Ended(_)) {}
    bob.incoming().await;
    assert!(timeout(DEADLINE, bob.events.recv()).await.unwrap().is_none());
    assert_eq!(server.calls.counts().await.unwrap().slow_sessions, 1);
}

#[tokio::test]
async fn a_session_is_dropped_when_its_device_attaches_another() {
    let mut server = Server::start(Config::default()).await;
    let mut ada = server.device(ADA).await;
    let (sender, events) = mpsc::channel(16);
    let mut before = std::mem::replace(&mut ada.events, events);
    let old = std::mem::replace(&mut ada.session, SessionId(9));
    ada.sender = sender;
    server.attach(&ada).await;
    assert!(timeout(DEADLINE, before.recv()).await.unwrap().is_none());
    server.calls.close(ada.by, old).await;
    assert_eq!(server.calls.counts().await.unwrap().devices, 1, "the old session's end is late");
    server.calls.sign_out(ada.by).await;
    assert_eq!(server.calls.counts().await.unwrap().devices, 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_opened_refuses_the_call() {
    let mut server = Server::start(Config::default()).await;
    let ada = server.device(ADA).await;
    let (mailbox, mut mail) = mpsc::channel(4);
    let store = server.disk.store.clone();
    let writer = writer::Writer::start(store.clone(), mailbox.downgrade(), 1);
    store.close().await;
    assert!(writer.write(record(5, ada.by.user), RecordStep::Open));
    match timeout(DEADLINE, mail.recv()).await.unwrap() {
        Some(Mail::Post { input: Input::Recorded { call, durable: false } }) => {
            assert_eq!(call, CallId(5));
        }
        _ => panic!("something else than a failed write"),
    }
}

#[tokio::test]
async fn opening_records_do_not_pile_up() {
    let server = Server::start(Config::default()).await;
    let (mailbox, _mail) = mpsc::channel(1);
    let writer = writer::Writer::start(server.disk.store.clone(), mailbox.downgrade(), 2);
    let record = |serial| record(serial, UserId(1));
    // On this one thread nothing is written between these lines.
    let taken = (0..3).map(|serial| writer.write(record(serial), RecordStep::Open));
    assert_eq!(taken.collect::<Vec<_>>(), [true, true, false]);
    assert!(writer.write(record(0), RecordStep::Close), "what was opened may be closed");
}

#[tokio::test]
async fn a_store_that_is_gone_holds_up_no_end() {
    let server = Server::start(Config::default()).await;
    let (mailbox, _mail) = mpsc::channel(1);
    let writer = writer::Writer::start(server.disk.store.clone(), mailbox.downgrade(), 2);
    server.disk.store.close().await;
    let ending = Some(offhook_call::Ending { cause: Cause::Server, at: WallTime(2) });
    for serial in 1..100 {
        let record = Record { ending, ..record(serial, UserId(1)) };
        assert!(writer.write(record, RecordStep::Close));
    }
    let (done, flushed) = oneshot::channel();
    writer.flush(done);
    timeout(DEADLINE, flushed).await.unwrap().unwrap();
}

fn record(serial: u64, caller: UserId) -> Record {
    Record {
        call: CallId(serial),
        caller: Caller::User(caller),
        callee: None,
        number: BOB.parse().unwrap(),
        via: Via::App,
        media: Media::Audio,
        placed_at: WallTime(1),
        accepted_at: None,
        ending: None,
    }
}
