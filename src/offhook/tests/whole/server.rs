//! The real binary for one test: a configuration of its own in a temporary folder, ports from the system,
//! its log printed when the
//! test fails, ended by its id. A line of level WARN or ERROR fails it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// API key of the test configuration.
pub const KEY: &str = "testkey";
/// Its secret.
pub const SECRET: &str = "a-secret-that-only-the-tests-know-0001";

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    child: Child,
    /// Lines of its standard output; ends when the process does.
    output: Receiver<String>,
    folder: PathBuf,
    /// What warnings may say.
    expected: Vec<&'static str>,
    /// Public port.
    pub http: u16,
    /// Admin port.
    pub admin: u16,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// Start with the test configuration and extra lines of TOML (whole tables that the test configuration
    /// does not have).
    pub fn start(extra: &str) -> Self {
        let unique =
            format!("offhook-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(unique);
        fs::create_dir_all(&folder).expect("a temporary folder");
        Self::start_in(folder, extra)
    }

    fn start_in(folder: PathBuf, extra: &str) -> Self {
        // Every port is chosen by the system and told by the server.
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [media]\nudp_port = 0\ntcp_ports = [0]\nadvertise = [\"127.0.0.1\"]\nworkers = 2\npin = false\n\
             [store]\npath = \"{}\"\n[api_keys]\n{KEY} = \"{SECRET}\"\n\
             [accounts]\ncode_delivery = \"log\"\nfixed_code = \"123456\"\n{extra}",
            folder.join("offhook.db").display()
        );
        fs::write(folder.join("offhook.toml"), config).expect("the configuration");
        let log = File::create(folder.join("server.log")).expect("the log");
        // A write beyond a limit on the size of files shall fail, not end the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(binary())
            .args(["serve", "--config"])
            .arg(folder.join("offhook.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .env("RUST_LOG", "info,offhook_media=debug,offhook_signaling=debug")
            .spawn()
            .expect("the binary starts");
        let output = lines(child.stdout.take().expect("its output"));
        let expected = Vec::new();
        let mut server = Self { child, output, folder, expected, http: 0, admin: 0 };
        server.http = server.told_port();
        server.admin = server.told_port();
        server
    }

    /// The server prints its public and then its admin address once calls can be placed.
    fn told_port(&self) -> u16 {
        let line = self.output.recv_timeout(DEADLINE);
        let port = line
            .as_ref()
            .ok()
            .and_then(|l| l.rsplit(':').next())
            .and_then(|p| p.trim().parse().ok());
        port.unwrap_or_else(|| panic!("not ready, said {line:?}:\n{}", self.log()))
    }

    /// Kill it without warning and start it again on the same data, with new ports.
    pub fn kill_and_restart(mut self, extra: &str) -> Self {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
        self.assert_no_trouble();
        let folder = std::mem::take(&mut self.folder);
        let expected = std::mem::take(&mut self.expected);
        drop(self);
        let mut server = Self::start_in(folder, extra);
        server.expected = expected;
        server
    }

    fn assert_no_trouble(&self) {
        let log = self.log();
        let expected = |line: &str| self.expected.iter().any(|words| line.contains(words));
        let bad =
            |line: &&str| (line.contains(" WARN ") || line.contains(" ERROR ")) && !expected(line);
        let unexpected: Vec<&str> = log.lines().filter(bad).collect();
        assert!(unexpected.is_empty(), "unexpected warnings:\n{}", unexpected.join("\n"));
    }

    /// The file of its database.
    pub fn store(&self) -> PathBuf {
        self.folder.join("offhook.db")
    }

    /// Warnings that say this are part of the story.
    pub fn expect(&mut self, words: &'static str) {
        self.expected.push(words);
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// A media token from the command line tool.
    pub fn token(&self, room: &str, identity: &str) -> String {
        let output = self.tool(&["token", "create", "--room", room, "--identity", identity]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Run the binary's other commands on this server's configuration.
    pub fn tool(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("offhook.toml"))
            .output()
            .expect("the binary starts")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Send SIGTERM and wait for the end; true when it ended by itself with status 0.
    pub fn terminate(&mut self) -> bool {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(asked.is_ok_and(|s| s.success()));
        // Its output closes when it ends.
        loop {
            match self.output.recv_timeout(DEADLINE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => {
                    return self.child.wait().is_ok_and(|status| status.success());
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- server log ----\n{}", self.log());
        } else {
            self.assert_no_trouble();
        }
        if !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// The binary under test: `OFFHOOK_BIN`, or the one that cargo built for this test.
pub fn binary() -> PathBuf {
    std::env::var_os("OFFHOOK_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_offhook")), PathBuf::from)
}

/// A Python of the peers that `make setup` installed.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".tools/python/bin/python");
    assert!(python.exists(), "run `make setup`: {} is missing", python.display());
    python
}

/// A script in tests/whole/peers.
pub fn peer(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/peers").join(script)
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

/// One HTTP/1.1 request to loopback; `None` when the connection fails.
pub fn http(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    write!(stream, "{head}{lines}content-length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.lines().next()?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}
