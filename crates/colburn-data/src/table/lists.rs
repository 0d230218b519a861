//! Lists of numbers or texts, and their bytes in the file of texts: a distillation set has two lists a row and hundreds of
//! thousands of rows, so lists are kept on disk as texts are.
//!
//! The first byte is the type of the values. An integer or float is 8 little-endian bytes; a text is its length in 8 such
//! bytes, then its bytes.

use std::borrow::Cow;

const INTEGERS: u8 = 0;
const FLOATS: u8 = 1;
const TEXTS: u8 = 2;

/// The values of a list, all of one type.
///
/// ```
/// use colburn_data::{Dataset, List};
///
/// let rows = [["1", "[3, 4]", "[0.5, -1]"], ["2", "['a', 'b']", "[]"]];
/// let names = ["query_id", "document_ids", "scores"];
/// let data = Dataset::from_rows(&names, rows.map(|row| row.map(String::from).to_vec()))?;
/// assert_eq!(data.list(0, 1)?, List::Integers(vec![3, 4]));
/// assert_eq!(data.list(0, 2)?, List::Floats(vec![0.5, -1.0]));
/// assert_eq!(data.list(1, 1)?, List::Texts(vec!["a".into(), "b".into()]));
/// assert!(data.list(1, 2)?.is_empty());
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum List<'a> {
    /// Integers of 64 bits; also a list without values.
    Integers(Vec<i64>),
    /// Numbers of which at least one is not such an integer.
    Floats(Vec<f64>),
    /// Texts.
    Texts(Vec<Cow<'a, str>>),
}

/// A value of a list that is being read.
pub(crate) enum Item<'a> {
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Null,
    Other,
}

/// The reason why a list is not a [`List`].
pub(crate) type Reason = &'static str;

pub(crate) const WITH_NULL: Reason = "a list with a null in it";
pub(crate) const OF_OTHERS: Reason = "a list of values that are neither numbers nor texts";
pub(crate) const OF_BOTH: Reason = "a list of both numbers and texts";

/// True if these words are the reason why a list is not a [`List`].
pub(crate) fn is_reason(words: &str) -> bool {
    [WITH_NULL, OF_OTHERS, OF_BOTH].contains(&words)
}

impl<'a> List<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            List::Integers(integers) => integers.len(),
            List::Floats(floats) => floats.len(),
            List::Texts(texts) => texts.len(),
        }
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as floats; `None` if they are texts.
    pub fn into_floats(self) -> Option<Vec<f64>> {
        match self {
            List::Integers(integers) => Some(integers.into_iter().map(|integer| integer as f64).collect()),
            List::Floats(floats) => Some(floats),
            List::Texts(_) => None,
        }
    }

    /// A list of these values.
    pub(crate) fn collect(items: impl IntoIterator<Item = Item<'a>>) -> Result<Self, Reason> {
        let mut collector = Collector::default();
        items.into_iter().for_each(|item| collector.push(item));
        collector.finish()
    }

    /// Appends the bytes of this list.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            List::Integers(integers) => {
                bytes.push(INTEGERS);
                bytes.extend(integers.iter().flat_map(|integer| integer.to_le_bytes()));
            }
            List::Floats(floats) => {
                bytes.push(FLOATS);
                bytes.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
            }
            List::Texts(texts) => {
                bytes.push(TEXTS);
                for text in texts {
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
    }
}

/// A list under construction.
pub(crate) struct Collector<'a>(Result<List<'a>, Reason>);

impl Default for Collector<'_> {
    fn default() -> Self {
        Self(Ok(List::Integers(Vec::new())))
    }
}

impl<'a> Collector<'a> {
    /// Adds a value. The first one that does not fit decides the reason.
    pub(crate) fn push(&mut self, item: Item<'a>) {
        let Ok(list) = &mut self.0 else { return };
        match (&mut *list, item) {
            (List::Integers(integers), Item::Integer(integer)) => integers.push(integer),
            (List::Floats(floats), Item::Integer(integer)) => floats.push(integer as f64),
            (List::Floats(floats), Item::Float(float)) => floats.push(float),
            (List::Texts(texts), Item::Text(text)) => texts.push(text),
            (List::Integers(integers), Item::Float(float)) => {
                let floats = integers.iter().map(|&integer| integer as f64).chain([float]);
                *list = List::Floats(floats.collect());
            }
            (List::Integers(integers), Item::Text(text)) if integers.is_empty() => *list = List::Texts(vec![text]),
            (_, Item::Null) => self.0 = Err(WITH_NULL),
            (_, Item::Other) => self.0 = Err(OF_OTHERS),
            (List::Texts(_), _) | (_, Item::Text(_)) => self.0 = Err(OF_BOTH),
        }
    }

    pub(crate) fn finish(self) -> Result<List<'a>, Reason> {
        self.0
    }
}

/// The list of these bytes; `None` when they were changed.
pub(crate) fn decode(bytes: &[u8]) -> Option<List<'_>> {
    let (&tag, bytes) = bytes.split_first()?;
    let values = || {
        let (values, rest) = bytes.as_chunks::<8>();
        rest.is_empty().then_some(values)
    };
    Some(match tag {
        INTEGERS => List::Integers(values()?.iter().map(|&value| i64::from_le_bytes(value)).collect()),
        FLOATS => List::Floats(values()?.iter().map(|&value| f64::from_le_bytes(value)).collect()),
        TEXTS => {
            let (mut texts, mut rest) = (Vec::new(), bytes);
            while !rest.is_empty() {
                let (length, after) = rest.split_first_chunk::<8>()?;
                let (text, after) = after.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
                texts.push(Cow::Borrowed(std::str::from_utf8(text).ok()?));
                rest = after;
            }
            List::Texts(texts)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(list: &List) -> Vec<u8> {
        let mut bytes = Vec::new();
        list.encode(&mut bytes);
        bytes
    }

    #[test]
    fn lists_come_back_as_they_were() {
        let texts = ["", "naïve 日本語 🦀", "x"].map(Cow::Borrowed).to_vec();
        for list in [
            List::Integers(vec![]),
            List::Integers(vec![i64::MIN, (1 << 53) + 1, i64::MAX]),
            List::Floats(vec![0.1, -0.0, f64::INFINITY]),
            List::Texts(texts),
        ] {
            assert_eq!(decode(&encoded(&list)), Some(list));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let integers = encoded(&List::Integers(vec![1, 2]));
        let texts = encoded(&List::Texts(vec!["é".into()]));
        for bytes in [&[][..], &[9], &integers[..16], &texts[..5], &texts[..10]] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
        let mut long = texts;
        long[8] = 0xff;
        assert_eq!(decode(&long), None);
    }

    #[test]
    fn one_float_makes_a_list_of_floats() {
        use Item::{Float, Integer, Null, Other, Text};
        let texts = |texts: &[&'static str]| List::Texts(texts.iter().map(|&text| text.into()).collect());
        let both = Err(OF_BOTH);
        for (items, expected) in [
            (vec![], Ok(List::Integers(vec![]))),
            (vec![Integer(1), Integer(-2)], Ok(List::Integers(vec![1, -2]))),
            (vec![Integer(1), Float(0.5), Integer(2)], Ok(List::Floats(vec![1.0, 0.5, 2.0]))),
            (vec![Text("a".into()), Text("".into())], Ok(texts(&["a", ""]))),
            (vec![Text("a".into()), Integer(1)], both.clone()),
            (vec![Integer(1), Text("a".into())], both.clone()),
            (vec![Float(1.0), Text("a".into())], both.clone()),
            (vec![Text("a".into()), Float(1.0)], both),
            (vec![Integer(1), Null], Err(WITH_NULL)),
            (vec![Other], Err(OF_OTHERS)),
        ] {
            assert_eq!(List::collect(items), expected);
        }
    }
}
