//! Stories about the real binary over loopback, one file each, all linked into one test program.

mod python_livekit;
mod server;
mod startup;
mod whip_whep_aiortc;
