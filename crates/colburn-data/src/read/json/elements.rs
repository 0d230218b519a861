//! The values of a JSON file one after the other, wherever its lines end: of an array, of which one value is in memory at a time, and of
//! objects that span lines.

use std::io::BufRead;
use std::path::PathBuf;

use crate::error::{Error, Place, Result};
use crate::read::input::{Input, unreadable};
use crate::read::lines::{LONGEST, too_long};
use crate::source::format::Compression;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// True if a file that begins with these bytes has to be read value by value: an array of objects or arrays, or an object that does
/// not end on its line.
pub(super) fn are_in(head: &[u8], is_whole: bool) -> bool {
    let text = head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start();
    match text.split_first() {
        Some((b'[', rest)) => match rest.trim_ascii_start().split_first() {
            Some((b'{' | b'[', _)) => true,
            // An empty array.
            Some((b']', rest)) => rest.trim_ascii().is_empty(),
            _ => false,
        },
        Some((b'{', _)) => {
            let end = text.iter().position(|&byte| byte == b'\n');
            let line = &text[..end.unwrap_or(text.len())];
            let is_cut = end.is_none() && !is_whole;
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(line);
            // A cut line of JSON Lines, too, is an object without an end; but another object follows it.
            !is_cut
                && parsed.is_err_and(|error| error.is_eof())
                && !text[line.len()..].trim_ascii_start().starts_with(b"{")
                && end.is_some()
        }
        _ => false,
    }
}

/// The values of an array, or of a file of objects.
pub(super) struct Elements {
    pub(super) path: PathBuf,
    compression: Option<Compression>,
    reader: Box<dyn BufRead + Send>,
    bytes: Vec<u8>,
    line: u64,
    /// The line on which the value begins.
    start: u64,
    in_array: bool,
    state: State,
    longest: usize,
}

/// The part of the file that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    /// A value or the end.
    First,
    /// A comma or the end.
    After,
    /// A value.
    Next,
    End,
}

impl Elements {
    pub(super) fn new(input: Input) -> Result<Self> {
        let (path, compression) = (input.path.clone(), input.compression);
        Ok(Self {
            path,
            compression,
            reader: input.reader()?,
            bytes: Vec::new(),
            line: 1,
            start: 1,
            in_array: false,
            state: State::Begin,
            longest: LONGEST,
        })
    }

    /// The text of the value.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The line on which the value begins.
    pub(super) fn place(&self) -> Place {
        Place::Line { path: self.path.clone(), line: self.start }
    }

    /// Goes to the next value; `false` after the last one.
    pub(super) fn advance(&mut self) -> Result<bool> {
        loop {
            let byte = self.peek()?;
            self.start = self.line;
            match (self.state, byte) {
                (State::Begin, Some(b'\xef')) => self.skip_mark()?,
                (State::Begin, Some(b'[')) => {
                    self.take()?;
                    self.in_array = true;
                    self.state = State::First;
                }
                (State::Begin, Some(_)) => self.state = State::First,
                (State::Begin | State::First | State::After, None) if !self.in_array => return Ok(false),
                (State::First | State::After, Some(b']')) if self.in_array => {
                    self.take()?;
                    self.state = State::End;
                }
                (State::First | State::Next, Some(_)) => {
                    self.value()?;
                    self.state = State::After;
                    return Ok(true);
                }
                (State::After, Some(_)) if !self.in_array => self.state = State::Next,
                (State::After, Some(b',')) => {
                    self.take()?;
                    self.state = State::Next;
                }
                (State::End, None) => return Ok(false),
                (State::End, Some(_)) => return Err(self.wrong("something after the end of the array")),
                (_, Some(_)) => return Err(self.wrong("no comma between two values of the array")),
                (_, None) => return Err(self.wrong("the array has no end; is the file cut?")),
            }
        }
    }

    /// Reads a value: up to the bracket that closes it, or, where it has none, to a comma, bracket or blank.
    fn value(&mut self) -> Result<()> {
        self.bytes.clear();
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        loop {
            let line = self.line;
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&self.path, self.compression, error)),
            };
            if buffer.is_empty() {
                // The parser says what is missing.
                return Ok(());
            }
            let mut used = 0;
            let mut ended = false;
            for &byte in buffer {
                let closes = match byte {
                    _ if escaped => {
                        escaped = false;
                        false
                    }
                    b'\\' if in_text => {
                        escaped = true;
                        false
                    }
                    b'"' => {
                        in_text = !in_text;
                        !in_text && depth == 0
                    }
                    _ if in_text => false,
                    b'{' | b'[' => {
                        depth += 1;
                        false
                    }
                    b'}' | b']' if depth > 0 => {
                        depth -= 1;
                        depth == 0
                    }
                    b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => {
                        ended = true;
                        break;
                    }
                    _ => false,
                };
                used += 1;
                self.line += u64::from(byte == b'\n');
                if closes {
                    ended = true;
                    break;
                }
            }
            if self.bytes.len() + used > self.longest {
                return Err(too_long(Place::Line { path: self.path.clone(), line }));
            }
            self.bytes.extend(&buffer[..used]);
            self.reader.consume(used);
            if ended {
                return Ok(());
            }
        }
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&self.path, self.compression, error)),
            };
            match buffer.first() {
                None => return Ok(None),
                Some(byte) if byte.is_ascii_whitespace() => {
                    self.line += u64::from(*byte == b'\n');
                    self.reader.consume(1);
                }
                Some(&byte) => return Ok(Some(byte)),
            }
        }
    }

    fn take(&mut self) -> Result<()> {
        self.peek()?;
        self.reader.consume(1);
        Ok(())
    }

    fn skip_mark(&mut self) -> Result<()> {
        for _ in MARK {
            self.take()?;
        }
        Ok(())
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Line { place: self.place(), reason: format!("not JSON ({reason}); expected an array of objects") }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn values(text: &str, longest: usize) -> Result<Vec<(String, u64)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.json");
        fs::write(&path, text).unwrap();
        let mut elements = Elements::new(Input::open(&path, None)?)?;
        elements.longest = longest;
        let mut found = Vec::new();
        while elements.advance()? {
            found.push((String::from_utf8(elements.bytes().to_vec()).unwrap(), elements.start));
        }
        Ok(found)
    }

    #[test]
    fn values_end_where_their_brackets_close() {
        for (text, expected) in [
            ("\u{feff}[]", &[][..]),
            (
                "[\n {\"a\": \"]}\\\"{\"},\n{\"b\": [1, {}]}\n]\n",
                &[("{\"a\": \"]}\\\"{\"}", 2), ("{\"b\": [1, {}]}", 3)],
            ),
            ("[[1,2],[3]]", &[("[1,2]", 1), ("[3]", 1)]),
            ("{\n\"a\":\n1}\n{\"b\": 2}", &[("{\n\"a\":\n1}", 1), ("{\"b\": 2}", 4)]),
            ("[1, \"a\",null]", &[("1", 1), ("\"a\"", 1), ("null", 1)]),
        ] {
            let found = values(text, 100).unwrap();
            let found: Vec<_> = found.iter().map(|(text, line)| (text.as_str(), *line)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn broken_arrays_are_errors() {
        for (text, expected) in [
            ("[{}\n{}]", "rows.json:2: not JSON (no comma between two values"),
            ("[{},\n", "rows.json:2: not JSON (the array has no end; is the file cut?)"),
            ("[{}]\n\nx", "rows.json:3: not JSON (something after the end of the array)"),
            ("[{\"a\": \"12345678901234567890\"}]", "rows.json:1: more than 256 MB"),
        ] {
            let message = values(text, 20).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn lines_are_read_as_lines() {
        for (head, expected) in [
            ("[{\"a\": 1}]", true),
            ("[ \n [1]]", true),
            ("[]", true),
            ("{\n \"a\": 1}", true),
            ("{\"a\": 1}\n{\"a\"", false),
            ("{\"a\": \n{\"a\": 1}\n", false),
            ("[1, 2, 3]\n[4, 5, 6]\n", false),
            ("[1, [2, 0.5]]\n", false),
            ("{\"a\"", false),
            ("query", false),
            ("", false),
        ] {
            assert_eq!(are_in(head.as_bytes(), true), expected, "{head}");
        }
    }
}
