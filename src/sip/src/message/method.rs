//! What a request asks for.

use crate::text::Text;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// The method of a request. Methods are compared with their case (RFC 3261 §7.1).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)+
            /// Any other token.
            Other(Text),
        }

        impl Method {
            /// The method with this name.
            pub fn from_name(name: &[u8]) -> Self {
                match name {
                    $(name if name == $name.as_bytes() => Self::$variant,)+
                    other => Self::Other(Text::new(other)),
                }
            }

            /// Its name.
            pub fn name(&self) -> &[u8] {
                match self {
                    $(Self::$variant => $name.as_bytes(),)+
                    Self::Other(name) => name.as_bytes(),
                }
            }
        }
    };
}

methods! {
    /// Opens a session, or changes it (RFC 3261).
    Invite = "INVITE",
    /// Confirms the final response to an INVITE (RFC 3261).
    Ack = "ACK",
    /// Ends a session (RFC 3261).
    Bye = "BYE",
    /// Takes an INVITE back (RFC 3261).
    Cancel = "CANCEL",
    /// Asks what the other can do; whether it is there (RFC 3261).
    Options = "OPTIONS",
    /// Says where a user is (RFC 3261).
    Register = "REGISTER",
    /// Confirms a provisional response (RFC 3262).
    Prack = "PRACK",
    /// Changes a session before its answer (RFC 3311).
    Update = "UPDATE",
    /// Carries something inside a dialog, such as digits (RFC 6086).
    Info = "INFO",
    /// Asks to call somebody else (RFC 3515).
    Refer = "REFER",
    /// Reports (RFC 6665).
    Notify = "NOTIFY",
    /// Asks for reports (RFC 6665).
    Subscribe = "SUBSCRIBE",
    /// Carries a text (RFC 3428).
    Message = "MESSAGE",
    /// Reports to a server (RFC 3903).
    Publish = "PUBLISH",
}
