//! Values to bytes. There is one way to write each thing, and none to write a line break inside a
//! line: names are tokens, and every value is a [`Text`](crate::text::Text).

use crate::header::{Headers, Name};
use crate::message::{Request, Response};
use crate::scan;
use crate::uri::{Escaped, Host, HostPort, SipUri, Uri};

pub(crate) fn request(request: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(CAPACITY + request.body.len());
    push_token(&mut out, request.method.name());
    out.push(b' ');
    request.uri.write(&mut out);
    out.extend(b" SIP/2.0\r\n");
    rest(&request.headers, &request.body, out)
}

pub(crate) fn response(response: &Response) -> Vec<u8> {
    let mut out = Vec::with_capacity(CAPACITY + response.body.len());
    out.extend(b"SIP/2.0 ");
    out.extend(response.status.clamp(100, 699).to_string().into_bytes());
    out.push(b' ');
    out.extend(response.reason.as_bytes());
    out.extend(b"\r\n");
    rest(&response.headers, &response.body, out)
}

fn rest(headers: &Headers, body: &[u8], mut out: Vec<u8>) -> Vec<u8> {
    for (name, value) in headers.iter().filter(|(name, _)| **name != Name::ContentLength) {
        push_token(&mut out, name.as_bytes());
        out.extend(b": ");
        out.extend(value.as_bytes());
        out.extend(b"\r\n");
    }
    out.extend(b"Content-Length: ");
    out.extend(body.len().to_string().into_bytes());
    out.extend(b"\r\n\r\n");
    out.extend(body);
    out
}

impl Uri {
    /// Append as text.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sip(uri) => uri.write(out),
            Self::Tel(uri) => {
                out.extend(b"tel:");
                push_graphic(out, uri.number.as_bytes());
                params(out, &uri.params);
            }
            Self::Other(text) => push_graphic(out, text.as_bytes()),
        }
    }

    /// As text.
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl SipUri {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(if self.secure { &b"sips:"[..] } else { b"sip:" });
        if let Some(user) = &self.user {
            out.extend(user.as_bytes());
            if let Some(password) = &self.password {
                out.push(b':');
                out.extend(password.as_bytes());
            }
            out.push(b'@');
        }
        self.at.write(out);
        params(out, &self.params);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            out.push(if index == 0 { b'?' } else { b'&' });
            out.extend(name.as_bytes());
            out.push(b'=');
            out.extend(value.as_bytes());
        }
    }
}

impl HostPort {
    /// Append as text.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.host.to_string().into_bytes());
        if let Some(port) = self.port {
            out.push(b':');
            out.extend(port.to_string().into_bytes());
        }
    }
}

impl core::fmt::Display for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ip(core::net::IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(_) => f.write_str(self.name().unwrap_or_default()),
        }
    }
}

fn params(out: &mut Vec<u8>, params: &[(Escaped, Option<Escaped>)]) {
    for (name, value) in params {
        out.push(b';');
        out.extend(name.as_bytes());
        if let Some(value) = value {
            out.push(b'=');
            out.extend(value.as_bytes());
        }
    }
}

fn push_token(out: &mut Vec<u8>, name: &[u8]) {
    out.extend(name.iter().filter(|&&byte| scan::is_token_byte(byte)));
}

fn push_graphic(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().filter(|byte| !byte.is_ascii_control() && !b" <>\"".contains(byte)));
}

/// A typical INVITE with its headers, so that one allocation does.
const CAPACITY: usize = 1024;

#[cfg(test)]
mod tests;
