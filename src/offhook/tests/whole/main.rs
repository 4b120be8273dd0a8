//! Stories about the real binary over loopback, one file each, all linked into one test program.

mod hostile_http;
mod hostile_media_port;
mod hostile_tokens;
mod operators;
mod python_livekit;
mod server;
mod startup;
mod whip_whep_aiortc;
