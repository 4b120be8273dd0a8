//! The demo carrier (docs/TESTING.md) in a process of its own, and what it tells.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::server::{DEADLINE, Server, binary};

/// A telephone company that answers by the last two digits.
pub struct Carrier {
    child: Child,
    commands: ChildStdin,
    told: Arc<Told>,
    /// Where it speaks SIP, on loopback.
    pub port: u16,
}

#[derive(Default)]
struct Told {
    events: Mutex<Vec<Value>>,
    more: Condvar,
}

impl Carrier {
    /// Start it on a port of the system's choice.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, to call the server over UDP when it is told to.
    pub fn calling(server: &Server) -> Self {
        Self::start_with(&["--via", &format!("127.0.0.1:{}", server.sip_port("udp"))])
    }

    fn start_with(more: &[&str]) -> Self {
        let program = binary().with_file_name("offhook-loadtest");
        assert!(program.exists(), "build it first: cargo build --bin offhook-loadtest");
        let mut child = Command::new(program)
            .args(["carrier", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the carrier starts");
        let (commands, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        let told = Arc::new(Told::default());
        let heard = told.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard.events().extend(serde_json::from_str(&line));
                heard.more.notify_all();
            }
        });
        let mut carrier = Self { child, commands: commands.expect("its input"), told, port: 0 };
        let listening = carrier.wait("listening", |_| true);
        let address = listening["address"].as_str().and_then(|a| a.rsplit(':').next());
        carrier.port = address.and_then(|port| port.parse().ok()).expect("a port");
        carrier
    }

    /// Everything it has told of this kind.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        self.told.events().iter().filter(|event| event["event"] == kind).cloned().collect()
    }

    /// The first event of a kind that fits, as soon as it is told.
    pub fn wait(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let mut events = self.told.events();
        loop {
            let found = events.iter().find(|event| event["event"] == kind && fits(event));
            if let Some(found) = found {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the carrier told of no {kind}: {events:?}");
            let waited = self.told.more.wait_timeout(events, left);
            events = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The carrier's id of the call to a number, as soon as it comes.
    pub fn invited(&self, number: &str) -> u64 {
        let invite = self.wait("invite", |invite| invite["to"] == number);
        invite["id"].as_u64().expect("an id")
    }

    /// Wait until a call has had an event of this kind.
    pub fn wait_for(&self, id: u64, kind: &str) -> Value {
        self.wait(kind, |event| event["id"] == id)
    }

    /// A line on its standard input.
    pub fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the carrier listens");
    }

    /// It is gone from one moment to the next.
    pub fn vanish(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

impl Told {
    fn events(&self) -> MutexGuard<'_, Vec<Value>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
