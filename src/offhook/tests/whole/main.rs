//! Stories about the real binary over loopback, one file each, all linked into one test program.

mod caller;
mod hostile_http;
mod hostile_media_port;
mod hostile_tokens;
mod operators;
mod phone;
mod phone_caller;
mod python_livekit;
mod server;
mod startup;
mod whip_whep_aiortc;
