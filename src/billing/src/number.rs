//! What a number is before anything is looked up: an emergency number, a country's number, and the form
//! in which a trunk wants it. Reading what people type is done at the edge, by `offhook_wire::number`.

mod country;
mod emergency;
mod format;

pub use country::{BadCountry, Country};
pub use emergency::{Service, service};
pub use format::{BadFormat, Format};
