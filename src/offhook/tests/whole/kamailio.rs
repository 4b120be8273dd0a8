//! Kamailio as a carrier's registrar and proxy (peers/kamailio/proxy.cfg), with digest.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::server::{Server, peer};
use crate::sipp::is_bound;

/// A running proxy.
pub struct Kamailio {
    child: Child,
    folder: PathBuf,
}

impl Kamailio {
    /// Listen on `port`, in front of a far side on port `far`.
    pub fn start(server: &Server, port: u16, far: u16) -> Self {
        let folder = std::env::temp_dir().join(format!("offhook-kamailio-{port}"));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let log = std::fs::File::create(folder.join("log")).expect("its log");
        let child = Command::new("kamailio")
            .arg("-f")
            .arg(peer("kamailio/proxy.cfg"))
            .args(["-DD", "-E", "-m", "32", "-M", "4"])
            .args(["-l", &format!("udp:127.0.0.1:{port}"), "-A", &format!("FAR={far}")])
            .arg("-Y")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("run `make setup`: kamailio is missing");
        let proxy = Self { child, folder };
        server.until("Kamailio's port", || is_bound(port).then_some(()));
        proxy
    }

    /// Wait until the trunk is registered with it.
    pub fn wait_for_registration(&self, server: &Server) {
        let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        server.until("registration", || log().contains("saved").then_some(()));
    }

    /// End it; its children end with it.
    pub fn stop(self) {}
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("---- kamailio ----\n{log}");
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
