//! A certificate authority for one test, and a certificate of its for 127.0.0.1, made with openssl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Files in a folder that goes with it.
pub struct Authority {
    folder: PathBuf,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

const CONFIG: &str = "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = test\n\
    [ca]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign\n\
    [leaf]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";

impl Authority {
    /// Make both.
    pub fn new() -> Self {
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("offhook-ca-{}-{unique}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        fs::write(folder.join("config"), CONFIG).expect("its settings");
        let authority = Self { folder };
        authority.make("ca", &[]);
        authority.make("leaf", &["-CA", "ca.pem", "-CAkey", "ca.key"]);
        let both = authority.read("leaf.pem") + &authority.read("leaf.key");
        fs::write(authority.folder.join("both.pem"), both).expect("the certificate");
        authority
    }

    fn make(&self, name: &str, signed: &[&str]) {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        let made = Command::new("openssl")
            .current_dir(&self.folder)
            .args(["req", "-config", "config", "-x509", "-extensions", name, "-days", "2"])
            .args(["-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &certificate])
            .args(signed)
            .output()
            .expect("run `make setup`: openssl is missing");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("a file of the authority")
    }

    fn path(&self, name: &str) -> String {
        Path::display(&self.folder.join(name)).to_string()
    }

    /// SIP over TLS beside UDP, in the server's settings.
    pub fn server(&self) -> String {
        format!(
            "[phone.sip]\nudp = [\"127.0.0.1:0\"]\ntcp = []\ntls = [\"127.0.0.1:0\"]\n\
             tls_certificate = \"{}\"\ntls_key = \"{}\"\ntls_authorities = \"{}\"\n",
            self.path("leaf.pem"),
            self.path("leaf.key"),
            self.path("ca.pem")
        )
    }

    /// The same in baresip's.
    pub fn baresip(&self) -> String {
        let (both, ca) = (self.path("both.pem"), self.path("ca.pem"));
        format!("sip_certificate {both}\nsip_cafile {ca}\n")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
