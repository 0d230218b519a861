//! The bytes of a row: the number of its cells, the kind and length of each, then their bytes one after the other. So a cell is found
//! without a look at the bytes of the others, and a row that lacks the last columns is shorter. A cell alone is its kind, then its bytes.

use crate::table::lists::{self, List};
use crate::table::value::Value;

const NULL: u8 = 0;
const TEXT: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const LIST: u8 = 4;
const OTHER: u8 = 5;

const COUNT_BYTES: usize = size_of::<u32>();
const HEAD_BYTES: usize = 1 + size_of::<u32>();

/// A row that is being written. The buffers are used again for the next row.
#[derive(Default)]
pub(crate) struct RowBytes {
    heads: Vec<u8>,
    bytes: Vec<u8>,
    /// The length of the heads up to the last value that is not null.
    used: usize,
}

impl RowBytes {
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.heads.extend([0; COUNT_BYTES]);
        self.bytes.clear();
        self.used = COUNT_BYTES;
    }

    /// Adds a cell; `false` if it is longer than a cell can be (4 GB).
    pub(crate) fn push(&mut self, value: &Value, known_other: Option<&str>) -> bool {
        let start = self.bytes.len();
        let tag = encode(value, known_other, &mut self.bytes);
        let Ok(length) = u32::try_from(self.bytes.len() - start) else { return false };
        self.heads.push(tag);
        self.heads.extend(length.to_le_bytes());
        if tag != NULL {
            self.used = self.heads.len();
        }
        true
    }

    /// The bytes of the row.
    pub(crate) fn parts(&mut self) -> [&[u8]; 2] {
        let count = (self.used - COUNT_BYTES) / HEAD_BYTES;
        self.heads[..COUNT_BYTES].copy_from_slice(&(count as u32).to_le_bytes());
        [&self.heads[..self.used], &self.bytes]
    }
}

/// Appends a cell that stands alone.
pub(crate) fn encode_cell(value: &Value, bytes: &mut Vec<u8>) {
    let at = bytes.len();
    bytes.push(NULL);
    bytes[at] = encode(value, None, bytes);
}

/// Appends the bytes of a value, and returns its kind.
fn encode(value: &Value, known_other: Option<&str>, bytes: &mut Vec<u8>) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Text(text) => {
            bytes.extend(text.as_bytes());
            TEXT
        }
        Value::Integer(integer) => {
            bytes.extend(integer.to_le_bytes());
            INTEGER
        }
        Value::Float(float) => {
            bytes.extend(float.to_le_bytes());
            FLOAT
        }
        Value::List(list) => {
            list.encode(bytes);
            LIST
        }
        Value::Other(name) => {
            // A column of objects has the same name in every row, and is not kept.
            if known_other != Some(*name) {
                bytes.extend(name.as_bytes());
            }
            OTHER
        }
    }
}

/// A cell of a row that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell<'a> {
    tag: u8,
    bytes: &'a [u8],
}

/// The cell of a column; `None` when the bytes were changed.
pub(crate) fn cell(row: &[u8], column: usize) -> Option<Cell<'_>> {
    let (count, rest) = row.split_first_chunk::<COUNT_BYTES>()?;
    let count = u32::from_le_bytes(*count) as usize;
    if column >= count {
        return Some(Cell { tag: NULL, bytes: &[] });
    }
    let (heads, bytes) = rest.split_at_checked(count.checked_mul(HEAD_BYTES)?)?;
    let length = |head: &[u8; HEAD_BYTES]| u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let (heads, _) = heads.as_chunks::<HEAD_BYTES>();
    let start: usize = heads[..column].iter().map(length).sum();
    let head = &heads[column];
    Some(Cell { tag: head[0], bytes: bytes.get(start..start.checked_add(length(head))?)? })
}

impl<'a> Cell<'a> {
    /// A cell that stands alone; `None` when the bytes were changed.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (&tag, bytes) = bytes.split_first()?;
        Some(Self { tag, bytes })
    }

    pub(crate) fn is_null(self) -> bool {
        self.tag == NULL
    }

    pub(crate) fn is_text(self) -> bool {
        self.tag == TEXT
    }

    /// The length of the bytes.
    pub(crate) fn length(self) -> usize {
        self.bytes.len()
    }

    /// The text of a cell that is one; `None` when the bytes were changed.
    pub(crate) fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes).ok()
    }

    /// The value; `None` when the bytes were changed.
    pub(crate) fn value(self, other: Option<&'a str>) -> Option<Value<'a>> {
        Some(match self.tag {
            NULL => Value::Null,
            TEXT => Value::Text(self.text()?.into()),
            INTEGER => Value::Integer(i64::from_le_bytes(self.bytes.try_into().ok()?)),
            FLOAT => Value::Float(f64::from_le_bytes(self.bytes.try_into().ok()?)),
            LIST => Value::List(self.list()?),
            OTHER if self.bytes.is_empty() => Value::Other(other?),
            OTHER => Value::Other(self.text()?),
            _ => return None,
        })
    }

    fn list(self) -> Option<List<'a>> {
        lists::decode(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_as_they_were() {
        let values = [
            Value::Text("naïve 日本語 🦀".into()),
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Text("".into()),
            Value::Float(-0.5),
            Value::List(List::Texts(vec!["a".into(), "".into()])),
            Value::Other("object"),
            Value::Other("list of objects"),
            Value::Null,
            Value::Null,
        ];
        let mut row = RowBytes::default();
        // The second time shows that nothing of the first is left.
        for _ in 0..2 {
            row.clear();
            for value in &values {
                assert!(row.push(value, Some("object")));
            }
            let bytes = row.parts().concat();
            for (column, value) in values.iter().enumerate() {
                let cell = cell(&bytes, column).unwrap();
                assert_eq!(cell.value(Some("object")).as_ref(), Some(value));
                assert_eq!((cell.is_null(), cell.is_text()), (*value == Value::Null, value.name() == "text"));
            }
            assert!(cell(&bytes, 99).unwrap().is_null());
            assert_eq!(u32::from_le_bytes(bytes[..4].try_into().unwrap()), 8, "nulls at the end take no room");
        }
    }

    #[test]
    fn a_cell_alone_comes_back() {
        for value in [Value::Null, Value::Text("é".into()), Value::Integer(-7), Value::Other("struct")] {
            let mut bytes = Vec::new();
            encode_cell(&value, &mut bytes);
            assert_eq!(Cell::of(&bytes).unwrap().value(None), Some(value));
        }
        assert_eq!(Cell::of(&[]), None);
    }

    #[test]
    fn damage_is_noticed() {
        let mut row = RowBytes::default();
        row.clear();
        row.push(&Value::Text("é".into()), None);
        row.push(&Value::Integer(7), None);
        let bytes = row.parts().concat();
        for length in 0..4 {
            assert_eq!(cell(&bytes[..length], 0), None);
        }
        assert_eq!(cell(&bytes[..10], 0), None);
        assert_eq!(cell(&bytes[..bytes.len() - 1], 1), None);
        let mut cut = bytes.clone();
        cut[5] = 1;
        assert_eq!(cell(&cut, 0).unwrap().value(None), None);
        let mut unknown = bytes;
        unknown[4] = 99;
        assert_eq!(cell(&unknown, 0).unwrap().value(None), None);
    }
}
