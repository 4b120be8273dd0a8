//! A server of the run's own: started with a configuration for loopback in a temporary folder, ended by its id.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// The server under test. Dropping it ends the process if we started it.
pub struct Server {
    /// Where WHIP and WHEP live.
    pub url: String,
    /// Where operators reach it, when it is ours.
    pub admin: String,
    /// Its process, when known.
    pub pid: Option<u32>,
    /// Its configuration, when it is ours.
    pub config: PathBuf,
    child: Option<Child>,
    folder: Option<PathBuf>,
}

impl Server {
    /// One that runs already.
    pub fn running(url: String, pid: Option<u32>) -> Self {
        Self { url, pid, admin: String::new(), config: PathBuf::new(), child: None, folder: None }
    }

    /// Start `binary` with more settings (TOML) than every run needs, and wait until it is ready.
    pub async fn start(binary: &Path, extra: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("offhook-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("offhook.toml");
        let mut settings: toml::Table = STANDARD.parse()?;
        let store = format!("[store]\npath = {:?}\n", folder.join("offhook.db"));
        lay_over(&mut settings, store.parse()?);
        lay_over(&mut settings, extra.parse()?);
        std::fs::write(&config, toml::to_string(&settings)?)?;
        let log = std::fs::File::create(folder.join("server.log"))?;
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let output = child.stdout.take().context("its output")?;
        let said = tokio::time::timeout(Duration::from_secs(20), addresses(output)).await;
        let log = || std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        let not_ready = || format!("the server did not become ready:\n{}", log());
        let [url, admin] = said.ok().flatten().with_context(not_ready)?;
        let pid = child.id();
        Ok(Self { url, admin, pid, config, child: Some(child), folder: Some(folder) })
    }
}

/// Everything on loopback, ports from the system, and room for more callers than one address has on the internet.
const STANDARD: &str = r#"
[http]
listen = "127.0.0.1:0"
max_connections = 100000
connections_per_address = 100000
[admin]
listen = "127.0.0.1:0"
[media]
udp_port = 0
tcp_ports = [0]
advertise = ["127.0.0.1"]
[quic]
connections = 5000
connections_per_address = 5000
"#;

/// Settings over settings: tables are merged, everything else is replaced.
fn lay_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// The server prints its public and its operators' address once calls can be placed.
async fn addresses(output: ChildStdout) -> Option<[String; 2]> {
    let mut lines = BufReader::new(output).lines();
    let mut told = [String::new(), String::new()];
    for address in &mut told {
        let line = lines.next_line().await.ok().flatten()?;
        *address = line.split(' ').next_back()?.to_owned();
    }
    // Keep reading, or the server would meet a closed pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(told)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
