//! Header extension blocks, one-byte and two-byte form (RFC 8285 §4).

/// `defined by profile` of the one-byte form (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;
/// The same of the two-byte form without its four application bits (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
    /// Some other profile: nothing in it means anything to us.
    Opaque,
}

/// The extension block of one packet. Reading is lenient as RFC 8285 §4.1.2 wants: what cannot be
/// read ends the block.
#[derive(Debug, Clone, Copy)]
pub struct Extensions<'a> {
    form: Form,
    block: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// No extensions.
    pub const NONE: Self = Self { form: Form::Opaque, block: &[] };

    /// From the 16 bits `defined by profile` and the words that follow the length.
    #[inline]
    pub const fn new(profile: u16, block: &'a [u8]) -> Self {
        let form = match profile {
            ONE_BYTE => Form::OneByte,
            _ if profile & 0xfff0 == TWO_BYTE => Form::TwoByte,
            _ => Form::Opaque,
        };
        Self { form, block }
    }

    /// Every extension as id and value. A value may be empty in the two-byte form.
    #[inline]
    pub const fn iter(&self) -> ExtensionIter<'a> {
        ExtensionIter { form: self.form, rest: self.block }
    }

    /// The value of the first extension with this id.
    #[inline]
    pub fn find(&self, id: u8) -> Option<&'a [u8]> {
        self.iter().find_map(|(found, value)| (found == id).then_some(value))
    }

    /// The `defined by profile` bits and words, to hand the block on as bytes.
    pub const fn as_raw(&self) -> (u16, &'a [u8]) {
        let profile = match self.form {
            Form::OneByte => ONE_BYTE,
            Form::TwoByte => TWO_BYTE,
            Form::Opaque => 0,
        };
        (profile, self.block)
    }
}

/// Iterates the extensions of one packet.
#[derive(Debug, Clone)]
pub struct ExtensionIter<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Iterator for ExtensionIter<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            if first == 0 {
                // Padding between elements; each turn consumes a byte, so this ends.
                self.rest = rest;
                continue;
            }
            let (id, len, rest) = match self.form {
                Form::OneByte => {
                    // Id 15 means stop reading; id 0 with a length is not allowed to be read either
                    // (§4.2).
                    let id = first >> 4;
                    if id == 15 || id == 0 {
                        self.rest = &[];
                        return None;
                    }
                    (id, usize::from(first & 0x0f) + 1, rest)
                }
                Form::TwoByte => {
                    let (&len, rest) = rest.split_first()?;
                    (first, usize::from(len), rest)
                }
                Form::Opaque => return None,
            };
            let Some((value, rest)) = rest.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            return Some((id, value));
        }
    }
}

/// Write an extension block with its four-byte head; the length written, zero without extensions.
#[inline]
pub(super) fn write<'x, I>(out: &mut [u8], extensions: I) -> Option<usize>
where
    I: Iterator<Item = (u8, &'x [u8])> + Clone,
{
    // Nearly every packet fits the one-byte form, so it is tried instead of looked into first.
    let (profile, end) = match write_one_byte(out, extensions.clone()) {
        Some(end) => (ONE_BYTE, end),
        None => (TWO_BYTE, write_two_byte(out, extensions)?),
    };
    if end == HEAD {
        return Some(0);
    }
    let padded = end.next_multiple_of(4);
    out.get_mut(end..padded)?.fill(0);
    let words = u16::try_from((padded - HEAD) / 4).ok()?;
    let [p0, p1, w0, w1, ..] = out else { return None };
    ([*p0, *p1], [*w0, *w1]) = (profile.to_be_bytes(), words.to_be_bytes());
    Some(padded)
}

/// The words before the elements.
const HEAD: usize = 4;

/// Where the elements end; `None` when one does not fit the form or the buffer.
#[inline]
fn write_one_byte<'x>(
    out: &mut [u8],
    extensions: impl Iterator<Item = (u8, &'x [u8])>,
) -> Option<usize> {
    let mut at = HEAD;
    for (id, value) in extensions {
        let len = value.len();
        if !(1..=14).contains(&id) || !(1..=16).contains(&len) {
            return None;
        }
        let (head, rest) = out.get_mut(at..at + 1 + len)?.split_first_mut()?;
        *head = (id << 4) | (len as u8 - 1);
        rest.copy_from_slice(value);
        at += 1 + len;
    }
    Some(at)
}

#[cold]
fn write_two_byte<'x>(
    out: &mut [u8],
    extensions: impl Iterator<Item = (u8, &'x [u8])>,
) -> Option<usize> {
    let mut at = HEAD;
    for (id, value) in extensions {
        if id == 0 {
            return None;
        }
        let len = u8::try_from(value.len()).ok()?;
        out.get_mut(at..at + 2)?.copy_from_slice(&[id, len]);
        at += 2;
        out.get_mut(at..at + value.len())?.copy_from_slice(value);
        at += value.len();
    }
    Some(at)
}
