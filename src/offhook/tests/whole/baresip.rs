//! baresip with a tone as its microphone, as a carrier that answers by itself or as a phone that calls.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::authority::Authority;
use crate::server::Server;
use crate::sipp::{free_port, is_bound};

/// A running baresip.
pub struct Baresip {
    child: Child,
    folder: PathBuf,
    /// Its SIP port; over TLS it listens on the next.
    pub port: u16,
}

/// What it is to be.
struct Setup<'a> {
    number: &'a str,
    /// The only one that it speaks: `PCMU`, `G722/16000/1`.
    codec: &'a str,
    port: u16,
    /// Speaks TLS, and has its media like this: `srtp-mand`, or nothing for clear media.
    secret: Option<(&'a Authority, &'a str)>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Baresip {
    /// One that has `number`, speaks only `codec` (`PCMU`, `G722/16000/1`) and answers every call.
    pub fn carrier(server: &Server, number: &str, codec: &str) -> Self {
        let setup = Setup { number, codec, port: free_port(), secret: None };
        let baresip = Self::start(&setup, &[]);
        server.until("baresip's port", || is_bound(baresip.port).then_some(()));
        baresip
    }

    /// The same over TLS, with `keys` for its media.
    pub fn secret_carrier(server: &Server, number: &str, secret: (&Authority, &str)) -> Self {
        let setup = Setup { number, codec: "PCMU", port: free_pair(), secret: Some(secret) };
        let baresip = Self::start(&setup, &[]);
        let open = || TcpStream::connect(("127.0.0.1", baresip.tls_port())).ok();
        server.until("baresip's port", open);
        baresip
    }

    /// Call a number of the server's from `port` and talk until it is ended.
    pub fn call(server: &Server, number: &str, codec: &str, port: u16) -> Self {
        let dial = format!("/dial sip:{number}@127.0.0.1:{}", server.sip_port("udp"));
        let setup = Setup { number: "+12025550191", codec, port, secret: None };
        Self::start(&setup, &["-e", &dial])
    }

    /// The same over TLS, with `keys` for its media.
    pub fn secret_call(server: &Server, number: &str, secret: (&Authority, &str)) -> Self {
        let to = server.sip_port("tls");
        let dial = format!("/dial sip:{number}@127.0.0.1:{to};transport=tls");
        let setup = Setup {
            number: "+12025550192",
            codec: "PCMU",
            port: free_pair(),
            secret: Some(secret),
        };
        Self::start(&setup, &["-e", &dial])
    }

    /// Where it speaks SIP over TLS.
    pub fn tls_port(&self) -> u16 {
        self.port + 1
    }

    /// Packets that it heard, without those that it could not decrypt. It counts when the other side has ended
    /// its call, which had to last for two of its reports.
    pub fn heard(&self) -> Option<u64> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let (_, figures) = log.split_once("EX=BareSip;")?;
        let heard = figures.split(';').find_map(|field| field.strip_prefix("PR="));
        Some(heard.and_then(|packets| packets.parse().ok()).unwrap_or_else(|| panic!("{log}")))
    }

    fn start(setup: &Setup, more: &[&str]) -> Self {
        let Setup { number, codec, port, secret } = *setup;
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-baresip-{}-{unique}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a temporary folder");
        // Accounts come last: what they name has to be there.
        let modules = [
            "g711.so",
            "g722.so",
            "ausine.so",
            "aubridge.so",
            "srtp.so",
            "rtcpsummary.so",
            "menu.so",
            "account.so",
        ];
        let (tls, transport, keys) = match secret {
            Some((authority, keys)) => (authority.baresip(), ";transport=tls", keys),
            None => (String::new(), "", ""),
        };
        let keys = if keys.is_empty() { String::new() } else { format!(";mediaenc={keys}") };
        let modules: String = modules.iter().map(|name| format!("module {name}\n")).collect();
        let config = format!(
            "sip_listen 127.0.0.1:{port}\nmodule_path /usr/lib/baresip/modules\n{modules}\
             audio_source ausine,440\nausrc_srate 48000\nausrc_channels 2\n\
             audio_player aubridge,none\naudio_alert aubridge,none\n\
             net_interface 127.0.0.1\nrtp_ports 20000-29999\n{tls}"
        );
        let account = format!(
            "<sip:{number}@127.0.0.1{transport}>;regint=0;answermode=auto;audio_codecs={codec}{keys}\n"
        );
        for (file, text) in [("config", config), ("accounts", account), ("contacts", String::new())]
        {
            fs::write(folder.join(file), text).expect("its settings");
        }
        let log = File::create(folder.join("log")).expect("its log");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&folder)
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("its log"))
            .stderr(log)
            .spawn()
            .expect("run `make setup`: baresip is missing");
        Self { child, folder, port }
    }

    /// Hang up and end.
    pub fn quit(mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("---- baresip ----\n{log}");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port whose next is free too, for TCP.
fn free_pair() -> u16 {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let pair = std::iter::repeat_with(free_port).find(|&port| free(port) && free(port + 1));
    pair.expect("two ports")
}
