//! Calls with a phone on one side, over a scripted phone network and a media node that takes notes.

use offhook_call::room::{Admin, Door, Join, Published, Receive, Source, TrackRequest};
use offhook_types::media::{Candidate, Command as NodeCommand, Connection, Fingerprint, Placement};
use offhook_types::phone::{Cause as PhoneCause, Command, Digit, Incoming, Reached};
use offhook_types::{LegId, MediaKind, PhoneId, RoomId, Ssrc, TrackId};
use tokio::sync::watch;

use super::*;
use crate::media_node::{Events, MediaNode, NodeFull};
use crate::phone::seat::identity;

/// A gateway and a node that write down what they are told.
struct Script {
    told: watch::Sender<Vec<Command>>,
    node: watch::Sender<Vec<NodeCommand>>,
}

#[async_trait::async_trait]
impl PhoneNetwork for Script {
    async fn quote(&self, _: Question) -> Result<Quote, QuoteRefusal> {
        Err(QuoteRefusal::NoCredit)
    }

    async fn balance(&self, _: UserId) -> Result<Option<Balance>, Unavailable> {
        Ok(None)
    }

    async fn charge(&self, _: UserId, _: CallId) -> Result<Option<Charge>, Unavailable> {
        Ok(None)
    }

    fn send(&self, command: Command) {
        self.told.send_modify(|told| told.push(command));
    }
}

impl MediaNode for Script {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([7; 32])
    }

    fn place(&self, _: RoomId) -> Option<Placement> {
        let inside = ([127, 0, 0, 1], 7882).into();
        Some(Placement { leg: LegId(77), candidates: vec![Candidate::udp(inside)], inside })
    }

    fn send(&self, command: NodeCommand) -> Result<(), NodeFull> {
        self.node.send_modify(|told| told.push(command));
        Ok(())
    }
}

impl Script {
    /// The first thing told, or to be told, that `pick` takes.
    async fn until<T>(&self, pick: impl Fn(&Command) -> Option<T>) -> T {
        let mut told = self.told.subscribe();
        let found = told.wait_for(|told| told.iter().any(|command| pick(command).is_some()));
        let told = timeout(DEADLINE, found).await.expect("a command").unwrap();
        told.iter().find_map(pick).unwrap()
    }

    /// Wait until the phone hears exactly so many.
    async fn hears(&self, many: usize) -> Vec<Ssrc> {
        let last = |told: &Vec<Command>| {
            let heard = told.iter().rev().find_map(|command| match command {
                Command::Hear { streams, .. } => Some(streams.clone()),
                _ => None,
            });
            heard.filter(|streams| streams.len() == many)
        };
        let mut told = self.told.subscribe();
        let found = told.wait_for(|told| last(told).is_some());
        let told = timeout(DEADLINE, found).await.expect("a mix").unwrap();
        last(&told).unwrap()
    }

    async fn node_told(&self, pick: impl Fn(&NodeCommand) -> bool) {
        let mut told = self.node.subscribe();
        let found = told.wait_for(|told| told.iter().any(&pick));
        timeout(DEADLINE, found).await.expect("a command for the node").unwrap();
    }

    async fn hung_up(&self) -> PhoneCause {
        let hang_up = |command: &Command| match command {
            Command::HangUp { cause, .. } => Some(*cause),
            _ => None,
        };
        self.until(hang_up).await
    }
}

async fn start_with_phones() -> (Server, Arc<Script>) {
    let script =
        Arc::new(Script { told: watch::channel(Vec::new()).0, node: watch::channel(Vec::new()).0 });
    let media: Arc<dyn MediaNode> = script.clone();
    let phones = Phones::new(script.clone(), (media, Events::new(|_, _, _| ())));
    (Server::start_with(Config::default(), phones).await, script)
}

impl Server {
    async fn dial(&self, from: &Device) -> CallId {
        let to = "+4930901820".parse().unwrap();
        let dialing = Dialing { to, quote: None, anonymous: false };
        self.calls.dial(from.by, dialing).await.unwrap()
    }

    async fn says(&self, event: phone::Event) {
        self.calls.phone_event(event).await;
    }

    async fn bridge(&self, phone: PhoneId) {
        let address = ([127, 0, 0, 1], 4000).into();
        self.says(phone::Event::Bridge { phone, address }).await;
    }

    /// Somebody comes into a room and shows a microphone.
    async fn speaker(&self, room: &str, identity: &str) -> (crate::rooms::Seat, TrackId) {
        let join = Join {
            room: room.into(),
            identity: identity.into(),
            name: String::new(),
            metadata: String::new(),
            attributes: Default::default(),
            permission: Default::default(),
            door: Door::Livekit,
            receive: Receive::All,
            client: Default::default(),
        };
        let (seat, _, notices) = self.rooms.join(join).await.unwrap();
        // Nobody reads them; the channel is long enough for what happens here.
        std::mem::forget(notices);
        let mut request = TrackRequest::new("mic", MediaKind::Audio);
        request.source = Source::Microphone;
        let track = seat.add_track(request).await.unwrap().id;
        let layers = vec![(None, None)];
        let mime = "audio/opus".into();
        seat.publish(Published { track, leg: LegId(1), mid: None, layers, mime }).await.unwrap();
        (seat, track)
    }
}

fn dial(command: &Command) -> Option<PhoneId> {
    match command {
        Command::Dial(dial) => Some(dial.phone),
        _ => None,
    }
}

#[tokio::test]
async fn a_phone_is_dialled_heard_early_answered_and_cut_off() {
    let (mut server, script) = start_with_phones().await;
    let mut ada = server.device(ADA).await;
    let call = server.dial(&ada).await;
    let phone = script.until(dial).await;
    server.bridge(phone).await;
    let DeviceEvent::Progress(progress) = ada.event().await else { panic!("no progress") };
    let grant = progress.grant.unwrap();
    assert_eq!(call_of_room(&grant.room), Some(call));
    let relay = script.until(|command| match command {
        Command::Connect { relay, .. } => Some(relay.clone()),
        _ => None,
    });
    let relay = relay.await;
    assert_ne!(relay.to_room, relay.from_room);
    assert_eq!((relay.to_room.key.len(), relay.to_room.salt.len()), (16, 12));
    script
        .node_told(|command| match command {
            NodeCommand::OpenLeg(open) => match &open.connection {
                Connection::Keyed(keyed) => keyed.receive == relay.to_room,
                _ => false,
            },
            _ => false,
        })
        .await;
    let _speaks = server.speaker(&grant.room, &ada.by.user.to_string()).await;
    script.hears(1).await;
    server.says(phone::Event::Ringing { phone }).await;
    assert!(matches!(ada.event().await, DeviceEvent::Ringing(_)));
    server.says(phone::Event::EarlyMedia { phone }).await;
    let digits = vec![Digit::from_face('5').unwrap()];
    server.calls.press(ada.by, call, digits).await.unwrap();
    server.says(phone::Event::Answered { phone, at: wall_now() }).await;
    ada.accepted().await;
    server.calls.hold(ada.by, call, true).await.unwrap();
    assert!(matches!(ada.event().await, DeviceEvent::Held(held) if held.held && !held.by_peer));
    let left = Duration::from_secs(30);
    let cause = PhoneCause::CreditEnded;
    server.says(phone::Event::Warning { phone, left, cause }).await;
    assert!(
        matches!(ada.event().await, DeviceEvent::Warning(warning) if warning.left_ms == 30_000)
    );
    server.says(phone::Event::Ended { phone, cause }).await;
    ada.ends_with(call, CallCause::CreditEnded).await;
    script.node_told(|command| matches!(command, NodeCommand::CloseLeg { .. })).await;
    server.calls.stop().await;
    assert_eq!(server.history(&ada).await[0].via, offhook_call::Via::Phone);
    let hangs_up = |command: &Command| matches!(command, Command::HangUp { .. });
    assert!(!script.told.borrow().iter().any(hangs_up), "the leg ended by itself");
}

#[tokio::test]
async fn a_cancel_hangs_the_phone_up() {
    let (mut server, script) = start_with_phones().await;
    let mut ada = server.device(ADA).await;
    let call = server.dial(&ada).await;
    let phone = script.until(dial).await;
    server.calls.cancel(ada.by, call).await.unwrap();
    server.says(phone::Event::Answered { phone, at: wall_now() }).await;
    ada.ends_with(call, CallCause::Cancelled).await;
    assert_eq!(script.hung_up().await, PhoneCause::Cancelled);
    assert_eq!(server.calls.counts().await.unwrap().phones, 1, "its end was not heard yet");
    server.says(phone::Event::Ended { phone, cause: PhoneCause::Cancelled }).await;
    assert_eq!(server.calls.counts().await.unwrap().phones, 0);
}

#[tokio::test]
async fn a_phone_rings_two_devices_and_one_takes_it() {
    let (mut server, script) = start_with_phones().await;
    let (mut first, mut second) = (server.device(BOB).await, server.device(BOB).await);
    let phone = PhoneId(5);
    let incoming = Incoming {
        phone,
        to: Reached::User(first.by.user),
        called: BOB.parse().unwrap(),
        from: Some(CYD.parse().unwrap()),
        name: String::new(),
    };
    server.says(phone::Event::Incoming(incoming)).await;
    let rings = first.incoming().await;
    assert_eq!(rings.via(), offhook_proto::client::CallVia::Phone);
    assert_eq!(rings.from.unwrap().number, CYD);
    second.incoming().await;
    let call: CallId = rings.call_id.parse().unwrap();
    server.calls.ring_ack(first.by, call).await.unwrap();
    server.calls.accept(second.by, call).await.unwrap();
    first.ends_with(call, CallCause::AnsweredElsewhere).await;
    second.accepted().await;
    script.until(|command| matches!(command, Command::Answer { .. }).then_some(())).await;
    server.calls.hang_up(second.by, call).await.unwrap();
    assert_eq!(script.hung_up().await, PhoneCause::HungUp);
    server.calls.stop().await;
    let history = server.history(&first).await;
    assert_eq!(history[0].peer_number.as_ref().unwrap().as_str(), CYD);
}

#[tokio::test]
async fn a_phone_in_a_room_hears_everybody_and_can_be_muted_and_put_out() {
    let (server, script) = start_with_phones().await;
    let phone = PhoneId(6);
    let (ann, _) = server.speaker("lobby", "ann").await;
    let _bea = server.speaker("lobby", "bea").await;
    let incoming = Incoming {
        phone,
        to: Reached::Room("lobby".into()),
        called: BOB.parse().unwrap(),
        from: Some(CYD.parse().unwrap()),
        name: String::new(),
    };
    server.says(phone::Event::Incoming(incoming)).await;
    server.bridge(phone).await;
    let two = script.hears(2).await;
    let _cat = server.speaker("lobby", "cat").await;
    let three = script.hears(3).await;
    assert!(two.iter().all(|ssrc| three.contains(ssrc)), "streams keep their numbers");
    ann.leave(offhook_call::room::Left::ClientLeft).await;
    script.hears(2).await;

    let (room, identity) = (String::from("lobby"), identity(phone));
    let asked = Admin::Participant { room: room.clone(), identity: identity.clone() };
    let Ok(offhook_call::room::Reply::Participant(seen)) = server.rooms.admin(asked).await else {
        panic!("no phone in the room")
    };
    assert_eq!(seen.attributes["offhook.encryption"], "none");
    assert!(!format!("{seen:?}").contains(CYD), "a room is not told the number");
    let track = seen.tracks[0].id;
    let mute = Admin::Mute { room: room.clone(), identity: identity.clone(), track, muted: true };
    server.rooms.admin(mute).await.unwrap();
    script.node_told(|command| matches!(command, NodeCommand::SetMuted { muted: true, .. })).await;
    server.rooms.admin(Admin::Remove { room, identity }).await.unwrap();
    assert_eq!(script.hung_up().await, PhoneCause::HungUp);
}
