//! Logging.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Start logging to standard error; the environment variable `RUST_LOG` overrides the configured filter.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => filter,
        Err(_) => log.level.clone(),
    };
    let filter = EnvFilter::try_new(&filter).context("[log] level is not a filter")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that cannot be written, on a full disk say, is lost. By default the library would say so on
    // standard error, and whoever had something to log would panic when that fails too.
    let lines = lines.log_internal_errors(false);
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
