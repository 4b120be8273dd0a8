//! A server of the run's own with the demo carrier beside it, and prices, without the limits of a real
//! installation.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::server::Server;

/// The one-time code of everybody.
pub const CODE: &str = "123456";

/// What is played on.
pub struct Stage {
    /// The server.
    pub server: Server,
    binary: PathBuf,
    carrier: Child,
}

/// What `ledger check` found.
#[derive(Debug, Deserialize)]
pub struct Books {
    /// Records closed.
    pub closed: u64,
    /// Records open.
    pub open: u64,
    /// Reservations open.
    pub reservations: u64,
}

const CONFIG: &str = "\
[api_keys]
bench = \"signs-the-media-grants-of-a-bench-only\"
[accounts]
code_delivery = \"log\"
fixed_code = \"123456\"
codes_per_address_per_hour = 1000000
codes_per_minute = 1000000
[calls]
places_per_minute = 1000000
[phone]
enabled = true
[phone.sip]
udp = [\"127.0.0.1:0\"]
tcp = []
tls = []
[phone.media]
bind = \"127.0.0.1\"
bridges_per_worker = 2000
[phone.money]
initial_credit = \"10000.00\"
";

const PRICES: &str = "prefix,destination,per_minute\n1,North America,";

impl Stage {
    /// Start everything and set prices.
    pub async fn set(binary: &Path) -> Result<Self> {
        let server = Server::start(binary, CONFIG).await?;
        let (carrier, address) = carrier().await?;
        let stage = Self { server, binary: binary.to_owned(), carrier };
        for (name, price) in [("sell", "0.0120"), ("buy", "0.0050")] {
            let file = stage.server.config.with_file_name(name);
            std::fs::write(&file, format!("{PRICES}{price}\n"))?;
            let file = file.to_string_lossy();
            stage.tool(&["deck", "import", name, &file, "--currency", "USD"], true).await?;
        }
        let unlimited = ["--set", "channels=null", "--set", "calls_per_second=null"];
        let plan = ["plan", "put", "default", "--deck", "sell"];
        stage.tool(&[&plan[..], &unlimited].concat(), true).await?;
        let proxy = format!("proxy=sip:{address}");
        let shown = ["--set", "caller_id=verified or +12025550100", "--set", &proxy];
        let trunk = ["trunk", "put", "demo", "--deck", "buy", "--set", "ping_s=0"];
        stage.tool(&[&trunk[..], &shown].concat(), true).await?;
        // One rule of our own takes the place of the built-in ones.
        let rule = ["fraud", "put", "none", "--set", "measure=concurrent"];
        let never = ["--set", "limit=1000000", "--set", "action=warn"];
        stage.tool(&[&rule[..], &never].concat(), true).await?;
        Ok(stage)
    }

    /// Prove records and ledger equal, and end everything.
    pub async fn close(mut self) -> Result<Books> {
        let mut books = self.books().await?;
        // Records are closed when their bridges have given their last figures.
        for _ in 0..SETTLED_WITHIN {
            if books.open == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            books = self.books().await?;
        }
        ensure!(books.open == 0 && books.reservations == 0, "left open: {books:?}");
        self.carrier.kill().await?;
        Ok(books)
    }

    async fn books(&self) -> Result<Books> {
        let said = self.tool(&["ledger", "check", "--json"], false).await?;
        serde_json::from_str(&said).context("ledger check")
    }

    async fn tool(&self, arguments: &[&str], online: bool) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--config").arg(&self.server.config);
        if online {
            command.args(["--admin", &self.server.admin]);
        }
        let output = command.output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// In tenths of a second.
const SETTLED_WITHIN: u32 = 50;

/// This program again, as the far end; and where it listens.
async fn carrier() -> Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["carrier", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let first = lines.next_line().await?.context("the carrier said nothing")?;
    let told: serde_json::Value = serde_json::from_str(&first)?;
    let address = told["address"].as_str().context("the carrier does not listen")?.to_owned();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, address))
}
