//! SIPp with a scenario of our own (peers/sipp), as a carrier or as a phone that calls in.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::{Server, peer};

/// A running scenario. It ends by itself when its calls are over, or in [`PATIENCE`].
pub struct Sipp {
    child: Option<Child>,
    folder: PathBuf,
    scenario: &'static str,
    /// Its SIP port.
    pub port: u16,
}

/// Who calls from which port, and with which password.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    pub port: u16,
    pub name: &'static str,
    pub password: &'static str,
}

/// Seconds after which a scenario has failed.
const PATIENCE: &str = "25";

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Sipp {
    /// Wait for calls as a carrier, and take so many.
    pub fn carrier(server: &Server, scenario: &'static str, calls: u32) -> Self {
        let sipp = Self::start(scenario, calls, &[]);
        server.until("SIPp's port", || is_bound(sipp.port).then_some(()));
        sipp
    }

    /// Call a number of the server's over UDP from `port`, which a trunk has as its own.
    pub fn call(server: &Server, scenario: &'static str, number: &str, port: u16) -> Self {
        Self::call_through(scenario, number, port, server.sip_port("udp"))
    }

    /// Call a number as somebody who is challenged for a password.
    pub fn log_in(server: &Server, scenario: &'static str, number: &str, login: Login) -> Self {
        let (port, to) = (login.port.to_string(), format!("127.0.0.1:{}", server.sip_port("udp")));
        // What is answered for is the request URI, which SIPp has to be told.
        let uri = format!("{number}@{to}");
        let (port, name) = (["-p", &port], ["-au", login.name, "-ap", login.password]);
        let more = [&["-s", number, "-auth_uri", &uri], &port[..], &name[..], &[&to]].concat();
        Self::start(scenario, 1, &more)
    }

    /// Call a number from `port` through a proxy.
    pub fn call_through(scenario: &'static str, number: &str, port: u16, proxy: u16) -> Self {
        let (port, remote) = (port.to_string(), format!("127.0.0.1:{proxy}"));
        Self::start(scenario, 1, &["-s", number, "-p", &port, &remote])
    }

    fn start(scenario: &'static str, calls: u32, more: &[&str]) -> Self {
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-sipp-{}-{unique}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let port = free_port();
        let own = ["-p".to_owned(), port.to_string()];
        let own = own.iter().filter(|_| !more.contains(&"-p"));
        let child = Command::new("sipp")
            .current_dir(&folder)
            .arg("-sf")
            .arg(peer(&format!("sipp/{scenario}.xml")))
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", &free_port().to_string()])
            .args(["-m", &calls.to_string(), "-timeout", PATIENCE, "-timeout_error", "-nostdin"])
            .args([
                "-trace_msg",
                "-message_file",
                "messages",
                "-trace_err",
                "-error_file",
                "errors",
            ])
            .args(own)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run `make setup`: sipp is missing");
        Self { child: Some(child), folder, scenario, port }
    }

    /// Wait for its end: everything has to have come as the scenario says.
    pub fn finish(mut self) {
        let status = self.child.take().map(|mut child| child.wait());
        let passed = status.is_some_and(|status| status.is_ok_and(|status| status.success()));
        assert!(passed, "{} failed:\n{}", self.scenario, self.said());
    }

    fn said(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        format!("{}\n{}", read("errors"), read("messages"))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("---- {} ----\n{}", self.scenario, self.said());
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port of loopback that nobody has, over UDP and TCP, and neither its next, on which baresip listens too. Not every
/// peer can be told to choose one itself. It is none of those that the system gives out, which somebody might be given
/// before the peer takes it, nor of those that the server's phone media takes.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(2 * 1009);
    loop {
        let nth = first.wrapping_add(2 * GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (nth % 10_000) as u16;
        let is_free = |port: u16| {
            let place = ("127.0.0.1", port);
            UdpSocket::bind(place).is_ok() && TcpListener::bind(place).is_ok()
        };
        if is_free(port) && is_free(port + 1) {
            return port;
        }
    }
}

/// Whether a process listens on a UDP port; asked of the system, so that nothing is sent to find out.
pub fn is_bound(port: u16) -> bool {
    let wanted = format!(":{port:04X} ");
    let table = std::fs::read_to_string(Path::new("/proc/net/udp")).unwrap_or_default();
    table.lines().any(|line| {
        line.split(" 00000000:0000").next().is_some_and(|l| format!("{l} ").contains(&wanted))
    })
}
