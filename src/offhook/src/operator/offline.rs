//! Commands that read the store themselves, beside a running server or without one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use offhook_gateway::export::{Format, Selection, export as write_records};
use offhook_gateway::iso8601;
use offhook_gateway::operate::{Question, explain as decide};
use offhook_gateway::tariff::Tariff;
use offhook_store::{Books, Sqlite};
use offhook_types::WallTime;
use serde_json::json;

use super::arguments::{Check, Explain, Export};
use crate::ConfigFile;
use crate::config::Config;

/// `offhook route explain`
pub async fn explain(asked: &Explain) -> anyhow::Result<ExitCode> {
    let (config, store) = open(&asked.file).await?;
    let tariff = Tariff::load(&store, &Tariff::default()).await?;
    let question = Question {
        typed: asked.number.clone(),
        by: asked.account.clone(),
        plan: asked.plan.clone().unwrap_or_else(|| config.phone.money.plan.clone()),
        country: asked.country.clone(),
        anonymous: asked.anonymous,
    };
    let explained = decide(&store, &tariff, None, (iso8601::now(), &question)).await?;
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&explained.json)?);
    } else {
        println!("{}", explained.text);
    }
    Ok(if explained.refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `offhook cdr export`
pub async fn export(asked: &Export) -> anyhow::Result<ExitCode> {
    let format: Format = asked.format.parse().context("--format")?;
    let selection = Selection {
        account: asked.account.as_deref().map(str::parse).transpose().context("--account")?,
        from: instant("--from", asked.from.as_deref())?,
        until: instant("--until", asked.until.as_deref())?,
        open: asked.open,
    };
    let (_, store) = open(&asked.file).await?;
    let many = match &asked.out {
        None => write_records(&store, &selection, format, BufWriter::new(io::stdout())).await?,
        Some(path) => {
            // Under its name only when it is whole.
            let part = beside(path);
            let failed = || format!("--out {}", path.display());
            let file = File::create(&part).with_context(failed)?;
            let written = write_records(&store, &selection, format, BufWriter::new(&file)).await;
            let kept = written.map_err(anyhow::Error::from).and_then(|many| {
                file.sync_all()?;
                std::fs::rename(&part, path)?;
                Ok(many)
            });
            if kept.is_err() {
                let _ = std::fs::remove_file(&part);
            }
            kept.with_context(failed)?
        }
    };
    eprintln!("{many} records");
    Ok(ExitCode::SUCCESS)
}

/// `offhook ledger check`
pub async fn check(asked: &Check) -> anyhow::Result<ExitCode> {
    let (_, store) = open(&asked.file).await?;
    let proof = store.reconcile().await.context("the books cannot be read")?;
    let mut out = io::stdout().lock();
    match &proof {
        Err(difference) if asked.json => {
            writeln!(out, "{}", json!({ "equal": false, "difference": difference.to_string() }))?;
        }
        Err(difference) => writeln!(out, "records and ledger differ: {difference}")?,
        Ok(summary) if asked.json => {
            let sums = |sums: &std::collections::BTreeMap<offhook_types::Currency, _>| {
                let pairs = sums.iter().map(|(currency, amount): (_, &offhook_types::Micros)| {
                    (currency.to_string(), json!(amount.0))
                });
                pairs.collect::<serde_json::Map<_, _>>()
            };
            let said = json!({
                "equal": true, "closed": summary.closed, "open": summary.open,
                "transfers": summary.transfers, "reservations": summary.reservations,
                "revenue_micros": sums(&summary.revenue), "cost_micros": sums(&summary.cost),
            });
            writeln!(out, "{said}")?;
        }
        Ok(summary) => {
            writeln!(
                out,
                "records and ledger are equal: {} closed and {} open records, {} transfers, {} \
                 reservations",
                summary.closed, summary.open, summary.transfers, summary.reservations
            )?;
            for (currency, amount) in &summary.revenue {
                let cost = summary.cost.get(currency).copied().unwrap_or_default();
                writeln!(out, "  {currency}: calls brought in {amount} and cost {cost}")?;
            }
        }
    }
    Ok(if proof.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(file: &ConfigFile) -> anyhow::Result<(Config, Sqlite)> {
    let config = crate::read(file)?;
    let path = &config.store.path;
    if !path.exists() {
        bail!("[store] path {}: there is no database yet; start the server once", path.display());
    }
    let store = Sqlite::open_reader(path).await;
    let store = store.with_context(|| format!("[store] path {}", path.display()))?;
    Ok((config, store))
}

fn instant(argument: &str, text: Option<&str>) -> anyhow::Result<Option<WallTime>> {
    let read = |text| {
        iso8601::read(text).with_context(|| {
            format!("{argument}: a date, or a date and time, such as 2026-03-01T06:00Z")
        })
    };
    text.map(read).transpose()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
