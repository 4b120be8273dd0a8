//! A server of the run's own: started with a configuration for loopback in a temporary folder, ended by its id.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The server under test. Dropping it ends the process if we started it.
pub struct Server {
    /// Where WHIP and WHEP live.
    pub url: String,
    /// Its process, when known.
    pub pid: Option<u32>,
    child: Option<Child>,
    folder: Option<PathBuf>,
}

impl Server {
    /// One that runs already.
    pub fn running(url: String, pid: Option<u32>) -> Self {
        Self { url, pid, child: None, folder: None }
    }

    /// Start `binary` and wait until it is ready.
    pub async fn start(binary: &Path, key: &str, secret: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("offhook-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (http, admin, udp) = (free_tcp()?, free_tcp()?, free_udp_range()?);
        let config = folder.join("offhook.toml");
        std::fs::write(
            &config,
            format!(
                "[http]\nlisten = \"127.0.0.1:{http}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
                 [media]\nudp_port = {udp}\nadvertise = [\"127.0.0.1\"]\n\
                 [store]\npath = {:?}\n[api_keys]\n{key} = \"{secret}\"\n",
                folder.join("offhook.db")
            ),
        )?;
        let log = std::fs::File::create(folder.join("server.log"))?;
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let pid = child.id();
        let url = format!("http://127.0.0.1:{http}");
        let server = Self { url, pid: Some(pid), child: Some(child), folder: Some(folder.clone()) };
        server.ready(admin).await.with_context(|| {
            std::fs::read_to_string(folder.join("server.log")).unwrap_or_default()
        })?;
        Ok(server)
    }

    async fn ready(&self, admin: u16) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let client = reqwest::Client::new();
        while Instant::now() < deadline {
            let answer = client.get(format!("http://127.0.0.1:{admin}/readyz")).send().await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the server did not become ready")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn free_tcp() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A port whose next seven neighbours are free too: one per worker.
fn free_udp_range() -> Result<u16> {
    for _ in 0..100 {
        let first = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let free = |port: u16| UdpSocket::bind(("0.0.0.0", port)).is_ok();
        if first < 65_000 && (first..first + 8).all(free) {
            return Ok(first);
        }
    }
    bail!("no free range of UDP ports")
}
