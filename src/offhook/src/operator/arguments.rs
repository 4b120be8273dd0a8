//! The arguments of operators' commands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::ConfigFile;

/// How the running server is reached.
#[derive(Args)]
pub struct Server {
    #[command(flatten)]
    pub file: ConfigFile,
    /// The admin listener, such as http://127.0.0.1:7890; the one of the configuration when absent.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Something by its name.
#[derive(Args)]
pub struct Named {
    /// Its name or id.
    pub name: String,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Subcommand)]
pub enum Route {
    /// Say how a number would be routed and priced, and why. The exit status is 0 when a call would be made.
    Explain(Explain),
}

#[derive(Args)]
pub struct Explain {
    /// The number, as a person types it.
    pub number: String,
    /// Who would call: an account's id, or a user's id or number. Nobody in particular when absent.
    #[arg(long, alias = "user")]
    pub account: Option<String>,
    /// The plan, where nobody in particular calls; the default plan when absent.
    #[arg(long, conflicts_with = "account")]
    pub plan: Option<String>,
    /// Where that nobody calls from, as two letters, for national numbers and short codes.
    #[arg(long)]
    pub country: Option<String>,
    /// Do not show the caller's number.
    #[arg(long)]
    pub anonymous: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Subcommand)]
pub enum Cdr {
    /// Write records for other programs; docs/CDR.md explains the fields.
    Export(Export),
    /// The newest records.
    List(Cdrs),
    /// One record.
    Show(Named),
}

#[derive(Args)]
pub struct Export {
    /// csv, jsonl or parquet.
    #[arg(long)]
    pub format: String,
    /// Opened at this time or later (ISO 8601).
    #[arg(long)]
    pub from: Option<String>,
    /// Opened before this time (ISO 8601).
    #[arg(long)]
    pub until: Option<String>,
    /// Of this account only, by its id.
    #[arg(long)]
    pub account: Option<String>,
    /// Also records of calls in progress.
    #[arg(long)]
    pub open: bool,
    /// Where to; the standard output when absent.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Args)]
pub struct Cdrs {
    /// Of this account only, by its id.
    #[arg(long)]
    pub account: Option<String>,
    /// Opened at this time or later (ISO 8601).
    #[arg(long)]
    pub from: Option<String>,
    /// Opened before this time (ISO 8601).
    #[arg(long)]
    pub until: Option<String>,
    /// Also records of calls in progress.
    #[arg(long)]
    pub open: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Subcommand)]
pub enum Ledger {
    /// Prove records and ledger equal, or name the first difference. The exit status is 0 when they are.
    Check(Check),
}

#[derive(Args)]
pub struct Check {
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Settings one by one.
#[derive(Args)]
pub struct Settings {
    /// A setting, such as proxy=sip:carrier.example or channels=30; as often as needed. A value @FILE is read
    /// from that file, so that no password stands in the list of processes.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Subcommand)]
pub enum Trunk {
    /// Every trunk, without passwords.
    List(Server),
    /// Add a trunk, or replace the settings of the one of this name; a password that is not given stays.
    Put {
        /// Its name.
        name: String,
        /// The price list of what it costs.
        #[arg(long)]
        deck: Option<String>,
        /// Send no calls there.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        server: Server,
    },
    /// Remove a trunk; its records stay.
    Remove(Named),
}

#[derive(Subcommand)]
pub enum Deck {
    /// Every version of every price list.
    List(Server),
    /// Import a price list: every row of it, or none with every bad row named.
    Import(DeckImport),
    /// Forget old versions.
    Prune {
        /// The newest so many of each list stay.
        #[arg(long)]
        keep: u32,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Args)]
pub struct DeckImport {
    /// The name of the list; this becomes its newest version.
    pub name: String,
    /// CSV with a header; prefix and per_minute must be there.
    pub csv: PathBuf,
    /// What its prices are in.
    #[arg(long)]
    pub currency: String,
    /// When rows without a date begin to hold (ISO 8601); always when absent.
    #[arg(long)]
    pub from: Option<String>,
    /// How risky destinations are whose row does not say.
    #[arg(long, default_value = "standard")]
    pub tier: String,
    /// The first time is rounded up to so many seconds, where rows do not say.
    #[arg(long, default_value_t = 1)]
    pub first_increment: u32,
    /// Further time is rounded up to so many seconds, where rows do not say.
    #[arg(long, default_value_t = 1)]
    pub next_increment: u32,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Subcommand)]
pub enum Plan {
    /// Every plan.
    List(Server),
    /// Add a plan, or replace the one of this name.
    Put {
        /// Its name.
        name: String,
        /// The price list of what calls cost.
        #[arg(long)]
        deck: String,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        server: Server,
    },
    /// Remove a plan that no account has.
    Remove(Named),
}

#[derive(Subcommand)]
pub enum Number {
    /// Every number.
    List(Server),
    /// Add a number, or change where it leads: to a user or into a room.
    Put {
        /// In E.164.
        number: String,
        /// Rings the devices of this user: an id or a number.
        #[arg(long, conflicts_with = "room", required_unless_present = "room")]
        user: Option<String>,
        /// Leads into this room.
        #[arg(long)]
        room: Option<String>,
        /// What callers have to press for the room: digits, or @FILE.
        #[arg(long, requires = "room")]
        pin: Option<String>,
        /// Who pays; the user's account when absent.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Give a number up.
    Remove(Named),
}

#[derive(Subcommand)]
pub enum Account {
    /// Accounts and what they have.
    List(Server),
    /// One account, by its id or its user's number.
    Show(Named),
    /// Change an account; what is not given stays. --status active lifts a suspension.
    Change(AccountChange),
    /// Note that an account has proven a number to be its own.
    AddCallerId(CallerId),
    /// Take a caller ID back.
    RemoveCallerId(CallerId),
    /// Add credit.
    TopUp(Money),
    /// Give credit back for a call.
    Refund(Money),
    /// Correct the books; below zero takes money away.
    Adjust(Money),
    /// What went in and out, newest first.
    Statement(Named),
}

#[derive(Args)]
pub struct AccountChange {
    /// Its id, or its user's number.
    pub name: String,
    /// Another plan.
    #[arg(long)]
    pub plan: Option<String>,
    /// active, suspended or closed.
    #[arg(long)]
    pub status: Option<String>,
    /// The riskiest destinations that it may call; empty for its plan's.
    #[arg(long)]
    pub tier: Option<String>,
    /// How far below zero it may go, in main units.
    #[arg(long)]
    pub credit_limit: Option<String>,
    /// Where it dials from, as two letters.
    #[arg(long)]
    pub country: Option<String>,
    /// What operators want to know about it.
    #[arg(long)]
    pub note: Option<String>,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Args)]
pub struct CallerId {
    /// The account's id, or its user's number.
    pub name: String,
    /// In E.164.
    pub number: String,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Args)]
pub struct Money {
    /// The account's id, or its user's number.
    pub name: String,
    /// How much, in main units such as 10.00.
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
    /// Why, for whoever reads the books later.
    #[arg(long)]
    pub reason: String,
    /// Of your own choice, such as an invoice's number: asking again with the same one moves nothing again.
    #[arg(long)]
    pub key: String,
    /// The record that is refunded.
    #[arg(long)]
    pub cdr: Option<String>,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Subcommand)]
pub enum Fraud {
    /// The rules of this installation; with none the built-in ones hold.
    Rules(Server),
    /// Add a rule, or replace the one of this name.
    Put {
        /// Its name, which is the reason code of its decisions.
        name: String,
        /// Do not use it.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        server: Server,
    },
    /// Remove a rule; its decisions stay.
    Remove(Named),
    /// What was decided, newest first.
    Decisions {
        /// About this account only: an id, or its user's number.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Note what is said about a decision.
    Appeal {
        /// Its number.
        seq: u64,
        /// What is said.
        note: String,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Subcommand)]
pub enum Call {
    /// Draw the SIP messages of a phone leg, or of the leg of a record.
    Ladder(Ladder),
}

#[derive(Args)]
pub struct Ladder {
    /// PH_… or CD_…
    pub id: String,
    /// Show phone numbers.
    #[arg(long)]
    pub numbers: bool,
    #[command(flatten)]
    pub server: Server,
}
