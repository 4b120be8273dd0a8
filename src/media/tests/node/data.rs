use std::sync::Arc;

use offhook_media::Drop;
use offhook_types::media::{Command, DataKind, Event};

use crate::world::{World, config};

#[test]
fn messages_pass_both_ways_on_both_channels() {
    let mut world = World::new(config());
    let index = world.join(0);
    let leg = world.legs[index];
    world.until("channels open", |world| world.clients[index].open_channels.len() == 2);
    for kind in [DataKind::Reliable, DataKind::Lossy] {
        world.clients[index].send_message(kind, b"from the peer");
        world.until("heard", |world| {
            let expected = Event::Data { leg, kind, payload: b"from the peer".to_vec() };
            world.seen.contains(&expected)
        });
        let payload: Arc<[u8]> = Arc::from(vec![3; 5000]);
        world.node.send(Command::SendData { leg, kind, payload }).unwrap();
        world.until("received", |world| {
            world.clients[index].messages.contains(&(kind, vec![3; 5000]))
        });
    }
}

#[test]
fn a_message_for_a_channel_that_is_not_open_is_counted() {
    let mut world = World::new(config());
    let placement = world.place_on(0);
    let index = world.open(placement, "127.0.0.1");
    let leg = world.legs[index];
    let payload: Arc<[u8]> = Arc::from(vec![1]);
    world.node.send(Command::SendData { leg, kind: DataKind::Reliable, payload }).unwrap();
    world.until("counted", |world| world.dropped(Drop::DataNotOpen) == 1);
}
