//! JSON: an object a line (JSON Lines), or an array of objects, of which one object is in memory at a time. The rows may have
//! different keys; the columns are all keys in the order in which they first appear. A row may be an array too, where its values are
//! those of MS MARCO's files, see [`arrays`]; or a text, which is that of a column `text`.

mod arrays;
mod elements;
mod objects;

use std::path::Path;

use self::arrays::Layout;
use self::elements::Elements;
use self::objects::ObjectRow;
use crate::error::{Error, Place, Result};
use crate::read::input::Input;
use crate::read::lines::Lines;
use crate::read::rows::{Field, Rows};
use crate::table::value::Value;

const EXPECTED: &str = "expected one JSON object a line, such as {\"query\": \"…\", \"positive\": \"…\"}";

/// The column of a row that is a text.
const TEXT: &str = "text";

/// The rows of a JSON file.
pub(super) struct JsonRows {
    texts: Texts,
    row: ObjectRow,
    /// The meaning of rows that are arrays; none before the first one.
    layout: Option<Layout>,
    rows: usize,
}

/// The texts of the rows.
enum Texts {
    Lines(Lines),
    Elements(Elements),
}

impl JsonRows {
    pub(super) fn open(input: Input) -> Result<Self> {
        let texts = if elements::are_in(&input.head, input.is_whole()) {
            Texts::Elements(Elements::new(input)?)
        } else {
            Texts::Lines(Lines::new(input)?)
        };
        Ok(Self { texts, row: ObjectRow::default(), layout: None, rows: 0 })
    }

    fn read(&mut self) -> std::result::Result<(), String> {
        let text = match &self.texts {
            Texts::Lines(lines) => lines.bytes().trim_ascii(),
            Texts::Elements(elements) => elements.bytes(),
        };
        if text.starts_with(b"\"") {
            let text: String = serde_json::from_slice(text).map_err(|error| objects::message(&error))?;
            return self.row.set(vec![(TEXT.to_owned(), Value::Text(text.into()))]);
        }
        if !text.starts_with(b"[") {
            return self.row.read(text).map_err(|error| format!("{error}; {EXPECTED}"));
        }
        let values = arrays::parse(text).map_err(|error| format!("{error}; {EXPECTED}"))?;
        if self.layout.is_none() {
            let layout = Layout::of(&values).ok_or_else(|| format!("a list; {EXPECTED}"))?;
            tracing::warn!("{}: lists of {}, read as columns of these names", self.texts.place(), layout.description());
            self.layout = Some(layout);
        }
        let layout = self.layout.unwrap_or(Layout::Ids);
        let cells = layout.cells(values).ok_or_else(|| format!("a list that is not {}", layout.description()))?;
        self.row.set(cells)
    }
}

impl Texts {
    fn advance(&mut self) -> Result<bool> {
        match self {
            Texts::Elements(elements) => elements.advance(),
            Texts::Lines(lines) => loop {
                if !lines.advance()? {
                    return Ok(false);
                }
                if !lines.bytes().trim_ascii().is_empty() {
                    return Ok(true);
                }
            },
        }
    }

    fn path(&self) -> &Path {
        match self {
            Texts::Lines(lines) => &lines.path,
            Texts::Elements(elements) => &elements.path,
        }
    }

    fn place(&self) -> Place {
        match self {
            Texts::Lines(lines) => lines.place(),
            Texts::Elements(elements) => elements.place(),
        }
    }
}

impl Rows for JsonRows {
    fn fields(&self) -> &[Field] {
        self.row.fields()
    }

    fn fields_grow(&self) -> bool {
        true
    }

    fn advance(&mut self) -> Result<bool> {
        if self.texts.advance()? {
            self.rows += 1;
            self.read().map_err(|reason| Error::Line { place: self.texts.place(), reason })?;
            return Ok(true);
        }
        if self.rows == 1 && self.row.is_columns() {
            let reason = "one JSON object of columns; expected one object a row (in pandas: \
                          `frame.to_json(path, orient=\"records\", lines=True)`)";
            return Err(Error::Schema { path: self.texts.path().to_owned(), reason: reason.to_owned() });
        }
        Ok(false)
    }

    fn value(&self, field: usize) -> Value<'_> {
        self.row.value(field)
    }

    fn has(&self, field: usize) -> bool {
        self.row.has(field)
    }

    fn place(&self) -> Place {
        self.texts.place()
    }
}

#[cfg(test)]
mod tests;
