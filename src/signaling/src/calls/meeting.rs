//! Makes and ends the rooms of calls, and brings evidence of who is in them.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_call::Input;
use offhook_call::room::{Admin, CreateRoom, Left, Refusal, Reply, RoomEvent};
use offhook_types::{CallId, UserId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

use super::shard::Mail;
use super::{call_of_room, room_name};
use crate::rooms::Rooms;

/// Who is in which call's room.
pub(super) type Present = BTreeMap<CallId, Vec<UserId>>;

/// The task's end of the queue, which holds at most two orders per call.
pub(super) struct Meeting {
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    Open(CallId),
    Close(CallId),
}

impl Meeting {
    pub fn start(
        rooms: &Rooms,
        mailbox: mpsc::WeakSender<Mail>,
        limits: &offhook_call::Config,
    ) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        // The call decides when a side that left is gone for good; the room only has to outlive it.
        let empty = limits.reconnect_grace.max(limits.join_timeout) + Duration::from_secs(60);
        let empty = u32::try_from(empty.as_secs()).unwrap_or(u32::MAX);
        tokio::spawn(watch(rooms.clone(), rooms.watch(), mailbox.clone()));
        tokio::spawn(carry_out(rooms.clone(), mailbox, taken, empty));
        Self { orders }
    }

    pub fn open(&self, call: CallId) {
        let _ = self.orders.send(Order::Open(call));
    }

    pub fn close(&self, call: CallId) {
        let _ = self.orders.send(Order::Close(call));
    }
}

/// One order at a time, so that a room is never ended before it is made.
async fn carry_out(
    rooms: Rooms,
    mailbox: mpsc::WeakSender<Mail>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    empty_s: u32,
) {
    while let Some(order) = orders.recv().await {
        let input = match order {
            Order::Open(call) => {
                let room = CreateRoom {
                    name: room_name(call),
                    empty_timeout_s: empty_s,
                    departure_timeout_s: empty_s,
                    ..CreateRoom::default()
                };
                match rooms.create(room).await {
                    Ok(_) => Input::RoomReady { call },
                    Err(error) => {
                        tracing::error!(%call, %error, "no room for an accepted call");
                        Input::RoomGone { call }
                    }
                }
            }
            Order::Close(call) => {
                let _ = rooms.delete(&room_name(call), Left::RoomDeleted).await;
                continue;
            }
        };
        let Some(mailbox) = mailbox.upgrade() else { return };
        if mailbox.send(Mail::Post { input }).await.is_err() {
            return;
        }
    }
}

async fn watch(
    rooms: Rooms,
    mut events: broadcast::Receiver<RoomEvent>,
    mailbox: mpsc::WeakSender<Mail>,
) {
    loop {
        let mail = match events.recv().await {
            Ok(event) => match evidence(&event) {
                Some(input) => Mail::Post { input },
                None => continue,
            },
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "room events missed, asking who is where");
                match present(&rooms).await {
                    Ok(present) => Mail::Present(present),
                    Err(_) => continue,
                }
            }
            Err(RecvError::Closed) => return,
        };
        let Some(mailbox) = mailbox.upgrade() else { return };
        if mailbox.send(mail).await.is_err() {
            return;
        }
    }
}

/// What an event in a room says about a call; nothing for rooms that are no call's and for
/// participants that are no users.
fn evidence(event: &RoomEvent) -> Option<Input> {
    let side =
        |room: &str, identity: &str| Some((call_of_room(room)?, identity.parse::<UserId>().ok()?));
    match event {
        RoomEvent::Joined { room, identity } => {
            side(room, identity).map(|(call, user)| Input::MediaJoined { call, user })
        }
        RoomEvent::Left { room, identity, .. } => {
            side(room, identity).map(|(call, user)| Input::MediaLeft { call, user })
        }
        RoomEvent::Closed { room } => call_of_room(room).map(|call| Input::RoomGone { call }),
        RoomEvent::Opened { .. } | RoomEvent::Active { .. } => None,
    }
}

pub(super) async fn present(rooms: &Rooms) -> Result<Present, Refusal> {
    let mut present = Present::new();
    for room in rooms.list(Vec::new()).await? {
        let Some(call) = call_of_room(&room.name) else { continue };
        let asked = rooms.admin(Admin::Participants { room: room.name }).await;
        let Ok(Reply::Participants(participants)) = asked else { continue };
        let users = participants.iter().filter_map(|someone| someone.identity.parse().ok());
        present.insert(call, users.collect());
    }
    Ok(present)
}
