//! A call from placing to history, and what the people are given on the way.

use super::*;

#[tokio::test]
async fn two_people_are_brought_together_and_both_remember_it() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let call = server.place(&ada, BOB).await;
    let rings = bob.incoming().await;
    assert_eq!(rings.call_id, call.to_string());
    let from = rings.from.clone().unwrap();
    assert_eq!((from.number.as_str(), from.display_name.as_str()), (ADA, "somebody"));
    assert!(rings.rings_for_ms > 40_000);
    server.calls.ring_ack(bob.by, call).await.unwrap();
    assert!(matches!(ada.event().await, DeviceEvent::Ringing(_)));
    server.calls.accept(bob.by, call).await.unwrap();
    for device in [&mut ada, &mut bob] {
        let grant = device.accepted().await.grant.unwrap();
        assert_eq!(grant.url, "wss://media.example");
        assert_eq!(call_of_room(&grant.room), Some(call));
        let claims = server.keys.verify(&grant.token).unwrap();
        let joins = claims.grant(Some(&grant.room)).unwrap();
        assert_eq!(joins.identity, device.by.user.to_string());
        assert_eq!(joins.name, "somebody");
        assert!(claims.administers(&grant.room).is_err(), "a caller is no moderator");
    }
    server.calls.hang_up(ada.by, call).await.unwrap();
    let (heard, theirs) = (ada.ended().await, bob.ended().await);
    assert_eq!(heard.cause(), CallCause::HungUp);
    assert_eq!(heard, theirs);
    server.calls.stop().await;
    for (device, direction, peer) in [
        (&ada, offhook_call::Direction::Outgoing, BOB),
        (&bob, offhook_call::Direction::Incoming, ADA),
    ] {
        let history = server.history(device).await;
        assert_eq!(history.len(), 1);
        assert_eq!(history[0].direction, direction);
        assert_eq!(history[0].peer_number.as_ref().unwrap().as_str(), peer);
        assert_eq!(history[0].cause, offhook_call::Cause::HungUp);
        assert!(history[0].accepted_at.is_some());
    }
}

#[tokio::test]
async fn a_device_that_comes_back_finds_its_call_and_a_fresh_grant() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let (call, _, _) = server.talk(&mut ada, &mut bob).await;
    ada.session = SessionId(9);
    let calls = server.attach(&ada).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].call_id, call.to_string());
    assert_eq!(calls[0].state(), CallState::Accepted);
    let grant = calls[0].grant.clone().unwrap();
    assert!(server.keys.verify(&grant.token).unwrap().grant(Some(&grant.room)).is_ok());
    assert_eq!(server.attach(&ada).await, Vec::new(), "a resumed session replays its events");
}

#[tokio::test]
async fn devices_out_of_reach_are_woken_and_called_off() {
    let mut server = Server::start(Config::default()).await;
    let mut ada = server.device(ADA).await;
    let (mut near, far) = (server.device(BOB).await, server.sign_in(BOB).await);
    let call = server.place(&ada, BOB).await;
    near.incoming().await;
    server.calls.cancel(ada.by, call).await.unwrap();
    ada.ends_with(call, CallCause::Cancelled).await;
    near.ends_with(call, CallCause::Cancelled).await;
    server.calls.stop().await;
    let far = far.by.device;
    let pushes = server.pushes.0.lock().unwrap().clone();
    assert_eq!(pushes, [(Wake::Ring, far), (Wake::Cancel, far)]);
}

#[tokio::test]
async fn a_busy_callee_finds_the_missed_call_in_the_history() {
    let mut server = Server::start(Config::default()).await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    let mut cyd = server.device(CYD).await;
    server.talk(&mut ada, &mut bob).await;
    let call = server.place(&cyd, BOB).await;
    cyd.ends_with(call, CallCause::Busy).await;
    server.calls.stop().await;
    assert!(
        matches!(bob.event().await, DeviceEvent::Ended(ended) if ended.call_id != call.to_string())
    );
    let history = server.history(&bob).await;
    let missed = history.iter().find(|entry| entry.call == call).unwrap();
    assert_eq!(missed.cause, offhook_call::Cause::Busy);
    assert_eq!(missed.direction, offhook_call::Direction::Incoming);
}

#[tokio::test]
async fn requests_are_refused_with_the_machines_reason() {
    let mut server = Server::start(Config::default()).await;
    let (ada, bob) = (server.device(ADA).await, server.device(BOB).await);
    let refused = |result: Result<(), Error>| match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?} instead of a refusal"),
    };
    let call = CallId(1);
    assert_eq!(refused(server.calls.accept(ada.by, call).await), Refusal::NoSuchCall);
    assert_eq!(refused(server.calls.decline(ada.by, call).await), Refusal::NoSuchCall);
    let own = server.calls.place(ada.by, ADA.parse().unwrap(), Media::Audio).await;
    assert_eq!(refused(own.map(drop)), Refusal::BadNumber);
    let call = server.place(&ada, BOB).await;
    assert_eq!(refused(server.calls.cancel(bob.by, call).await), Refusal::WrongState);
    server.calls.drain().await;
    server.calls.cancel(ada.by, call).await.unwrap();
    let more = server.calls.place(ada.by, BOB.parse().unwrap(), Media::Audio).await;
    assert_eq!(refused(more.map(drop)), Refusal::Unavailable);
    let counts = server.calls.counts().await.unwrap();
    assert_eq!((counts.live, counts.devices, counts.calls.placed), (0, 2, 1));
}
