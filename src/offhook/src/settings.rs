//! From the configuration file to the settings of each part.

pub mod phone;

use std::time::Duration;

use anyhow::Context;
use offhook_signaling::account;
use offhook_signaling::limit::Rate;
use offhook_signaling::webhook::Webhook;

use crate::config::{CodeDelivery, Config};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The media node's settings.
pub fn media(config: &Config) -> offhook_media::Config {
    let media = &config.media;
    let cores = std::thread::available_parallelism()
        .map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX));
    let defaults = offhook_media::Config::default();
    offhook_media::Config {
        bind: media.bind,
        base_port: media.udp_port,
        workers: if media.workers == 0 { cores } else { media.workers },
        pin: media.pin,
        advertise: media.advertise.clone(),
        handshake_threads: media.handshake_threads,
        tunnels: config.quic.enabled,
        receive_buffer: media.socket_buffer_bytes,
        send_buffer: media.socket_buffer_bytes,
        voices: media.voices,
        stream_ports: media.tcp_ports.clone(),
        stream_tls: (!media.tls_certificate.as_os_str().is_empty()).then(|| {
            offhook_media::StreamTls {
                certificate: media.tls_certificate.clone(),
                key: media.tls_key.clone(),
            }
        }),
        stream_only: media.tcp_only,
        limits: offhook_media::Limits {
            legs_per_worker: media.legs_per_worker,
            ingress_per_leg: media.tracks_per_leg,
            egress_per_leg: media.receivers_per_leg,
            packets_per_second: media.packets_per_second,
            bits_per_second: media.bits_per_second,
            handshakes: media.handshakes,
            streams: media.streams,
            streams_per_address: media.streams_per_address,
            slots: media.slots,
            message_bytes: media.message_bytes,
            ..defaults.limits
        },
        congestion: offhook_media::congestion::Limits {
            start: media.start_bitrate,
            min: media.min_bitrate,
            max: media.max_bitrate,
        },
        timeouts: offhook_media::Timeouts {
            setup: ms(media.setup_timeout_ms),
            consent: ms(media.consent_timeout_ms),
            linger: Duration::from_micros(media.linger_us.min(1000)),
            ..defaults.timeouts
        },
    }
}

/// The QUIC endpoints beside the media workers.
pub fn quic(config: &Config) -> offhook_quic::Config {
    let (quic, defaults) = (&config.quic, offhook_quic::Config::default());
    let files = || (quic.certificate.clone().into(), quic.key.clone().into());
    offhook_quic::Config {
        bind: config.media.bind,
        // Where the workers take any port, so do the endpoints beside them.
        base_port: if config.media.udp_port == 0 { 0 } else { quic.udp_port },
        certificate: (!quic.certificate.is_empty()).then(files),
        socket_buffer: config.media.socket_buffer_bytes,
        limits: offhook_quic::Limits {
            connections: quic.connections,
            connections_per_address: quic.connections_per_address,
            ..defaults.limits
        },
        idle_timeout: ms(quic.idle_timeout_ms),
        join_timeout: ms(quic.join_timeout_ms),
        send_delay: ms(quic.send_delay_ms),
    }
}

/// The door of native clients.
pub fn quic_door(config: &Config) -> offhook_signaling::quic::Config {
    offhook_signaling::quic::Config { messages_per_second: config.rooms.messages_per_second }
}

/// Limits and timers of rooms.
pub fn rooms(config: &Config) -> offhook_signaling::rooms::Config {
    let rooms = &config.rooms;
    let defaults = offhook_signaling::rooms::Config::default();
    let cores = std::thread::available_parallelism()
        .map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX));
    offhook_signaling::rooms::Config {
        rooms: offhook_call::room::Config {
            max_rooms: rooms.max_rooms,
            max_participants: rooms.participants_per_room,
            max_tracks: rooms.tracks_per_participant,
            max_metadata_bytes: rooms.metadata_bytes,
            empty_timeout: Duration::from_secs(rooms.empty_timeout_s),
            departure_timeout: Duration::from_secs(rooms.departure_timeout_s),
            ..defaults.rooms
        },
        shards: cores,
        ..defaults
    }
}

/// Limits and timers of calls.
pub fn calls(config: &Config) -> offhook_signaling::calls::Options {
    let calls = &config.calls;
    let defaults = offhook_signaling::calls::Options::default();
    offhook_signaling::calls::Options {
        calls: offhook_call::Config {
            no_answer_timeout: ms(calls.no_answer_ms),
            ring_ack_timeout: ms(calls.ring_ack_ms),
            join_timeout: ms(calls.join_ms),
            reconnect_grace: ms(calls.reconnect_ms),
            max_duration: Duration::from_secs(calls.longest_s),
            max_calls: calls.max_calls,
            places_per_minute: calls.places_per_minute,
            place_burst: calls.places_per_minute.div_ceil(2),
            ..defaults.calls
        },
        media_url: config.http.media_url.clone(),
        ..defaults
    }
}

/// Sign-up, tokens and their limits.
pub fn accounts(config: &Config) -> anyhow::Result<account::Config> {
    let accounts = &config.accounts;
    let delivery = match accounts.code_delivery {
        CodeDelivery::None => account::Delivery::None,
        CodeDelivery::Log => account::Delivery::Log,
        CodeDelivery::Webhook => {
            let webhook = Webhook::new(&accounts.code_webhook_url, &accounts.code_webhook_secret.0);
            account::Delivery::Webhook(
                webhook.context("[accounts] code_webhook_url, code_webhook_secret")?,
            )
        }
    };
    let defaults = account::Config::default();
    Ok(account::Config {
        delivery,
        fixed_code: (!accounts.fixed_code.is_empty()).then(|| accounts.fixed_code.clone()),
        code_lifetime: Duration::from_secs(accounts.code_expires_s),
        code_attempts: accounts.code_attempts,
        access_lifetime: Duration::from_secs(accounts.access_token_s),
        refresh_lifetime: Duration::from_secs(accounts.refresh_token_s),
        devices_per_user: accounts.devices_per_user,
        trusted_proxies: config.http.trusted_proxies.clone(),
        limits: account::Limits {
            codes_per_number: Rate::per_hour(accounts.codes_per_number_per_hour),
            codes_per_address: Rate::per_hour(accounts.codes_per_address_per_hour),
            codes_in_all: Rate::per_minute(accounts.codes_per_minute),
            ..defaults.limits
        },
        ..defaults
    })
}

/// Sessions of devices.
pub fn client(config: &Config) -> offhook_signaling::client::Config {
    offhook_signaling::client::Config {
        resume_window: ms(config.calls.resume_window_ms),
        origins: config.http.allowed_origins.clone(),
        ..Default::default()
    }
}

/// Media sessions of LiveKit clients.
pub fn livekit(config: &Config) -> offhook_signaling::livekit::Config {
    let rooms = &config.rooms;
    offhook_signaling::livekit::Config {
        max_message_bytes: rooms.message_bytes,
        max_data_bytes: config.media.message_bytes,
        messages_per_s: rooms.messages_per_second,
        message_burst: rooms.messages_per_second.saturating_mul(10),
        resume_grace: ms(rooms.resume_ms),
        ..Default::default()
    }
}

/// WHIP and WHEP sessions.
pub fn whip(config: &Config) -> offhook_signaling::whip::Config {
    offhook_signaling::whip::Config { max_body: config.rooms.message_bytes, ..Default::default() }
}
