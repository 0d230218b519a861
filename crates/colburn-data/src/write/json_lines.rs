//! JSON Lines: an object with all columns a line.

use std::io::{self, Write};

use super::row_writer::RowWriter;
use super::sink::Sink;
use crate::one_line::one_line;
use crate::table::lists::List;
use crate::table::value::Value;

/// The writer of a file.
pub(super) struct JsonLinesWriter {
    sink: Sink,
    /// The text before the value of each column: a brace or comma, and the name.
    keys: Vec<Vec<u8>>,
    not_finite: u64,
}

impl JsonLinesWriter {
    pub(super) fn new<'a>(sink: Sink, names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let key = |(at, name): (usize, &str)| -> serde_json::Result<Vec<u8>> {
            let mut key = if at == 0 { b"{".to_vec() } else { b", ".to_vec() };
            serde_json::to_writer(&mut key, name)?;
            key.extend(b": ");
            Ok(key)
        };
        let keys = names.enumerate().map(key).collect::<serde_json::Result<_>>().map_err(one_line)?;
        Ok(Self { sink, keys, not_finite: 0 })
    }

    fn write(&mut self, values: &[Value]) -> io::Result<()> {
        for (key, value) in self.keys.iter().zip(values) {
            self.sink.write_all(key)?;
            write_value(&mut self.sink, value)?;
            self.not_finite += u64::from(matches!(value, Value::Float(float) if !float.is_finite()));
        }
        self.sink.write_all(b"}\n")
    }
}

impl RowWriter for JsonLinesWriter {
    fn push(&mut self, values: &[Value]) -> Result<(), String> {
        self.write(values).map_err(one_line)
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        if self.not_finite > 0 {
            tracing::warn!(
                "{} numbers are NaN or infinite, which JSON does not know; they are written as null",
                self.not_finite
            );
        }
        self.sink.finish().map_err(one_line)
    }
}

/// Writes a value. A number that JSON does not know becomes null; in a list it is an error.
pub(super) fn write_value(sink: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Null | Value::Other(_) => sink.write_all(b"null")?,
        Value::Text(text) => serde_json::to_writer(sink, text)?,
        Value::Integer(integer) => serde_json::to_writer(sink, integer)?,
        Value::Float(float) => serde_json::to_writer(sink, float)?,
        Value::List(List::Integers(integers)) => serde_json::to_writer(sink, integers)?,
        Value::List(List::Texts(texts)) => serde_json::to_writer(sink, texts)?,
        Value::List(List::Floats(floats)) if floats.iter().all(|float| float.is_finite()) => {
            serde_json::to_writer(sink, floats)?;
        }
        Value::List(List::Floats(_)) => {
            let reason = "a list with a number that is NaN or infinite, which JSON does not know; write .parquet";
            return Err(io::Error::other(reason));
        }
    }
    Ok(())
}
