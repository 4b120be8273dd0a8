use std::sync::Arc;
use std::time::Duration;

use offhook_call::room::{DataMessage, Describe, Door, Receive};
use offhook_types::media::DataKind;
use offhook_types::{LegId, MediaKind};

use super::*;
use crate::token::Claims;

const DEADLINE: Duration = Duration::from_secs(10);

fn ticket(room: &str, identity: &str) -> Join {
    Claims::join(room, identity).grant(None).unwrap().into_join(Door::Livekit, Receive::All)
}

/// Skip notices until `pick` takes one; `None` when the channel closed first.
async fn until<T>(
    notices: &mut mpsc::Receiver<Notice>,
    pick: impl Fn(Notice) -> Option<T>,
) -> Option<T> {
    loop {
        let notice = tokio::time::timeout(DEADLINE, notices.recv()).await;
        if let Some(found) = pick(notice.expect("nothing was said in time")?) {
            return Some(found);
        }
    }
}

fn closed(notice: Notice) -> Option<Left> {
    match notice {
        Notice::Closed(why) => Some(why),
        _ => None,
    }
}

async fn event(events: &mut broadcast::Receiver<RoomEvent>) -> RoomEvent {
    tokio::time::timeout(DEADLINE, events.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn rooms_live_in_one_shard_each_and_are_listed_from_all() {
    let rooms = Rooms::start(&Config { shards: 4, ..Config::default() }, 1);
    let mut seats = Vec::new();
    for room in 0..12 {
        for identity in ["ann", "bob"] {
            let (seat, joined, notices) =
                rooms.join(ticket(&format!("room-{room}"), identity)).await.unwrap();
            assert_eq!(joined.others.len(), usize::from(identity == "bob"));
            seats.push((seat, notices));
        }
    }
    assert_eq!(rooms.list(Vec::new()).await.unwrap().len(), 12);
    assert_eq!(rooms.list(vec!["room-7".into()]).await.unwrap()[0].participants, 2);
}

#[tokio::test]
async fn speakers_find_the_shard_of_their_room() {
    let rooms = Rooms::start(&Config { shards: 4, ..Config::default() }, 1);
    for room in ["a", "b", "c", "d", "e"] {
        let (ann, _, mut heard) = rooms.join(ticket(room, "ann")).await.unwrap();
        let track = ann.add_track(TrackRequest::new("mic", MediaKind::Audio)).await.unwrap().id;
        let (leg, layers) = (LegId(1), vec![(None, None)]);
        let published = Published { track, leg, mid: None, layers, mime: "audio/opus".into() };
        ann.publish(published).await.unwrap();
        rooms.speakers(WorkerId(0), ann.room(), vec![Speaker { track, level: 20 }]);
        let spoke = |notice| matches!(notice, Notice::Speakers(_)).then_some(());
        assert!(until(&mut heard, spoke).await.is_some());
    }
}

#[tokio::test]
async fn a_dropped_seat_leaves_the_room() {
    let rooms = Rooms::start(&Config::default(), 1);
    let mut events = rooms.watch();
    let (seat, _, _notices) = rooms.join(ticket("cellar", "ann")).await.unwrap();
    drop(seat);
    let (room, identity) = ("cellar".to_string(), "ann".to_string());
    assert_eq!(event(&mut events).await, RoomEvent::Opened { room: room.clone() });
    let joined = RoomEvent::Joined { room: room.clone(), identity: identity.clone() };
    assert_eq!(event(&mut events).await, joined);
    let why = Left::ConnectionLost;
    assert_eq!(event(&mut events).await, RoomEvent::Left { room, identity, why });
}

#[tokio::test]
async fn a_session_that_does_not_read_is_ended_but_may_miss_lossy_data() {
    let rooms = Rooms::start(&Config { notices: 4, ..Config::default() }, 1);
    let (ann, _, mut heard) = rooms.join(ticket("cellar", "ann")).await.unwrap();
    let (bob, _, mut slow) = rooms.join(ticket("cellar", "bob")).await.unwrap();
    let send = |kind| {
        let (to_identities, to_participants) = (vec!["bob".into()], Vec::new());
        let payload = Arc::from(*b"hi");
        Act::Data(DataMessage { kind, to_identities, to_participants, payload })
    };
    for _ in 0..20 {
        ann.act(send(DataKind::Lossy)).await.unwrap();
    }
    // Everyone is told that he is active, which must not be missed, and he does not read it.
    bob.act(Act::LegUp).await.unwrap();
    assert_eq!(bob.act(Act::LegUp).await, Err(Refusal::NoSession));
    let left = |notice| match notice {
        Notice::Participants(people) => people.iter().find_map(|person| person.left),
        _ => None,
    };
    assert_eq!(until(&mut heard, left).await, Some(Left::Misbehaved));
    assert_eq!(until(&mut slow, closed).await, None, "the channel just ends");
}

#[tokio::test]
async fn stopping_tells_everyone_why() {
    let rooms = Rooms::start(&Config { shards: 2, ..Config::default() }, 1);
    let (_ann, _, mut ann) = rooms.join(ticket("cellar", "ann")).await.unwrap();
    let (_bob, _, mut bob) = rooms.join(ticket("attic", "bob")).await.unwrap();
    rooms.stop().await;
    for notices in [&mut ann, &mut bob] {
        assert_eq!(until(notices, closed).await, Some(Left::ServerShutdown));
    }
    assert!(rooms.list(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn administrators_reach_participants() {
    let rooms = Rooms::start(&Config { shards: 3, ..Config::default() }, 1);
    let (_ann, _, mut heard) = rooms.join(ticket("cellar", "ann")).await.unwrap();
    let change = Describe { name: Some("Ann".into()), ..Describe::default() };
    let (room, identity) = ("cellar".to_string(), "ann".to_string());
    let describe = Admin::Describe { room: room.clone(), identity: identity.clone(), change };
    assert!(matches!(rooms.admin(describe).await, Ok(Reply::Participant(p)) if p.name == "Ann"));
    rooms.admin(Admin::Remove { room: room.clone(), identity }).await.unwrap();
    assert_eq!(until(&mut heard, closed).await, Some(Left::Removed));
    let elsewhere = Admin::Participants { room: "attic".into() };
    assert_eq!(rooms.admin(elsewhere).await, Err(Refusal::NoRoom));
}

#[tokio::test]
async fn an_empty_room_ends_by_itself() {
    let mut config = Config::default();
    config.rooms.departure_timeout = Duration::from_secs(1);
    let rooms = Rooms::start(&config, 1);
    let mut events = rooms.watch();
    let (seat, _, _notices) = rooms.join(ticket("cellar", "ann")).await.unwrap();
    seat.leave(Left::ClientLeft).await;
    while !matches!(event(&mut events).await, RoomEvent::Closed { .. }) {}
}
