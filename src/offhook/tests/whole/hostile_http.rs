//! Whatever is sent to the public port, the answer is the protocol's own refusal, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::server::{DEADLINE, Server, http};

#[test]
fn nonsense_is_refused_in_the_protocols_own_words() {
    let server = Server::start("");
    let token = format!("Bearer {}", server.token("mine", "me"));
    let big = "x".repeat(600 * 1024);
    let json = ("content-type", "application/json");
    let bearer = ("authorization", token.as_str());
    let sdp = ("content-type", "application/sdp");
    for (method, path, headers, body, expect) in [
        ("POST", "/v1/auth/code", vec![json], "{", 400),
        ("POST", "/v1/auth/code", vec![json], r#"{"number":"twelve"}"#, 400),
        ("POST", "/v1/auth/code", vec![json], big.as_str(), 413),
        (
            "POST",
            "/v1/auth/code",
            vec![("content-type", "application/x-protobuf")],
            "\u{1}\u{1}\u{1}",
            400,
        ),
        (
            "POST",
            "/v1/auth/verify",
            vec![json],
            r#"{"number":"+12025550123","code":"000000"}"#,
            403,
        ),
        ("POST", "/v1/auth/refresh", vec![json], r#"{"refreshToken":"rt_nobody"}"#, 401),
        ("POST", "/v1/me", vec![json, ("authorization", "Bearer at_nobody")], "{}", 401),
        ("POST", "/v1/history", vec![json], "{}", 401),
        ("POST", "/v1/calls/place", vec![json], "{}", 401),
        ("GET", "/v1/connect", vec![], "", 400),
        ("GET", "/rtc", vec![], "", 401),
        ("POST", "/whip/mine", vec![bearer, ("content-type", "text/plain")], "v=0", 415),
        ("POST", "/whip/mine", vec![bearer, sdp], "v=0\r\nnonsense", 400),
        ("POST", "/whip/mine", vec![bearer, sdp], big.as_str(), 413),
        ("DELETE", "/whip/mine/nobody", vec![bearer], "", 404),
        (
            "PATCH",
            "/whep/mine/nobody",
            vec![bearer, ("content-type", "application/trickle-ice-sdpfrag")],
            "",
            404,
        ),
        ("GET", "/whip/mine", vec![bearer], "", 405),
        ("POST", "/nothing/here", vec![], "", 404),
        ("GET", "/../../etc/passwd", vec![], "", 404),
        ("GET", "/assets/nothing.js", vec![], "", 404),
    ] {
        let answer = http(server.http, method, path, &headers, body);
        let got = answer.as_ref().map_or(0, |a| a.status);
        let near = got == expect || (got / 100 == 4 && expect == 400);
        assert!(near, "{method} {path}: {got}, not {expect}: {answer:?}");
    }
    assert_eq!(http(server.http, "GET", "/readyz", &[], "").map(|a| a.status), Some(200));
}

#[test]
fn broken_http_and_idle_connections_harm_nobody() {
    let server = Server::start("");
    let connect = || TcpStream::connect(("127.0.0.1", server.http)).expect("a connection");
    let idle: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ] {
        let mut stream = connect();
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.write_all(bytes).expect("sent");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(http(server.http, "GET", "/healthz", &[], "").map(|a| a.status), Some(200));
    drop(idle);
}
