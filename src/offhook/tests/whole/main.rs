//! Stories about the real binary over loopback, one file each, all linked into one test program.

mod authority;
mod baresip;
mod caller;
mod far_end;
mod faults;
mod hostile_http;
mod hostile_media_port;
mod hostile_tokens;
mod kamailio;
mod load;
mod operators;
mod phone;
mod phone_baresip;
mod phone_baresip_secret;
mod phone_caller;
mod phone_kamailio;
mod phone_login;
mod phone_pin;
mod phone_sipp_caller;
mod phone_sipp_carrier;
mod python_livekit;
mod server;
mod sip_torture;
mod sipp;
mod startup;
mod whip_whep_aiortc;
