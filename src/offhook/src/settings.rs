//! From the configuration file to the settings of each part.

use std::time::Duration;

use crate::config::Config;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The media node's settings.
pub fn media(config: &Config) -> offhook_media::Config {
    let media = &config.media;
    let cores = std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX));
    let defaults = offhook_media::Config::default();
    offhook_media::Config {
        bind: media.bind,
        base_port: media.udp_port,
        workers: if media.workers == 0 { cores } else { media.workers },
        pin: media.pin,
        advertise: media.advertise.clone(),
        handshake_threads: media.handshake_threads,
        receive_buffer: media.socket_buffer_bytes,
        send_buffer: media.socket_buffer_bytes,
        limits: offhook_media::Limits {
            legs_per_worker: media.legs_per_worker,
            ingress_per_leg: media.tracks_per_leg,
            egress_per_leg: media.receivers_per_leg,
            packets_per_second: media.packets_per_second,
            bits_per_second: media.bits_per_second,
            handshakes: media.handshakes,
            slots: media.slots,
            message_bytes: media.message_bytes,
            ..defaults.limits
        },
        timeouts: offhook_media::Timeouts {
            setup: ms(media.setup_timeout_ms),
            consent: ms(media.consent_timeout_ms),
            ..defaults.timeouts
        },
    }
}
