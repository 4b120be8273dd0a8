//! `offhook token create`.

use std::time::Duration;

use anyhow::Context;
use offhook_signaling::token::{Claims, Keys};

use crate::TokenCreate;
use crate::config::Config;

/// A token as wished, signed with a key of the configuration.
pub fn create(config: &Config, wish: &TokenCreate) -> anyhow::Result<String> {
    let mut claims = Claims::join(&wish.room, &wish.identity);
    claims.name.clone_from(&wish.name);
    claims.iss = wish.key.clone().unwrap_or_default();
    claims.video.room_admin = wish.admin;
    claims.video.can_publish = wish.listen_only.then_some(false);
    keys(config)
        .mint(&claims, Duration::from_secs(wish.valid_for))
        .context("[api_keys] has no such key; add one to the configuration")
}

/// The configured API keys.
pub fn keys(config: &Config) -> Keys {
    Keys::new(config.api_keys.iter().map(|(key, secret)| (key.clone(), secret.0.clone())))
}
