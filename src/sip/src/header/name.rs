//! Names of headers.

use crate::text::Text;

macro_rules! names {
    ($($variant:ident = $name:literal $(| $compact:literal)?,)+) => {
        /// The name of a header. Compact forms (RFC 3261 §7.3.3 and the IANA registry) are the same
        /// names; case does not matter.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Name {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
            /// Any other, in lower case.
            Other(Text),
        }

        impl Name {
            /// The header with this name, long or compact. What is no token is no name.
            pub fn parse(name: &[u8]) -> Option<Self> {
                let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
                $(if is($name) $(|| is($compact))? { return Some(Self::$variant); })+
                let known = crate::scan::is_token(name);
                known.then(|| Self::Other(Text::new(name.to_ascii_lowercase())))
            }

            /// As it is written.
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Self::$variant => $name.as_bytes(),)+
                    Self::Other(name) => name.as_bytes(),
                }
            }
        }
    };
}

names! {
    Via = "Via" | "v",
    From = "From" | "f",
    To = "To" | "t",
    CallId = "Call-ID" | "i",
    CSeq = "CSeq",
    Contact = "Contact" | "m",
    MaxForwards = "Max-Forwards",
    ContentLength = "Content-Length" | "l",
    ContentType = "Content-Type" | "c",
    ContentEncoding = "Content-Encoding" | "e",
    ContentDisposition = "Content-Disposition",
    Route = "Route",
    RecordRoute = "Record-Route",
    Allow = "Allow",
    Supported = "Supported" | "k",
    Require = "Require",
    ProxyRequire = "Proxy-Require",
    Unsupported = "Unsupported",
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    Expires = "Expires",
    MinExpires = "Min-Expires",
    SessionExpires = "Session-Expires" | "x",
    MinSe = "Min-SE",
    RSeq = "RSeq",
    RAck = "RAck",
    Authorization = "Authorization",
    WwwAuthenticate = "WWW-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyAuthenticate = "Proxy-Authenticate",
    AuthenticationInfo = "Authentication-Info",
    Reason = "Reason",
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    Privacy = "Privacy",
    Diversion = "Diversion",
    ReferTo = "Refer-To" | "r",
    ReferredBy = "Referred-By" | "b",
    ReferSub = "Refer-Sub",
    Replaces = "Replaces",
    RetryAfter = "Retry-After",
    Warning = "Warning",
    Event = "Event" | "o",
    AllowEvents = "Allow-Events" | "u",
    SubscriptionState = "Subscription-State",
    Subject = "Subject" | "s",
    UserAgent = "User-Agent",
    Server = "Server",
    Timestamp = "Timestamp",
    Date = "Date",
    Path = "Path",
    ServiceRoute = "Service-Route",
    Identity = "Identity" | "y",
}
