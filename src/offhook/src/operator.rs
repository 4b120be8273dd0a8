//! What operators type. Three commands read the store themselves, with or without a server beside them, and
//! say in their exit status whether all is well: `route explain`, `cdr export`, `ledger check`
//! ([`offline`]). All others speak to the running server through its admin API ([`online`]).

mod arguments;
mod client;
mod offline;
mod online;
mod table;

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use arguments::{Account, Call, Cdr, Deck, Fraud, Ledger, Number, Plan, Route, Trunk};

/// Phone calls and money.
#[derive(Subcommand)]
pub enum Command {
    /// How numbers are routed and priced.
    #[command(subcommand)]
    Route(Route),
    /// Call detail records.
    #[command(subcommand)]
    Cdr(Cdr),
    /// The books.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Ways to carriers.
    #[command(subcommand)]
    Trunk(Trunk),
    /// Price lists.
    #[command(subcommand)]
    Deck(Deck),
    /// What accounts pay by.
    #[command(subcommand)]
    Plan(Plan),
    /// Our own numbers, and where they lead.
    #[command(subcommand)]
    Number(Number),
    /// Who pays, and what they have.
    #[command(subcommand)]
    Account(Account),
    /// Limits against fraud, and what they decided.
    #[command(subcommand)]
    Fraud(Fraud),
    /// Phone calls.
    #[command(subcommand)]
    Call(Call),
}

/// Do it. The status is success only when all is well.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the system gives no event queue")?;
    runtime.block_on(async {
        match command {
            Command::Route(Route::Explain(asked)) => offline::explain(&asked).await,
            Command::Cdr(Cdr::Export(asked)) => offline::export(&asked).await,
            Command::Ledger(Ledger::Check(asked)) => offline::check(&asked).await,
            Command::Cdr(Cdr::List(asked)) => online::cdrs(&asked).await,
            Command::Cdr(Cdr::Show(asked)) => online::cdr(&asked).await,
            Command::Trunk(trunk) => online::trunk(trunk).await,
            Command::Deck(deck) => online::deck(deck).await,
            Command::Plan(plan) => online::plan(plan).await,
            Command::Number(number) => online::number(number).await,
            Command::Account(account) => online::account(account).await,
            Command::Fraud(fraud) => online::fraud(fraud).await,
            Command::Call(Call::Ladder(asked)) => online::ladder(&asked).await,
        }
    })
}
