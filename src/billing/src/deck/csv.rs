//! Comma-separated values (RFC 4180), one record at a time, with the line that each starts on. Semicolons
//! and tabs are taken for commas where the header has them instead.

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line that it starts on, from one.
    pub line: u32,
    /// Its fields, without quotes.
    pub fields: Vec<String>,
    /// A quote was never closed, or something followed a closed one.
    pub broken: bool,
}

/// Records of a text. Empty lines are skipped.
pub(super) struct Records<'a> {
    rest: core::iter::Peekable<core::str::Chars<'a>>,
    separator: char,
    line: u32,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // Spreadsheets start a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let header = text.lines().next().unwrap_or_default();
        let separator = [',', ';', '\t'].into_iter().find(|c| header.contains(*c)).unwrap_or(',');
        Self { rest: text.chars().peekable(), separator, line: 1 }
    }

    /// A field up to the separator or the end of the line, which stay. False where its quotes are wrong.
    fn field(&mut self) -> (String, bool) {
        let mut field = String::new();
        let quoted = self.rest.next_if_eq(&'"').is_some();
        if quoted && !self.quoted(&mut field) {
            return (field, false);
        }
        let mut plain = true;
        while let Some(c) = self.rest.next_if(|c| *c != self.separator && *c != '\n') {
            plain &= c == '\r' || (!quoted && c != '"');
            field.push(c);
        }
        if field.ends_with('\r') {
            field.pop();
        }
        (field, plain)
    }

    /// What stands between quotes, two of which mean one. False if the second never comes.
    fn quoted(&mut self, field: &mut String) -> bool {
        while let Some(c) = self.rest.next() {
            self.line = self.line.saturating_add(u32::from(c == '\n'));
            if c == '"' && self.rest.next_if_eq(&'"').is_none() {
                return true;
            }
            field.push(c);
        }
        false
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            self.rest.peek()?;
            let mut record = Record { line: self.line, fields: Vec::new(), broken: false };
            loop {
                let (field, good) = self.field();
                record.fields.push(field);
                record.broken |= !good;
                match self.rest.next() {
                    Some(c) if c == self.separator => {}
                    _ => break,
                }
            }
            self.line = self.line.saturating_add(1);
            if record.broken || record.fields.iter().any(|field| !field.trim().is_empty()) {
                return Some(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(u32, &[&str])]) {
        let records: Vec<_> = Records::new(text).collect();
        let read: Vec<(u32, Vec<&str>)> = records
            .iter()
            .map(|record| (record.line, record.fields.iter().map(String::as_str).collect()))
            .collect();
        let expect: Vec<_> = expect.iter().map(|(line, fields)| (*line, fields.to_vec())).collect();
        assert_eq!(read, expect, "{text:?}");
        assert!(!records.iter().any(|record| record.broken), "{text:?}");
    }

    #[test]
    fn records_are_split_at_commas_and_lines() {
        check("a,b\r\nc,\n\n\nd,e", &[(1, &["a", "b"]), (2, &["c", ""]), (5, &["d", "e"])]);
        check("", &[]);
        check("\u{feff}a;b\n1,5;2", &[(1, &["a", "b"]), (2, &["1,5", "2"])]);
        check("a\tb", &[(1, &["a", "b"])]);
    }

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        check(
            "a,b\n\"x, \"\"y\"\"\nz\",\"\"\nc,d\n",
            &[(1, &["a", "b"]), (2, &["x, \"y\"\nz", ""]), (4, &["c", "d"])],
        );
    }

    #[test]
    fn wrong_quotes_are_noticed() {
        for text in ["a,\"b", "a,\"b\"c", "a,b\"c", "\""] {
            assert!(Records::new(text).any(|record| record.broken), "{text}");
        }
    }
}
