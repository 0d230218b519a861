//! CSV and TSV: a header, then a line a row. A text is a cell as it is, in quotes where need be; a number is its shortest digits; a list is
//! JSON; a null is an empty cell.

use std::borrow::Cow;

use super::json_lines::write_value;
use super::row_writer::RowWriter;
use super::sink::Sink;
use crate::one_line::one_line;
use crate::table::value::Value;

/// The writer of a file.
pub(super) struct DelimitedWriter {
    writer: csv::Writer<Sink>,
}

impl DelimitedWriter {
    /// Starts a file with the header.
    pub(super) fn new<'a>(sink: Sink, delimiter: u8, names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(sink);
        writer.write_record(names.map(str::as_bytes)).map_err(one_line)?;
        Ok(Self { writer })
    }
}

impl RowWriter for DelimitedWriter {
    fn push(&mut self, values: &[Value]) -> Result<(), String> {
        for value in values {
            self.writer.write_field(cell(value)?.as_ref()).map_err(one_line)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(one_line)
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        self.writer.into_inner().map_err(|error| one_line(error.error()))?.finish().map_err(one_line)
    }
}

fn cell<'a>(value: &'a Value<'_>) -> Result<Cow<'a, [u8]>, String> {
    Ok(match value {
        Value::Null | Value::Other(_) => Cow::Borrowed(b""),
        Value::Text(text) => Cow::Borrowed(text.as_bytes()),
        Value::Integer(integer) => Cow::Owned(integer.to_string().into_bytes()),
        Value::Float(float) => Cow::Owned(format!("{float:?}").into_bytes()),
        Value::List(_) => {
            let mut bytes = Vec::new();
            write_value(&mut bytes, value).map_err(one_line)?;
            Cow::Owned(bytes)
        }
    })
}
