//! Just enough of rtpengine's ng protocol to have it transcode: a cookie and a bencoded dictionary
//! in a datagram each way.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

pub struct Ng {
    socket: UdpSocket,
    call: String,
}

impl Ng {
    pub fn new(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let call = format!("speech-{}", socket.local_addr().unwrap().port());
        Self { socket, call }
    }

    /// The room offers Opus, of which the phone shall see the named codec only. Where the phone is
    /// to send.
    pub fn offer(&self, sdp: &str, codec: &str) -> SocketAddr {
        let codecs =
            dictionary(&[("mask", list(&[string("opus")])), ("transcode", list(&[string(codec)]))]);
        media(&self.ask("offer", &[("codec", codecs), ("sdp", string(sdp))]))
    }

    /// The phone answers. Where the room is to send.
    pub fn answer(&self, sdp: &str) -> SocketAddr {
        media(&self.ask("answer", &[("sdp", string(sdp)), ("to-tag", string("phone"))]))
    }

    fn ask(&self, command: &str, more: &[(&str, String)]) -> String {
        let mut entries = vec![
            ("call-id", string(&self.call)),
            ("command", string(command)),
            ("from-tag", string("room")),
            ("ICE", string("remove")),
        ];
        entries.extend(more.iter().cloned());
        // Questions with the same cookie get the same answer.
        let question = format!("{}-{command} {}", self.call, dictionary(&entries));
        self.socket.send(question.as_bytes()).unwrap();
        let mut buffer = [0; 8192];
        let len = self.socket.recv(&mut buffer).unwrap();
        let answer = String::from_utf8_lossy(&buffer[..len]).into_owned();
        assert!(answer.contains("6:result2:ok"), "{answer}");
        answer
    }
}

impl Drop for Ng {
    fn drop(&mut self) {
        self.ask("delete", &[]);
    }
}

fn string(value: &str) -> String {
    format!("{}:{value}", value.len())
}

fn list(values: &[String]) -> String {
    format!("l{}e", values.concat())
}

fn dictionary(entries: &[(&str, String)]) -> String {
    let entries: String =
        entries.iter().flat_map(|(key, value)| [string(key), value.clone()]).collect();
    format!("d{entries}e")
}

/// The audio port of the description in an answer.
fn media(answer: &str) -> SocketAddr {
    let (_, after) = answer.split_once("m=audio ").unwrap();
    let port = after.split(' ').next().unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}
