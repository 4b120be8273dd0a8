//! baresip with a tone as its microphone, as a carrier that answers by itself or as a phone that calls.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::Server;
use crate::sipp::{free_port, is_bound};

/// A running baresip.
pub struct Baresip {
    child: Child,
    folder: PathBuf,
    /// Its SIP port.
    pub port: u16,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Baresip {
    /// One that has `number`, speaks only `codec` (`PCMU`, `G722/16000/1`) and answers every call.
    pub fn carrier(server: &Server, number: &str, codec: &str) -> Self {
        let baresip = Self::start((number, codec), free_port(), &[]);
        server.until("baresip's port", || is_bound(baresip.port).then_some(()));
        baresip
    }

    /// Call a number of the server's from `port` and talk until it is ended.
    pub fn call(server: &Server, number: &str, codec: &str, port: u16) -> Self {
        let dial = format!("/dial sip:{number}@127.0.0.1:{}", server.sip_port("udp"));
        Self::start(("+12025550191", codec), port, &["-e", &dial])
    }

    fn start((number, codec): (&str, &str), port: u16, more: &[&str]) -> Self {
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-baresip-{}-{unique}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a temporary folder");
        let modules = ["g711.so", "g722.so", "ausine.so", "aubridge.so", "menu.so", "account.so"];
        let modules: String = modules.iter().map(|name| format!("module {name}\n")).collect();
        let config = format!(
            "sip_listen 127.0.0.1:{port}\nmodule_path /usr/lib/baresip/modules\n{modules}\
             audio_source ausine,440\nausrc_srate 48000\nausrc_channels 2\n\
             audio_player aubridge,none\naudio_alert aubridge,none\n\
             net_interface 127.0.0.1\nrtp_ports 20000-29999\n"
        );
        let account =
            format!("<sip:{number}@127.0.0.1>;regint=0;answermode=auto;audio_codecs={codec}\n");
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
