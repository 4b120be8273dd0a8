//! `application/trickle-ice-sdpfrag` (RFC 8840 §9): what WHIP and WHEP clients send with PATCH, and
//! what an ICE restart is answered with. A fragment is lines of a description without its head, so
//! the grammar is small and read here.

use core::fmt;

use offhook_types::Mid;
use offhook_types::media::IceCredentials;

use super::parse::ice_text;
use super::{Candidate, MAX_LINE, MAX_LIST, Place, SdpError};

/// A fragment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragment {
    /// The author's credentials; they say which generation of ICE this is about.
    pub ice: Option<IceCredentials>,
    /// The author is an ICE lite agent.
    pub ice_lite: bool,
    /// The section that it speaks of, the first of the bundle.
    pub mid: Option<Mid>,
    /// Candidates.
    pub candidates: Vec<Candidate>,
    /// No more will follow.
    pub end_of_candidates: bool,
}

/// A description's worth of lines; a fragment has no reason to be longer.
const MAX_FRAGMENT: usize = 64 * 1024;

impl Fragment {
    /// Text to values. Attributes that do not concern ICE are passed over.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_FRAGMENT {
            return Err(SdpError::TooLong { what: "the fragment", limit: MAX_FRAGMENT });
        }
        let mut fragment = Self::default();
        let (mut ufrag, mut pwd) = (None, None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.len() > MAX_LINE {
                return Err(SdpError::TooLong { what: "a line", limit: MAX_LINE });
            }
            let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1)
            else {
                if line.is_empty() {
                    continue;
                }
                return Err(SdpError::Line(index.saturating_add(1)));
            };
            if kind != "a" {
                continue;
            }
            let (name, value) = value.split_once(':').unwrap_or((value, ""));
            match name {
                "ice-ufrag" => ufrag = Some(ice_text(value, 4).ok_or_else(|| bad("ice-ufrag"))?),
                "ice-pwd" => pwd = Some(ice_text(value, 22).ok_or_else(|| bad("ice-pwd"))?),
                _ => fragment.attribute(name, value)?,
            }
        }
        fragment.ice = match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => Some(IceCredentials { ufrag, pwd }),
            (None, None) => None,
            (Some(_), None) => return Err(bad("ice-pwd")),
            (None, Some(_)) => return Err(bad("ice-ufrag")),
        };
        Ok(fragment)
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), SdpError> {
        match name {
            "mid" if self.mid.is_none() => {
                self.mid = Some(Mid::new(value.as_bytes()).ok_or_else(|| bad("mid"))?);
            }
            "candidate" => {
                self.candidates.push(value.parse()?);
                if self.candidates.len() > MAX_LIST {
                    return Err(SdpError::TooMany { what: "candidates", limit: MAX_LIST });
                }
            }
            "ice-lite" => self.ice_lite = true,
            "end-of-candidates" => self.end_of_candidates = true,
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ice_lite {
            f.write_str("a=ice-lite\r\n")?;
        }
        if let Some(ice) = &self.ice {
            write!(f, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", ice.ufrag, ice.pwd)?;
        }
        if let Some(mid) = self.mid {
            // RFC 8840 §9: the pseudo media line says nothing, it only opens the section.
            write!(f, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n")?;
        }
        for candidate in &self.candidates {
            write!(f, "a=candidate:{candidate}\r\n")?;
        }
        if self.end_of_candidates {
            f.write_str("a=end-of-candidates\r\n")?;
        }
        Ok(())
    }
}

fn bad(attribute: &'static str) -> SdpError {
    SdpError::Attribute { attribute, place: Place::Session }
}
