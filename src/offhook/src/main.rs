//! Offhook: one program that rings people, relays their media and serves the app. This crate is the only
//! place that knows which
//! parts run in this process: it reads the configuration, starts the parts and connects them. Start at [`serve`].

mod admin;
mod assets;
mod config;
mod desk;
mod listener;
mod metrics;
mod node;
mod operator;
mod phone;
mod quic;
mod serve;
mod settings;
mod telemetry;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;

/// The call server.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    Serve(ConfigFile),
    /// Media tokens.
    #[command(subcommand)]
    Token(Token),
    /// Read a configuration and say whether it can be used.
    CheckConfig(ConfigFile),
    #[command(flatten)]
    Operator(operator::Command),
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, default_value = "config/offhook.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Token {
    /// Print a token that lets an identity into a room.
    Create(TokenCreate),
}

/// What the token says.
#[derive(Args)]
struct TokenCreate {
    #[command(flatten)]
    file: ConfigFile,
    /// The room it opens.
    #[arg(long)]
    room: String,
    /// Who it is for.
    #[arg(long)]
    identity: String,
    /// Name shown to others.
    #[arg(long, default_value = "")]
    name: String,
    /// The API key to sign with; the first one of the configuration when absent.
    #[arg(long)]
    key: Option<String>,
    /// Seconds it is valid.
    #[arg(long, default_value_t = 6 * 3600)]
    valid_for: u64,
    /// May administer the room through the server API.
    #[arg(long)]
    admin: bool,
    /// May not publish.
    #[arg(long)]
    listen_only: bool,
}

fn main() -> ExitCode {
    // Before anything opens a TLS connection: one cryptographic library for the whole program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match Cli::parse().command {
        Command::Serve(file) => read(&file).and_then(run),
        Command::CheckConfig(file) => {
            read(&file).map(|_| println!("{}: good", file.config.display()))
        }
        Command::Token(Token::Create(wish)) => read(&wish.file).and_then(|config| {
            println!("{}", token::create(&config, &wish)?);
            Ok(())
        }),
        Command::Operator(command) => return finish(operator::run(command)),
    };
    finish(result.map(|()| ExitCode::SUCCESS))
}

fn finish(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("offhook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(file: &ConfigFile) -> anyhow::Result<Config> {
    Ok(Config::read(&file.config)?)
}

fn run(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve::serve(config));
    // Tasks that hang in a blocking call must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}
