//! A telephone company on a laptop: takes calls over SIP and does with each what the last two digits of
//! the number say, and calls when it is told to. People hear tones; tests read its lines of JSON.
//!
//! | digits | what happens |
//! |---|---|
//! | 01 | rings for a second, answers, plays 440 Hz |
//! | 02 | rings, answers, plays what it hears after half a second |
//! | 03 | busy (486) |
//! | 04 | rings until the caller gives up |
//! | 05 | an announcement of two tones before the answer (183), answers after 3 s |
//! | 06 | the same announcement, then the number does not exist (404, cause 1) |
//! | 07 | rings, answers, beeps as often as each digit says |
//! | 08 | like 01, puts the caller on hold after 3 s and takes the call back after 3 more |
//! | 09 | like 01, hangs up after 5 s |
//! | 10 | declines (603) |
//! | 11 | out of service (503) |
//! | 12 | like 01, never answers a BYE |
//! | 13 | redirects (302) to the number that ends in 01 |
//! | 14 | like 01, asks for an offer with a re-INVITE after a second |
//! | 15 | answers at once, never sends a media packet |
//! | 16 | like 01, asks after 2 s that the number that ends in 01 be called instead (REFER) |
//! | 17 | answers at once and is silent: comfort noise and RTCP |
//!
//! Every other number does what 01 does, and so do numbers of less than four digits.

mod control;
mod description;
mod digits;
mod g711;
mod line;
mod media;
mod news;
mod reception;
mod script;
mod sockets;
mod sound;
mod switch;
mod tap;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Write};
use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use control::Control;
use news::News;
use switch::{Inbox, Setup, Switch};

/// How a carrier is started.
#[derive(Args, Debug)]
pub struct Listen {
    /// Where SIP and media are taken.
    #[arg(long, default_value = "127.0.0.1:5070")]
    listen: SocketAddr,
    /// Take SIP over TCP too, and send the carrier's own calls over TCP.
    #[arg(long)]
    tcp: bool,
    /// Where the carrier's own calls go.
    #[arg(long, default_value = "127.0.0.1:5060")]
    via: SocketAddr,
    /// Place a call at once; may be given several times.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], action = clap::ArgAction::Append)]
    call: Vec<String>,
    /// Tell nothing on the standard output.
    #[arg(long)]
    quiet: bool,
}

/// Runs a carrier until `quit` comes on the standard input, or SIGTERM or SIGINT.
pub async fn run(options: Listen) -> Result<()> {
    let Listen { listen, tcp, via, call, quiet } = options;
    let (news, mut told) = mpsc::unbounded_channel();
    let seed = u64::from(std::process::id());
    let setup = Setup { listen, tcp, via, seed };
    let switch = Switch::open(setup, news.clone()).await?;
    for pair in call.chunks_exact(2) {
        if let [from, to] = pair {
            let (from, to) = (from.clone(), to.clone());
            let _ = switch.notes().send(Inbox::Control(Control::Call { from, to }));
        }
    }
    let notes = switch.notes();
    std::thread::spawn(move || read_controls(&notes, &news));
    tokio::spawn(quit_at_signal(switch.notes()));
    let printer = tokio::spawn(async move {
        while let Some(news) = told.recv().await {
            if !quiet {
                print(&news);
            }
        }
    });
    let done = switch.run().await;
    // What was told last is still to be printed; the reader of the standard input may wait for ever.
    let _ = tokio::time::timeout(LAST_WORDS, printer).await;
    done
}

/// The end of the standard input is no reason to quit: it is nothing where the carrier is in the
/// background.
fn read_controls(notes: &mpsc::UnboundedSender<Inbox>, news: &mpsc::UnboundedSender<News>) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let sent = match Control::parse(&line) {
            Ok(control) => notes.send(Inbox::Control(control)).is_ok(),
            Err(why) => news.send(News::Unknown { why }).is_ok(),
        };
        if !sent {
            return;
        }
    }
}

async fn quit_at_signal(notes: mpsc::UnboundedSender<Inbox>) {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt)] = kinds else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = notes.send(Inbox::Control(Control::Quit));
}

/// One line; whoever read them may be gone.
fn print(news: &News) {
    if let Ok(line) = serde_json::to_string(news) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(100);
