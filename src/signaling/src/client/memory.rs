//! What a session remembers so that a broken connection loses nothing and does nothing twice:
//! events until they are acknowledged, replies until many others were given.

use std::collections::VecDeque;

use offhook_proto::client::ServerMessage;
use offhook_proto::client::server_message::Message;

/// Replies kept. A client that repeats requests after a reconnect has far fewer under way.
const REPLIES: usize = 256;

/// Numbered events and remembered replies of one session.
#[derive(Debug)]
pub(super) struct Memory {
    /// Not yet acknowledged, oldest first, numbered without gaps up to `last_seq`.
    events: VecDeque<ServerMessage>,
    last_seq: u64,
    most_events: usize,
    replies: VecDeque<(u32, Message)>,
    /// The highest request whose reply was forgotten.
    forgotten: u32,
}

/// More events than a client may leave unacknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// What is known of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Recall {
    /// Nothing: it is to be done.
    New,
    /// It was done, with this reply.
    Done(Message),
    /// It may have been done so long ago that nobody knows.
    Forgotten,
}

impl Memory {
    pub(super) fn new(most_events: usize) -> Self {
        Self {
            events: VecDeque::new(),
            last_seq: 0,
            most_events,
            replies: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Number an event and keep it.
    pub(super) fn keep_event(&mut self, event: Message) -> Result<ServerMessage, Full> {
        if self.events.len() >= self.most_events {
            return Err(Full);
        }
        self.last_seq += 1;
        let message = ServerMessage { seq: self.last_seq, reply_to: 0, message: Some(event) };
        self.events.push_back(message.clone());
        Ok(message)
    }

    /// The client handled everything up to `seq`; false when it cannot have.
    pub(super) fn acknowledge(&mut self, seq: u64) -> bool {
        if seq > self.last_seq {
            return false;
        }
        while self.events.front().is_some_and(|event| event.seq <= seq) {
            self.events.pop_front();
        }
        true
    }

    /// The client comes back having handled everything up to `seq`: whether all that follows is
    /// still here, which it is not when it acknowledged more before. Then [`events`](Self::events)
    /// are those that follow.
    pub(super) fn resume(&mut self, seq: u64) -> bool {
        let oldest = self.last_seq - self.events.len() as u64;
        seq >= oldest && self.acknowledge(seq)
    }

    /// Everything not acknowledged, oldest first.
    pub(super) fn events(&self) -> impl Iterator<Item = &ServerMessage> {
        self.events.iter()
    }

    /// Look a request up.
    pub(super) fn recall(&self, request: u32) -> Recall {
        match self.replies.iter().find(|(known, _)| *known == request) {
            Some((_, reply)) => Recall::Done(reply.clone()),
            None if request <= self.forgotten => Recall::Forgotten,
            None => Recall::New,
        }
    }

    /// Remember how a request was answered.
    pub(super) fn keep_reply(&mut self, request: u32, reply: Message) {
        if self.replies.len() >= REPLIES
            && let Some((forgotten, _)) = self.replies.pop_front()
        {
            self.forgotten = self.forgotten.max(forgotten);
        }
        self.replies.push_back((request, reply));
    }
}

#[cfg(test)]
mod tests {
    use offhook_proto::client::{CallRinging, Empty};
    use proptest::prelude::*;

    use super::*;

    fn event(call: u64) -> Message {
        Message::Ringing(CallRinging { call_id: call.to_string() })
    }

    fn seqs(memory: &Memory) -> Vec<u64> {
        memory.events().map(|event| event.seq).collect()
    }

    #[test]
    fn events_are_kept_until_acknowledged() {
        let mut memory = Memory::new(3);
        for call in 1..=3 {
            assert_eq!(memory.keep_event(event(call)).map(|m| m.seq), Ok(call));
        }
        assert_eq!(memory.keep_event(event(4)), Err(Full));
        assert!(memory.acknowledge(2));
        assert!(memory.acknowledge(1), "an old acknowledgement changes nothing");
        assert!(!memory.acknowledge(4), "nobody has seen what was not sent");
        assert_eq!(seqs(&memory), [3]);
        assert_eq!(memory.keep_event(event(4)).map(|m| m.seq), Ok(4));
    }

    #[test]
    fn a_resume_replays_what_follows() {
        let mut memory = Memory::new(10);
        assert!(memory.resume(0));
        (1..=4).for_each(|call| assert!(memory.keep_event(event(call)).is_ok()));
        assert!(memory.resume(1));
        assert_eq!(seqs(&memory), [2, 3, 4]);
        assert!(memory.resume(4));
        assert!(seqs(&memory).is_empty());
        assert!(!memory.resume(3), "forgotten");
        assert!(!memory.resume(5), "never sent");
    }

    #[test]
    fn a_repeated_request_is_answered_from_memory() {
        let mut memory = Memory::new(10);
        assert_eq!(memory.recall(2), Recall::New);
        memory.keep_reply(2, Message::Done(Empty {}));
        assert_eq!(memory.recall(2), Recall::Done(Message::Done(Empty {})));
        (3..3 + REPLIES as u32).for_each(|id| memory.keep_reply(id, Message::Done(Empty {})));
        assert_eq!(memory.recall(2), Recall::Forgotten);
        assert_eq!(memory.recall(1), Recall::Forgotten);
        assert_eq!(memory.recall(1000), Recall::New);
    }

    proptest! {
        /// A client that loses its connection at any point, having or not having acknowledged, sees
        /// every event once.
        #[test]
        fn no_event_is_lost_or_doubled(steps in prop::collection::vec(0..4u8, 0..200)) {
            let mut memory = Memory::new(1000);
            let (mut seen, mut wire) = (Vec::new(), VecDeque::new());
            let mut sent = 0;
            for step in steps {
                let last = seen.last().copied().unwrap_or(0);
                match step {
                    // The server has news; it is on the wire.
                    0 | 1 => {
                        sent += 1;
                        wire.push_back(memory.keep_event(event(sent)).unwrap().seq);
                    }
                    // The client reads, and sometimes acknowledges.
                    2 => {
                        seen.extend(wire.pop_front());
                        if seen.len() % 3 == 0 {
                            prop_assert!(memory.acknowledge(seen.last().copied().unwrap_or(0)));
                        }
                    }
                    // The connection breaks with everything that is on the wire.
                    _ => {
                        prop_assert!(memory.resume(last));
                        wire = memory.events().map(|event| event.seq).collect();
                    }
                }
            }
            seen.extend(wire);
            prop_assert_eq!(seen, (1..=sent).collect::<Vec<_>>());
        }
    }
}
