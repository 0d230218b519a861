//! An index from ids to rows. A documents table has millions of ids, so the index stores none of them: it has 8 to 16 bytes
//! a row, and compares with the id in the table itself.

use std::borrow::Cow;
use std::fmt;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::hash::hash;
use crate::table::value::Value;

/// An id. A text that is a plain integer (`7`, not `07`) is that integer, because the same ids are a column of integers in
/// one file and of texts in another: CSV and JSON's keys do not distinguish them. PyLate does, and finds nothing. A float without a
/// fraction is that integer too, and so is its text (`7.0`) where no other id matches exactly: pandas makes floats of integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id<'a> {
    Integer(i64),
    Text(Cow<'a, str>),
}

impl<'a> Id<'a> {
    pub(crate) fn text(text: Cow<'a, str>) -> Self {
        match text.parse::<i64>() {
            Ok(integer) if integer.to_string() == text => Id::Integer(integer),
            _ => Id::Text(text),
        }
    }

    /// The id in a row.
    ///
    /// # Errors
    /// When the value is neither a text nor an integer.
    pub(crate) fn of(data: &'a Dataset, row: usize, column: usize) -> Result<Self> {
        match data.value(row, column)? {
            Value::Text(text) => Ok(Id::text(text)),
            Value::Null => Err(Error::Null {
                place: data.place(row),
                column: data.columns()[column].to_owned(),
                expected: "integer or text",
            }),
            _ => Ok(Id::Integer(data.integer(row, column)?)),
        }
    }

    /// The integer that the id is, or that its text is as a float: 7 of `7.0`.
    fn number(&self) -> Option<i64> {
        let text = match self {
            Id::Integer(integer) => return Some(*integer),
            Id::Text(text) => text,
        };
        let (digits, zeros) = text.split_once('.')?;
        let is_whole = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
        let integer = digits.parse::<i64>().ok().filter(|integer| integer.to_string() == digits || digits == "-0")?;
        is_whole.then_some(integer)
    }

    /// True if the two are one id where no other matches exactly.
    fn is_like(&self, other: &Id) -> bool {
        self.number().is_some_and(|integer| other.number() == Some(integer))
    }

    /// The same for all ids that are like this one.
    pub(crate) fn hash(&self) -> u64 {
        match (self.number(), self) {
            (None, Id::Text(text)) => hash(text.as_bytes()),
            (number, _) => hash(&number.unwrap_or_default().to_le_bytes()),
        }
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Integer(integer) => integer.fmt(f),
            Id::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

const EMPTY: u64 = u64::MAX;
/// A slot holds a row and the upper bits of the hash of its id. 2^40 rows are more than a machine holds.
const ROW_BITS: u32 = 40;
const ROW: u64 = (1 << ROW_BITS) - 1;

/// A hash table with open addressing and linear probing, at most three quarters full.
pub(crate) struct IdIndex {
    slots: Vec<u64>,
}

impl IdIndex {
    /// An index of the ids in a column, and how many rows have an id that an earlier row has: the last one counts, as in
    /// PyLate.
    pub(crate) fn new(data: &Dataset, column: usize) -> Result<(Self, usize)> {
        let slots = (data.len().saturating_mul(4) / 3 + 1).next_power_of_two();
        let mut index = Self { slots: vec![EMPTY; slots] };
        let mut repeated = 0;
        for row in 0..data.len() {
            let id = Id::of(data, row, column)?;
            let Found { slot, exact, .. } = index.probe(data, column, &id)?;
            repeated += usize::from(exact.is_some());
            index.slots[slot] = id.hash() & !ROW | row as u64;
        }
        Ok((index, repeated))
    }

    /// The row with this id, or else the last one with an id that is like it.
    pub(crate) fn find(&self, data: &Dataset, column: usize, id: &Id) -> Result<Option<usize>> {
        let Found { exact, like, .. } = self.probe(data, column, id)?;
        Ok(exact.or(like))
    }

    fn probe(&self, data: &Dataset, column: usize, id: &Id) -> Result<Found> {
        let (hash, mask) = (id.hash(), self.slots.len() - 1);
        let (mut slot, mut like) = (hash as usize & mask, None);
        while self.slots[slot] != EMPTY {
            let row = (self.slots[slot] & ROW) as usize;
            if self.slots[slot] & !ROW == hash & !ROW {
                let other = Id::of(data, row, column)?;
                if other == *id {
                    return Ok(Found { slot, exact: Some(row), like });
                }
                if other.is_like(id) {
                    like = like.max(Some(row));
                }
            }
            slot = (slot + 1) & mask;
        }
        Ok(Found { slot, exact: None, like })
    }
}

/// The end of a search.
struct Found {
    /// The slot of the id, or the free one for it.
    slot: usize,
    exact: Option<usize>,
    /// The last row with an id that is like it.
    like: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ids: &[&str]) -> Dataset {
        Dataset::from_rows(&["id"], ids.iter().map(|id| vec![(*id).to_owned()])).unwrap()
    }

    fn integers(ids: &[i64]) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.jsonl");
        let lines: String = ids.iter().map(|id| format!("{{\"id\": {id}}}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        Dataset::load(&path).unwrap()
    }

    #[test]
    fn every_id_is_found_and_no_other() {
        let many: Vec<String> = (0..5000).map(|i| format!("doc-{i}")).collect();
        let data = texts(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let (index, repeated) = IdIndex::new(&data, 0).unwrap();
        assert_eq!(repeated, 0);
        for (row, id) in many.iter().enumerate() {
            assert_eq!(index.find(&data, 0, &Id::text(id.into())).unwrap(), Some(row));
        }
        for id in ["doc-5000", "doc-", "", "0"] {
            assert_eq!(index.find(&data, 0, &Id::text(id.into())).unwrap(), None);
        }
    }

    #[test]
    fn integers_are_exact_and_may_be_texts() {
        let ids = [(1 << 53) + 1, 1 << 53, -7, 7, i64::MIN, i64::MAX];
        let (numbers, words) = (integers(&ids), texts(&ids.map(|id| id.to_string()).each_ref().map(String::as_str)));
        for data in [numbers, words] {
            let (index, _) = IdIndex::new(&data, 0).unwrap();
            for (row, id) in ids.into_iter().enumerate() {
                assert_eq!(index.find(&data, 0, &Id::Integer(id)).unwrap(), Some(row));
                assert_eq!(index.find(&data, 0, &Id::text(id.to_string().into())).unwrap(), Some(row));
            }
            for id in ["07", "+7", " 7", "-0", "7.", "7.5", "07.0", "+7.0", "7.0e0"] {
                assert_eq!(index.find(&data, 0, &Id::text(id.into())).unwrap(), None, "{id}");
            }
            for id in ["7.0", "7.00"] {
                assert_eq!(index.find(&data, 0, &Id::text(id.into())).unwrap(), Some(3), "{id}");
            }
        }
    }

    /// gpl issue 11: pandas makes floats of a column of ids.
    #[test]
    fn an_exact_id_goes_before_one_that_is_like_it() {
        let data = texts(&["7.0", "7", "8.0", "8.00", "a.0"]);
        let (index, repeated) = IdIndex::new(&data, 0).unwrap();
        assert_eq!(repeated, 0);
        for (id, expected) in [
            ("7.0", Some(0)),
            ("7", Some(1)),
            ("7.00", Some(1)),
            ("8.0", Some(2)),
            ("8", Some(3)),
            ("a.0", Some(4)),
            ("a", None),
        ] {
            assert_eq!(index.find(&data, 0, &Id::text(id.into())).unwrap(), expected, "{id}");
        }
        let data = texts(&["0.0", "-0.0"]);
        let (index, _) = IdIndex::new(&data, 0).unwrap();
        assert_eq!(index.find(&data, 0, &Id::Integer(0)).unwrap(), Some(1));
    }

    #[test]
    fn the_last_of_equal_ids_counts() {
        let data = texts(&["a", "b", "a", "a"]);
        let (index, repeated) = IdIndex::new(&data, 0).unwrap();
        assert_eq!((repeated, index.find(&data, 0, &Id::text("a".into())).unwrap()), (2, Some(3)));
        assert_eq!(index.find(&data, 0, &Id::text("b".into())).unwrap(), Some(1));
    }

    #[test]
    fn a_view_is_indexed_by_its_own_rows() {
        let data = texts(&["a", "b", "c"]).select(&[2, 0]).unwrap();
        let (index, _) = IdIndex::new(&data, 0).unwrap();
        let find = |id: &'static str| index.find(&data, 0, &Id::text(id.into())).unwrap();
        assert_eq!((find("c"), find("a"), find("b")), (Some(0), Some(1), None));
        let none = data.select(&[]).unwrap();
        assert_eq!(IdIndex::new(&none, 0).unwrap().0.find(&none, 0, &Id::Integer(1)).unwrap(), None);
    }
}
