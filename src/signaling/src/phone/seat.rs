//! One phone's seat in a room: a task that owns the presence there and the relay leg on the media
//! node, keeps the two in step, and tells the gateway where to send and what to hear.
//!
//! The phone hears every sound in the room that it may, each as a stream of its own, and mixes them
//! itself; it receives no pictures. The keys of the relay leg are drawn here and are known to the
//! node and the gateway only.

use std::collections::BTreeMap;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use livekit_protocol::participant_info::Kind;
use offhook_call::room::{
    Act, ClientFacts, Door, Join, Joined, Left, Notice, Permission, Published, Receive, Refusal,
    Source, Subscribed, SubscriptionChange, TrackRequest,
};
use offhook_call::{Party, Seating, Venue};
use offhook_types::media::{
    CodecParams, Command, Connection, Egress, Event, Extension, Extensions, Ingress, Keyed, Layer,
    MasterKey, Negotiated, OpenLeg, SrtpProfile, Want,
};
use offhook_types::phone::{self, Relay};
use offhook_types::{Codec, MediaKind, Mid, PayloadType, PhoneId, Rng, Ssrc, TrackId};
use tokio::sync::mpsc;

use super::Phones;
use crate::calls::room_name;
use crate::media_node::{Leg, NodeFull};
use crate::negotiation;
use crate::rooms::{self, Rooms};

/// Events of one leg that may wait for its seat.
const EVENTS: usize = 64;
/// What both ends of the relay leg call Opus, and the level of a packet's sound.
const OPUS: PayloadType = PayloadType(111);
const AUDIO_LEVEL: u8 = 1;
const MIME: &str = "audio/opus";
/// RFC 7714 §12: a key of 16 bytes and a salt of 12.
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

/// Why a phone did not get its seat.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is no media node for phones")]
    NoNode,
    #[error("the media node has no room")]
    Full(#[from] NodeFull),
    #[error("the room refuses: {0}")]
    Room(#[from] Refusal),
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

/// Sit until the room, the leg or a moderator ends it. Dropping this leaves the room and closes the
/// leg.
pub(crate) async fn sit(phones: Phones, rooms: Rooms, seating: Seating) {
    let phone = seating.phone;
    match Seat::open(phones, rooms, seating).await {
        Ok(seat) => {
            tracing::info!(%phone, leg = %seat.leg.id, "phone has its seat");
            seat.run().await;
        }
        Err(error) => tracing::warn!(%phone, %error, "phone got no seat"),
    }
}

struct Seat {
    phone: PhoneId,
    phones: Phones,
    presence: rooms::Seat,
    notices: mpsc::Receiver<Notice>,
    events: mpsc::Receiver<Event>,
    leg: Leg,
    rng: Rng,
    /// The phone's own sound.
    track: TrackId,
    hears: BTreeMap<TrackId, Heard>,
    next_mid: u64,
}

/// How one of the others is sent to the phone.
#[derive(Clone, Copy)]
struct Heard {
    mid: Mid,
    ssrc: Ssrc,
}

/// Whether the seat goes on.
type Step = Result<(), Left>;

impl Seat {
    async fn open(phones: Phones, rooms: Rooms, seating: Seating) -> Result<Self, Refused> {
        let (node, node_events) = phones.media.clone().ok_or(Refused::NoNode)?;
        let (presence, joined, notices) = rooms.join(join(&seating)).await?;
        let placement = node.place(presence.room()).ok_or(NodeFull)?;
        let (owner, events) = mpsc::channel(EVENTS);
        let leg = Leg::attach(placement.leg, node, node_events, owner);
        let mut rng = Rng::from_seed(negotiation::seed());
        let relay = Relay {
            address: placement.inside,
            profile: PROFILE,
            to_room: draw_key()?,
            from_room: draw_key()?,
            ssrc: draw_ssrc(&mut rng),
            opus: OPUS,
            audio_level: AUDIO_LEVEL,
        };
        let mut request = TrackRequest::new("phone", MediaKind::Audio);
        request.source = Source::Microphone;
        let track = presence.add_track(request).await?.id;
        let mut seat = Self {
            phone: seating.phone,
            phones,
            presence,
            notices,
            events,
            leg,
            rng,
            track,
            hears: BTreeMap::new(),
            next_mid: 0,
        };
        seat.connect(&relay, &seating).await?;
        seat.phones.network.send(phone::Command::Connect { phone: seat.phone, relay });
        seat.listen(joined)?;
        Ok(seat)
    }

    /// Open the leg and show the phone's track.
    async fn connect(&mut self, relay: &Relay, seating: &Seating) -> Result<(), Refused> {
        let (leg, track) = (self.leg.id, self.track);
        let keyed = Keyed {
            remote: seating.bridge,
            profile: PROFILE,
            receive: relay.to_room.clone(),
            send: relay.from_room.clone(),
        };
        let layers = vec![Layer { ssrc: Some(relay.ssrc), ..Layer::default() }];
        self.leg.send(vec![
            Command::OpenLeg(OpenLeg {
                leg,
                room: self.presence.room(),
                connection: Connection::Keyed(keyed),
            }),
            Command::SetNegotiated { leg, negotiated: negotiated() },
            Command::AddIngress {
                leg,
                ingress: Ingress { track, kind: MediaKind::Audio, mid: None, layers },
            },
        ])?;
        let layers = vec![(None, Some(relay.ssrc))];
        let published = Published { track, leg, mid: None, layers, mime: MIME.into() };
        Ok(self.presence.publish(published).await?)
    }

    fn listen(&mut self, joined: Joined) -> Result<(), NodeFull> {
        for subscribed in &joined.subscribed {
            self.subscribe(subscribed)?;
        }
        self.tell_what_is_heard();
        Ok(())
    }

    async fn run(mut self) {
        let why = loop {
            let step = tokio::select! {
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.handle_notice(notice),
                    None => Err(Left::Misbehaved),
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => Err(Left::Misbehaved),
                },
            };
            if let Err(why) = step {
                break why;
            }
        };
        tracing::info!(phone = %self.phone, leg = %self.leg.id, ?why, "phone lost its seat");
        self.presence.leave(why).await;
    }

    fn handle_event(&mut self, event: Event) -> Step {
        match event {
            Event::LegUp { .. } => {
                self.presence.post(Act::LegUp);
            }
            Event::LegDown { end, .. } => {
                self.leg.opened = false;
                return Err(Left::Media(end));
            }
            Event::Quality { quality, .. } => {
                self.presence.post(Act::Quality(quality));
            }
            Event::TrackLive { .. }
            | Event::Data { .. }
            | Event::Paused { .. }
            | Event::Speakers { .. } => {}
        }
        Ok(())
    }

    fn handle_notice(&mut self, notice: Notice) -> Step {
        let leg = self.leg.id;
        match notice {
            Notice::Subscribed(subscribed) => {
                self.subscribe(&subscribed).map_err(|NodeFull| Left::JoinFailed)?;
                self.tell_what_is_heard();
                Ok(())
            }
            Notice::Unsubscribed { track } if self.hears.remove(&track).is_some() => {
                self.tell_what_is_heard();
                self.send(Command::RemoveEgress { leg, track })
            }
            Notice::Want { track, want } if self.hears.contains_key(&track) => {
                self.send(Command::SetWant { leg, track, want })
            }
            Notice::Muted { track, muted, .. } => {
                self.send(Command::SetMuted { leg, track, muted })
            }
            // Without its sound a phone has no business in the room.
            Notice::Unpublished { track } if track == self.track => Err(Left::Removed),
            Notice::Closed(why) => Err(why),
            _ => Ok(()),
        }
    }

    /// Send a sound to the phone. A picture is given back, so that nobody sends it for nothing.
    fn subscribe(&mut self, subscribed: &Subscribed) -> Result<(), NodeFull> {
        let track = subscribed.track;
        if subscribed.kind != MediaKind::Audio {
            let change = SubscriptionChange { tracks: vec![track], subscribe: false };
            self.presence.post(Act::Subscribe(change));
            return Ok(());
        }
        let Some(heard) = self.hears.get(&track).copied().or_else(|| self.fresh()) else {
            return Ok(());
        };
        self.hears.insert(track, heard);
        let egress = Egress {
            track,
            source: subscribed.source,
            kind: MediaKind::Audio,
            mid: heard.mid,
            ssrc: heard.ssrc,
            rtx: None,
        };
        let want = Want { paused: subscribed.want.paused, ..Want::BEST };
        self.leg.send(vec![Command::AddEgress { leg: self.leg.id, egress, want }])
    }

    /// Numbers that no stream of this leg ever had: under one key none is used twice (RFC 3711
    /// §9.1).
    fn fresh(&mut self) -> Option<Heard> {
        let mid = Mid::new(self.next_mid.to_string().as_bytes())?;
        self.next_mid += 1;
        Some(Heard { mid, ssrc: draw_ssrc(&mut self.rng) })
    }

    fn tell_what_is_heard(&self) {
        let streams = self.hears.values().map(|heard| heard.ssrc).collect();
        self.phones.network.send(phone::Command::Hear { phone: self.phone, streams });
    }

    fn send(&mut self, command: Command) -> Step {
        self.leg.send(vec![command]).map_err(|NodeFull| Left::JoinFailed)
    }
}

/// How the phone enters the room and how the others see it.
fn join(seating: &Seating) -> Join {
    let (room, in_call) = match &seating.venue {
        Venue::Call(call) => (room_name(*call), true),
        Venue::Room(room) => (room.clone(), false),
    };
    let Party { number, name } = &seating.party;
    let number = number.as_ref().map(|number| number.as_str());
    let shown = match number {
        _ if !name.is_empty() => name.to_string(),
        Some(number) if in_call => number.to_owned(),
        // A room is full of people who need not know how to call each other.
        Some(number) => {
            format!("Phone …{}", number.get(number.len().saturating_sub(3)..).unwrap_or(""))
        }
        None => "Phone".to_owned(),
    };
    let mut attributes = BTreeMap::from([
        ("offhook.leg".to_owned(), "phone".to_owned()),
        // What is encrypted end to end cannot be heard on a phone.
        ("offhook.encryption".to_owned(), "none".to_owned()),
    ]);
    if let Some(number) = number.filter(|_| in_call) {
        attributes.insert("sip.phoneNumber".to_owned(), number.to_owned());
    }
    Join {
        room,
        identity: identity(seating.phone),
        name: shown.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect(),
        metadata: String::new(),
        attributes,
        permission: Permission {
            publish_data: false,
            sources: vec![Source::Microphone],
            ..Permission::default()
        },
        door: Door::Phone,
        receive: Receive::All,
        client: ClientFacts { kind: Kind::Sip.into(), ..ClientFacts::default() },
    }
}

/// Characters of a name that the phone network made up.
const MAX_NAME: usize = 64;

/// Who a phone is in a room.
pub(crate) fn identity(phone: PhoneId) -> String {
    format!("phone-{phone}")
}

fn negotiated() -> Negotiated {
    let mut extensions = Extensions::default();
    extensions.set(Extension::AudioLevel, AUDIO_LEVEL);
    let opus = CodecParams {
        payload_type: OPUS,
        codec: Codec::Opus,
        rtx: None,
        nack: false,
        pli: false,
        transport_cc: false,
        remb: false,
    };
    Negotiated { codecs: vec![opus], extensions }
}

fn draw_key() -> Result<MasterKey, Refused> {
    let (mut key, mut salt) = (vec![0; 16], vec![0; 12]);
    let random = SystemRandom::new();
    let drawn = random.fill(&mut key).and_then(|()| random.fill(&mut salt));
    drawn.map_err(|_| Refused::NoRandomness)?;
    Ok(MasterKey { key, salt })
}

/// Zero is kept free: some read it as none.
fn draw_ssrc(rng: &mut Rng) -> Ssrc {
    Ssrc((rng.next_u64() >> 32) as u32 | 1)
}
