//! The headers of a message: an ordered list of names and texts, and typed readers on top.
//!
//! A [`Headers`] keeps what came in the order it came. [`Value`] is what a header's text means; a
//! [`Value`] becomes a [`Text`] with `Text::from(&value)`, so writing is
//! `headers.push(Name::CSeq, &cseq)` and reading is `headers.cseq()`.

mod address;
mod name;
mod params;
mod typed;
mod value;
mod via;

use core::fmt;

use crate::text::Text;

pub use address::{Contacts, NameAddr};
pub use name::Name;
pub use params::Params;
pub use value::{
    CSeq, MediaType, RAck, ReasonValue, Refresher, Replaces, RetryAfter, SessionExpires, Warning,
};
pub use via::{Transport, Via};

/// Most values read of one comma-separated header: a request that passed 70 hops (RFC 3261 §8.1.1.6)
/// has 71 Vias.
pub const MAX_LIST: usize = 128;

/// What the text of a header, or one element of its list, means.
pub trait Value: Sized {
    /// Text to value.
    fn parse(bytes: &[u8]) -> Option<Self>;

    /// Append as text.
    fn write(&self, out: &mut Vec<u8>);
}

impl<T: Value> From<&T> for Text {
    fn from(value: &T) -> Self {
        let mut out = Vec::new();
        value.write(&mut out);
        Self::new(out)
    }
}

/// A header that is not there or does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadHeader {
    /// Which.
    pub name: Name,
    /// How.
    pub flaw: Flaw,
}

/// What may be wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It must be there.
    Missing,
    /// It may only be there once.
    Repeated,
    /// Its text is not of the right form, or a number is out of range.
    Malformed,
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.name {
            Name::Other(_) => "a".into(),
            name => String::from_utf8_lossy(name.as_bytes()).into_owned(),
        };
        let flaw = match self.flaw {
            Flaw::Missing => "missing",
            Flaw::Repeated => "repeated",
            Flaw::Malformed => "malformed",
        };
        write!(f, "{name} header {flaw}")
    }
}

impl std::error::Error for BadHeader {}

/// Headers in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers {
    entries: Vec<(Name, Text)>,
}

impl Headers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Text)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// The first with this name.
    pub fn get(&self, name: &Name) -> Option<&Text> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Every one with this name.
    pub fn all<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Text> + 'a {
        self.entries.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// Add one after the others.
    pub fn push(&mut self, name: Name, value: impl Into<Text>) {
        self.entries.push((name, value.into()));
    }

    /// Add one before the others.
    pub fn push_front(&mut self, name: Name, value: impl Into<Text>) {
        self.entries.insert(0, (name, value.into()));
    }

    /// Let there be one with this name, where the first was or after the others.
    pub fn set(&mut self, name: Name, value: impl Into<Text>) {
        let place = self.entries.iter().position(|(known, _)| *known == name);
        self.remove(&name);
        let place = place.unwrap_or(self.entries.len());
        self.entries.insert(place, (name, value.into()));
    }

    /// Take away every one with this name.
    pub fn remove(&mut self, name: &Name) {
        self.entries.retain(|(known, _)| known != name);
    }

    /// The value of a header that must be there once.
    pub fn one<T: Value>(&self, name: Name) -> Result<T, BadHeader> {
        match self.optional(name.clone())? {
            Some(value) => Ok(value),
            None => Err(BadHeader { name, flaw: Flaw::Missing }),
        }
    }

    /// The value of a header that may be there once.
    pub fn optional<T: Value>(&self, name: Name) -> Result<Option<T>, BadHeader> {
        let mut texts = self.all(&name);
        let Some(text) = texts.next() else { return Ok(None) };
        let value = T::parse(text.as_bytes());
        let flaw = match (value, texts.next()) {
            (_, Some(_)) => Flaw::Repeated,
            (Some(value), None) => return Ok(Some(value)),
            (None, None) => Flaw::Malformed,
        };
        drop(texts);
        Err(BadHeader { name, flaw })
    }

    /// Every element of a comma-separated header, over all its lines. Empty elements are passed over.
    pub fn list<T: Value>(&self, name: Name) -> Result<Vec<T>, BadHeader> {
        let mut values = Vec::new();
        let lines = self.all(&name).flat_map(|text| crate::scan::split(text.as_bytes(), b','));
        let mut whole = true;
        for element in lines.filter(|element| !element.is_empty()) {
            match T::parse(element) {
                Some(value) if values.len() < MAX_LIST => values.push(value),
                _ => whole = false,
            }
        }
        if whole { Ok(values) } else { Err(BadHeader { name, flaw: Flaw::Malformed }) }
    }
}

impl<'a> Extend<(&'a Name, &'a Text)> for Headers {
    fn extend<I: IntoIterator<Item = (&'a Name, &'a Text)>>(&mut self, headers: I) {
        for (name, value) in headers {
            self.push(name.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests;
