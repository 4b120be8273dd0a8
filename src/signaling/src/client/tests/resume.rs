//! Nothing is lost and nothing is done twice, wherever the connection breaks.

use super::*;

/// Ada, who calls Bob, and another device of Bob's, which shows when his devices have been told.
struct Pair {
    ada: Device,
    witness: Device,
    calls: u64,
}

impl Pair {
    async fn new(server: &Server) -> Self {
        Self { ada: server.device(ADA).await, witness: server.device(BOB).await, calls: 0 }
    }

    /// Each device of Bob's hears of two things.
    async fn call_and_take_back(&mut self) {
        self.calls += 1;
        let call = self.ada.place(BOB).await;
        self.witness.event(2 * self.calls - 1, "incoming").await;
        self.ada.call(json!({"cancel": {"callId": call}})).await;
        let ended = self.ada.event(self.calls, "ended").await;
        assert_eq!(ended["cause"], "CALL_CAUSE_CANCELLED");
        self.witness.event(2 * self.calls, "ended").await;
        self.ada.ask(json!({"ack": {"seq": self.calls.to_string()}})).await;
        self.witness.ask(json!({"ack": {"seq": (2 * self.calls).to_string()}})).await;
    }
}

/// Ada calls and takes back, three times: Bob hears of six things. His connection breaks after each
/// number of them, having acknowledged none, some or all.
#[tokio::test]
async fn every_event_arrives_once_wherever_the_connection_breaks() {
    let server = Server::start().await;
    let mut pair = Pair::new(&server).await;
    let mut bob = server.device(BOB).await;
    let mut seen = 0;
    for break_after in 0..=6_u64 {
        for acknowledged in [0, break_after / 2, break_after] {
            for _ in 0..3 {
                pair.call_and_take_back().await;
            }
            let kinds = ["incoming", "ended"].iter().cycle().take(6);
            let mut heard = Vec::new();
            for (at, kind) in kinds.enumerate() {
                if at as u64 == break_after {
                    if acknowledged > 0 {
                        let seq = seen - break_after + acknowledged;
                        bob.ask(json!({"ack": {"seq": seq.to_string()}})).await;
                    }
                    bob = bob.resume(&server, seen).await;
                }
                seen += 1;
                heard.push(bob.event(seen, kind).await["callId"].clone());
            }
            assert!(heard.chunks(2).all(|pair| pair[0] == pair[1]), "{heard:?}");
        }
    }
    // Nothing comes after: the next message is the answer.
    assert!(bob.call(json!({"history": {"limit": 1}})).await.get("history").is_some());
}

#[tokio::test]
async fn a_request_repeated_after_a_break_is_done_once() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    // Ada never learns whether her place arrived.
    let place = json!({"place": {"number": BOB}});
    let id = ada.ask(place.clone()).await;
    let call = bob.event(1, "incoming").await["callId"].clone();
    ada = ada.resume(&server, 0).await;
    ada.repeat(id, place.clone()).await;
    let reply = ada.socket.next().await;
    assert_eq!((&reply["replyTo"], &reply["placed"]["callId"]), (&json!(id), &call));

    // Neither does Bob know of his acknowledgement.
    let ring_ack = json!({"ringAck": {"callId": call}});
    let id = bob.ask(ring_ack.clone()).await;
    ada.event(1, "ringing").await;
    bob = bob.resume(&server, 1).await;
    bob.repeat(id, ring_ack).await;
    assert!(bob.socket.next().await.get("done").is_some());

    // Asked anew it would be refused: Ada is in a call.
    let refused = ada.call(place).await;
    assert_eq!(refused["error"]["code"], "ERROR_CODE_IN_CALL");
    ada.call(json!({"cancel": {"callId": call}})).await;
    ada.event(2, "ended").await;
    bob.event(2, "ended").await;
}

#[tokio::test]
async fn a_request_begun_is_finished_without_its_connection() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    ada.ask(json!({"place": {"number": BOB}})).await;
    drop(ada.socket);
    bob.event(1, "incoming").await;
}

#[tokio::test]
async fn a_new_session_starts_with_the_calls_that_stand() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    assert!(bob.connected["connected"].get("calls").is_none());
    let call = ada.place(BOB).await;
    bob.event(1, "incoming").await;
    let Device { token, session, mut socket, .. } = bob;
    let bob = server.device_of(token).await;
    assert_ne!(bob.session, session);
    let calls = &bob.connected["connected"]["calls"];
    assert_eq!(calls[0]["callId"], call);
    assert_eq!(calls[0]["direction"], "CALL_DIRECTION_INCOMING");
    assert_eq!(calls[0]["peer"]["number"], ADA);
    assert_eq!(socket.close_code().await, 4001, "one live session for each device");
    check_gone(&server, &bob.token, &session, 0).await;
}

#[tokio::test]
async fn a_second_connection_takes_the_session_over() {
    let server = Server::start().await;
    let (mut ada, bob) = (server.device(ADA).await, server.device(BOB).await);
    let mut socket = server.open().await;
    let again = connect(&bob.token, &bob.session, 0);
    socket.send(json!({"requestId": 2, "connect": again})).await;
    assert_eq!(socket.next().await["connected"]["resumed"], true);
    let mut before = bob.socket;
    assert_eq!(before.close_code().await, 4001);
    ada.place(BOB).await;
    assert_eq!(socket.next().await["seq"], "1");
}

/// Ask to resume and be refused; the same connection then opens a new session.
async fn check_gone(server: &Server, token: &str, session: &str, last_seq: u64) {
    let mut socket = server.open().await;
    socket.send(json!({"requestId": 7, "connect": connect(token, session, last_seq)})).await;
    let refused = socket.next().await;
    assert_eq!(refused["replyTo"], 7);
    assert_eq!(refused["error"]["code"], "ERROR_CODE_SESSION_GONE", "{refused}");
    socket.send(json!({"requestId": 1, "connect": {"accessToken": token}})).await;
    let connected = socket.next().await["connected"].clone();
    assert!(connected.get("resumed").is_none());
    assert_ne!(connected["sessionId"], session);
}

#[tokio::test]
async fn sessions_of_others_and_events_not_kept_cannot_be_resumed() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    check_gone(&server, &server.sign_in(ADA).await, &bob.session, 0).await;
    check_gone(&server, &server.sign_in(BOB).await, &bob.session, 0).await;
    check_gone(&server, &server.sign_in(BOB).await, "SE_00000000000", 0).await;
    check_gone(&server, &server.sign_in(BOB).await, "nonsense", 0).await;
    ada.place(BOB).await;
    bob.event(1, "incoming").await;
    bob.ask(json!({"ack": {"seq": "1"}})).await;
    bob.call(json!({"history": {}})).await;
    drop(bob.socket);
    check_gone(&server, &bob.token, &bob.session, 0).await;
}

#[tokio::test]
async fn an_event_never_sent_cannot_have_been_seen() {
    let server = Server::start().await;
    let bob = server.device(BOB).await;
    check_gone(&server, &bob.token, &bob.session, 1).await;
}

#[tokio::test]
async fn a_session_is_given_up_after_its_window() {
    let server = Server::start_with(|config| config.resume_window = Duration::ZERO).await;
    let bob = server.device(BOB).await;
    assert_eq!(server.sessions.live(), 1);
    drop(bob.socket);
    let given_up = async {
        while server.sessions.live() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, given_up).await.unwrap();
    check_gone(&server, &bob.token, &bob.session, 0).await;
}

#[tokio::test]
async fn unacknowledged_events_are_not_kept_for_ever() {
    let server = Server::start_with(|config| config.unacknowledged = 3).await;
    let mut pair = Pair::new(&server).await;
    let mut bob = server.device(BOB).await;
    pair.call_and_take_back().await;
    pair.call_and_take_back().await;
    assert_eq!(bob.socket.close_code().await, 4006);
    check_gone(&server, &bob.token, &bob.session, 3).await;
}
