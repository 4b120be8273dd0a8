//! Calls from end to end, and peers that misbehave.

use offhook_proto::client::{ClientMessage, Connect, Ping, ServerMessage, client_message};
use offhook_types::counters::Counters;
use prost::Message;
use tokio::net::TcpSocket;
use tungstenite::client::IntoClientRequest;

use super::*;

#[tokio::test]
async fn a_call_from_place_to_history() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (server.device(ADA).await, server.device(BOB).await);
    // As dialled at home.
    let placed =
        ada.call(json!({"place": {"number": "202 555 0102", "media": "CALL_MEDIA_VIDEO"}}));
    let placed = placed.await["placed"].clone();
    assert_eq!(placed["number"], BOB);
    let call = placed["callId"].clone();
    let incoming = bob.event(1, "incoming").await;
    assert_eq!((&incoming["callId"], &incoming["media"]), (&call, &json!("CALL_MEDIA_VIDEO")));
    assert_eq!(incoming["from"], json!({"number": ADA, "displayName": "somebody"}));
    assert!(bob.call(json!({"ringAck": {"callId": call}})).await.get("done").is_some());
    ada.event(1, "ringing").await;
    assert!(bob.call(json!({"accept": {"callId": call}})).await.get("done").is_some());
    for (device, seq) in [(&mut ada, 2), (&mut bob, 2)] {
        let accepted = device.event(seq, "accepted").await;
        assert!(!accepted["grant"]["token"].as_str().unwrap().is_empty());
    }
    assert!(ada.call(json!({"hangUp": {"callId": call}})).await.get("done").is_some());
    for (device, seq) in [(&mut ada, 3), (&mut bob, 3)] {
        let ended = device.event(seq, "ended").await;
        assert_eq!(ended["cause"], "CALL_CAUSE_HUNG_UP");
    }
    for (device, peer, direction) in
        [(&mut ada, BOB, "CALL_DIRECTION_OUTGOING"), (&mut bob, ADA, "CALL_DIRECTION_INCOMING")]
    {
        let history = history(device).await;
        assert_eq!(history["calls"][0]["callId"], call);
        assert_eq!(history["calls"][0]["peer"]["number"], peer);
        assert_eq!(history["calls"][0]["direction"], direction);
    }
}

/// The record is written beside the conversation, so the history may take a moment.
async fn history(device: &mut Device) -> Value {
    let written = async {
        loop {
            let history = device.call(json!({"history": {}})).await["history"].clone();
            if history.get("calls").is_some() {
                return history;
            }
        }
    };
    timeout(DEADLINE, written).await.unwrap()
}

#[tokio::test]
async fn binary_frames_are_answered_with_binary_frames() {
    let server = Server::start().await;
    let access_token = server.sign_in(ADA).await;
    let mut socket = server.open().await;
    let send = |request_id, message| {
        let message = ClientMessage { request_id, message: Some(message) };
        Frame::binary(message.encode_to_vec())
    };
    let connect = Connect { access_token, ..Connect::default() };
    socket.send_frame(send(1, client_message::Message::Connect(connect))).await;
    socket.send_frame(send(2, client_message::Message::Ping(Ping {}))).await;
    for reply_to in [1, 2] {
        let reply = ServerMessage::decode(socket.frame().await.into_data()).unwrap();
        assert_eq!((reply.seq, reply.reply_to), (0, reply_to));
    }
}

#[tokio::test]
async fn http_callers_place_calls_too() {
    let server = Server::start().await;
    let mut bob = server.device(BOB).await;
    let token = server.sign_in(ADA).await;
    let (status, placed) = server.post("calls/place", &token, json!({"number": BOB})).await;
    assert_eq!((status, &placed["number"]), (200, &json!(BOB)));
    assert_eq!(bob.event(1, "incoming").await["callId"], placed["callId"]);
    let cancel = json!({"callId": placed["callId"]});
    let other = server.sign_in("+12025550103").await;
    assert_eq!(server.post("calls/cancel", &other, cancel.clone()).await.0, 404, "not theirs");
    assert_eq!(server.post("calls/cancel", &token, cancel).await, (200, json!({})));
    bob.event(2, "ended").await;
    assert_eq!(server.post("calls/place", "at_x", json!({"number": BOB})).await.0, 401);
}

/// Send one frame first, and be closed with a code.
async fn check_first(server: &Server, first: Frame, error: Option<&str>, code: u16) {
    let mut socket = server.open().await;
    socket.send_frame(first).await;
    if let Some(error) = error {
        assert_eq!(socket.next().await["error"]["code"], error);
    }
    assert_eq!(socket.close_code().await, code);
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let server = Server::start().await;
    let text = |message: Value| Frame::text(message.to_string());
    check_first(&server, Frame::text("{"), None, 4000).await;
    check_first(&server, Frame::binary(vec![0xff; 100]), None, 4000).await;
    let early = text(json!({"requestId": 1, "place": {"number": BOB}}));
    check_first(&server, early, Some("ERROR_CODE_BAD_REQUEST"), 4000).await;
    for token in ["", "x", "at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let wrong = text(json!({"requestId": 1, "connect": {"accessToken": token}}));
        check_first(&server, wrong, Some("ERROR_CODE_UNAUTHENTICATED"), 4002).await;
    }
    check_first(&server, Frame::text("x".repeat(65 * 1024)), None, 1009).await;
    assert_eq!(server.sessions.live(), 0);
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let server = Server::start_with(|config| config.connect_timeout = Duration::ZERO).await;
    assert_eq!(server.open().await.close_code().await, 4005);
    let server = Server::start_with(|config| config.idle_timeout = Duration::ZERO).await;
    assert_eq!(server.device(ADA).await.socket.close_code().await, 4005);
}

#[tokio::test]
async fn garbage_ends_the_connection_and_not_the_session() {
    let server = Server::start().await;
    let mut ada = server.device(ADA).await;
    ada.socket.send_frame(Frame::text("[]")).await;
    let error = ada.socket.next().await["error"].clone();
    assert_eq!(error["code"], "ERROR_CODE_BAD_REQUEST");
    assert_eq!(ada.socket.close_code().await, 4000);
    let mut ada = ada.resume(&server, 0).await;
    ada.socket.send_frame(Frame::binary(vec![0x0a; 65 * 1024])).await;
    assert_eq!(ada.socket.close_code().await, 1009);
    ada.resume(&server, 0).await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_answered() {
    let server = Server::start().await;
    let mut ada = server.device(ADA).await;
    let mut check = async |request: Value, code: &str| {
        let reply = ada.call(request).await;
        assert_eq!(reply["error"]["code"], code, "{reply}");
    };
    check(json!({"hologram": {}}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({"connect": {"accessToken": "x"}}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({"ack": {"seq": "1"}}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({"place": {"number": "12"}}), "ERROR_CODE_BAD_NUMBER").await;
    check(json!({"place": {"number": ADA}}), "ERROR_CODE_BAD_NUMBER").await;
    check(json!({"place": {"number": BOB, "media": 9}}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({"place": {"number": 9}}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({"place": 9}), "ERROR_CODE_BAD_REQUEST").await;
    check(json!({"accept": {"callId": "CA_00000000001"}}), "ERROR_CODE_NO_SUCH_CALL").await;
    check(json!({"hangUp": {"callId": "nonsense"}}), "ERROR_CODE_NO_SUCH_CALL").await;
    ada.repeat(0, json!({"history": {}})).await;
    assert_eq!(ada.socket.next().await["error"]["code"], "ERROR_CODE_BAD_REQUEST");
    assert!(ada.call(json!({"ping": {}})).await.get("pong").is_some());
}

#[tokio::test]
async fn floods_are_cut_off() {
    let few = Rate::per_hour(10);
    let server = Server::start_with(|config| config.messages = few).await;
    let mut ada = server.device(ADA).await;
    for _ in 0..20 {
        ada.ask(json!({"ping": {}})).await;
    }
    assert_eq!(ada.socket.close_code().await, 4007);
}

/// A peer that asks and asks and never reads is cut off, and its session can go on.
#[tokio::test]
async fn a_slow_reader_is_cut_off() {
    let server = Server::start().await;
    fill_history(&server).await;
    let token = server.sign_in(ADA).await;
    // A small window, so that the kernel does not read for it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let url = format!("ws://{}/v1/connect", server.address);
    let stream = MaybeTlsStream::Plain(stream);
    let (stream, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let mut socket = Socket(stream);
    socket.send(json!({"requestId": 1, "connect": {"accessToken": token}})).await;
    let connected = socket.next().await["connected"].clone();
    let slow = |server: &Server| count(server.sessions.closed(), Closed::SlowReader);
    let asking = async {
        let mut id = 1;
        while slow(&server) == 0 {
            id += 1;
            let ask = json!({"requestId": id, "history": {"limit": 100}}).to_string();
            if socket.0.send(Frame::text(ask)).await.is_err() {
                break;
            }
        }
    };
    timeout(DEADLINE, asking).await.unwrap();
    let cut = async {
        while slow(&server) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, cut).await.unwrap();
    let session = connected["sessionId"].as_str().unwrap();
    let mut again = server.open().await;
    again.send(json!({"requestId": 9_999, "connect": connect(&token, session, 0)})).await;
    assert_eq!(again.next().await["connected"]["resumed"], true);
}

fn count(closed: Counters<Closed>, why: Closed) -> u64 {
    closed.get(why)
}

/// A hundred calls of Ada's, about 25 kB of history.
async fn fill_history(server: &Server) {
    use offhook_call::{Caller, Cause, Ending, Media, Record, Via};
    use offhook_store::{Calls, Users};
    use offhook_types::{CallId, WallTime};
    server.sign_in(ADA).await;
    let number: offhook_types::Number = ADA.parse().unwrap();
    let ada = server.disk.store.user_by_number(&number).await.unwrap().unwrap();
    for call in 1..=100 {
        let (placed_at, call) = (WallTime(call), CallId(call));
        let record = Record {
            call,
            caller: Caller::User(ada.id),
            callee: None,
            number: BOB.parse().unwrap(),
            via: Via::App,
            media: Media::Audio,
            placed_at,
            accepted_at: None,
            ending: None,
        };
        server.disk.store.open_call(&record).await.unwrap();
        let ending = Ending { cause: Cause::Unavailable, at: placed_at };
        server.disk.store.close_call(call, None, ending).await.unwrap();
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let server = Server::start().await;
    let (mut one, mut two) = (server.device(ADA).await, server.device(ADA).await);
    let (_, devices) = server.post("devices/list", &one.token, json!({})).await;
    let other = devices["devices"].as_array().unwrap().iter().find(|d| d["current"] != true);
    let revoke = json!({"deviceId": other.unwrap()["id"]});
    assert_eq!(server.post("devices/revoke", &one.token, revoke).await.0, 200);
    assert_eq!(two.socket.close_code().await, 4003);
    assert_eq!(server.post("auth/sign-out", &one.token, json!({})).await.0, 200);
    assert_eq!(one.socket.close_code().await, 4003);
    assert_eq!(server.sessions.live(), 0);
    let again = json!({"requestId": 1, "connect": connect(&one.token, &one.session, 0)});
    let refused = Some("ERROR_CODE_UNAUTHENTICATED");
    check_first(&server, Frame::text(again.to_string()), refused, 4002).await;
}

#[tokio::test]
async fn going_down_says_goodbye() {
    let server = Server::start().await;
    let mut ada = server.device(ADA).await;
    server.sessions.stop().await;
    assert_eq!(ada.socket.close_code().await, 1001);
    let text = json!({"requestId": 1, "connect": {"accessToken": ada.token}}).to_string();
    let refused = Some("ERROR_CODE_UNAVAILABLE");
    check_first(&server, Frame::text(text), refused, 1013).await;
}

#[tokio::test]
async fn a_full_house_refuses_the_new_and_keeps_the_old() {
    let server = Server::start_with(|config| config.sessions = 1).await;
    let mut ada = server.device(ADA).await;
    let connect = json!({"requestId": 1, "connect": {"accessToken": server.sign_in(BOB).await}});
    let refused = Some("ERROR_CODE_UNAVAILABLE");
    check_first(&server, Frame::text(connect.to_string()), refused, 1013).await;
    assert!(ada.call(json!({"ping": {}})).await.get("pong").is_some());
}

#[tokio::test]
async fn foreign_pages_are_kept_out_when_origins_are_listed() {
    let known = "https://app.example.org".to_owned();
    let server = Server::start_with(|config| config.origins = vec![known]).await;
    let open = async |origin: &str| {
        let url = format!("ws://{}/v1/connect", server.address);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        connect_async(request).await
    };
    assert!(open("https://app.example.org").await.is_ok());
    assert!(open(&format!("http://{}", server.address)).await.is_ok(), "our own page");
    for foreign in ["https://evil.example.org", "null", "https://app.example.org.evil.net"] {
        let refused = open(foreign).await;
        let status = match refused {
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            other => panic!("{foreign}: {other:?}"),
        };
        assert_eq!(status, 403, "{foreign}");
    }
    server.open().await;
}
