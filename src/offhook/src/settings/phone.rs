//! The settings of the phone gateway's parts.

use std::path::PathBuf;
use std::time::Duration;

use offhook_billing::authorize::Slicing;
use offhook_billing::cdr::Policy;
use offhook_bridge as bridge;
use offhook_gateway::exchange::{self, Newcomer};
use offhook_gateway::gateway;
use offhook_gateway::leg::Limits;
use offhook_gateway::transport;
use offhook_gateway::{books, retention, webhook};

use crate::config::Phone;

const fn days(many: u64) -> Duration {
    Duration::from_secs(many.saturating_mul(24 * 3600))
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The whole gateway.
pub fn gateway(phone: &Phone) -> gateway::Config {
    let calls = &phone.calls;
    let limits = Limits {
        ring: s(calls.ring_s),
        attempts: calls.attempts,
        redirections: calls.redirections,
        pin_tries: calls.pin_tries,
        ..Limits::default()
    };
    let options = exchange::Options {
        limits,
        slicing: slicing(phone),
        quote_valid: s(phone.money.quote_valid_s),
        legs: calls.legs,
        bridge: bridge(phone),
        newcomer: newcomer(phone),
        ladder_steps: calls.ladder_steps,
        ..exchange::Options::default()
    };
    let (agent, bridges) = (offhook_sip::agent::Config::default(), bridges(phone));
    gateway::Config { sip: sip(phone), agent, bridges, options }
}

/// Where SIP is spoken.
fn sip(phone: &Phone) -> transport::Options {
    let sip = &phone.sip;
    let named = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
    transport::Options {
        udp: sip.udp.clone(),
        tcp: sip.tcp.clone(),
        tls: sip.tls.clone(),
        advertise: sip.host(),
        certificate: named(&sip.tls_certificate).zip(named(&sip.tls_key)),
        authorities: named(&sip.tls_authorities),
        connections: sip.connections,
        connections_per_address: sip.connections_per_address,
    }
}

/// How the books are kept. What the webhook is told is written with them.
pub fn books(phone: &Phone) -> books::Config {
    let told = !phone.webhook.url.is_empty();
    books::Config {
        message: told.then_some(webhook::closed),
        decided: told.then_some(webhook::decided),
        ..books::Config::default()
    }
}

/// How calls are paid for.
fn slicing(phone: &Phone) -> Slicing {
    let money = &phone.money;
    Slicing {
        length: s(money.slice_s),
        least: s(money.least_s),
        warning: s(money.warning_s),
        lead: s(money.lead_s),
        longest: s(money.longest_s),
    }
}

/// What new accounts start with.
pub fn newcomer(phone: &Phone) -> Newcomer {
    let money = &phone.money;
    let (currency, credit) = (money.currency(), money.initial_credit());
    Newcomer { plan: money.plan.clone(), currency, credit }
}

/// Where phone media comes and goes.
fn bridges(phone: &Phone) -> bridge::Config {
    let media = &phone.media;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let announcements = &media.announcements;
    bridge::Config {
        workers: if media.workers == 0 { cores } else { media.workers },
        bridges_per_worker: media.bridges_per_worker,
        carrier_bind: media.bind,
        carrier_advertise: media.advertise.unwrap_or(media.bind),
        ports: media.first_port..=media.last_port,
        relay_bind: media.relay,
        relay_advertise: media.relay,
        announcements: (!announcements.as_os_str().is_empty()).then(|| announcements.clone()),
    }
}

/// How each bridge is opened.
fn bridge(phone: &Phone) -> bridge::Options {
    let options = bridge::Options::default();
    // After a crash a call is charged until what was stored last: twice in each slice at least.
    let evidence_interval = options.evidence_interval.min(slicing(phone).length / 2);
    bridge::Options { media_timeout: s(phone.media.silence_s), evidence_interval, ..options }
}

/// What is kept for how long.
pub fn retention(phone: &Phone) -> retention::Config {
    let records = &phone.records;
    retention::Config {
        cdrs: Policy {
            numbers_whole: days(records.numbers_whole_days),
            hidden_digits: records.hidden_digits,
            kept: days(records.cdr_days),
        },
        ladder: days(records.ladder_days),
        decisions: days(records.decision_days),
        quality: days(records.quality_days),
        deck_versions: records.deck_versions,
        every: s(records.visit_s),
    }
}

/// Who is told of closed records and decisions; `None` is nobody.
pub fn webhook(phone: &Phone) -> Option<webhook::Config> {
    let hook = &phone.webhook;
    (!hook.url.is_empty()).then(|| webhook::Config {
        url: hook.url.clone(),
        secret: hook.secret.0.clone(),
        give_up: days(hook.give_up_days),
        ..webhook::Config::default()
    })
}
