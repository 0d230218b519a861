//! The values of Arrow arrays, to which polars decodes the columns of a file. Texts, numbers, booleans and lists of these are
//! read; other types are named.

use polars_arrow::array::{
    Array, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray, Utf8Array, Utf8ViewArray,
};
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::offset::Offset;
use polars_arrow::types::NativeType;

use crate::table::builder::Cell;
use crate::table::lists::{Item, List};
use crate::table::{ColumnKind, ListItems};

/// The kind of a column of this type.
pub(super) fn kind_of(dtype: &ArrowDataType) -> ColumnKind {
    use ArrowDataType as Type;
    match dtype {
        Type::Utf8View | Type::Utf8 | Type::LargeUtf8 => ColumnKind::Text,
        Type::Boolean
        | Type::Int8
        | Type::Int16
        | Type::Int32
        | Type::Int64
        | Type::UInt8
        | Type::UInt16
        | Type::UInt32
        | Type::UInt64
        | Type::Float32
        | Type::Float64 => ColumnKind::Number,
        Type::List(items) | Type::LargeList(items) | Type::FixedSizeList(items, _) => match kind_of(&items.dtype) {
            ColumnKind::Text => ColumnKind::List(ListItems::Texts),
            ColumnKind::Number => ColumnKind::List(ListItems::Numbers),
            other => ColumnKind::Other(format!("list of {}", other.name())),
        },
        Type::Struct(_) => ColumnKind::Other("struct".to_owned()),
        other => ColumnKind::Other(format!("{other:?}").to_lowercase()),
    }
}

/// The values of one column.
pub(super) enum Values {
    Flat(Flat),
    /// The values of all lists, and the range of each row in them; `None` for a row without a list.
    Lists {
        values: Flat,
        ranges: Vec<Option<(usize, usize)>>,
    },
    /// A column that is not kept, by the name of its type.
    Other(String),
}

impl Values {
    /// The values of an array, or the reason why it has none.
    pub(super) fn of(array: &dyn Array) -> Result<Self, String> {
        let any = array.as_any();
        if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
            Self::lists(lists)
        } else if let Some(lists) = any.downcast_ref::<ListArray<i32>>() {
            Self::lists(lists)
        } else if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
            let ranges = (0..lists.len())
                .map(|row| is_valid(array, row).then(|| (row * lists.size(), (row + 1) * lists.size())));
            Ok(Values::Lists { values: Flat::of(lists.values().as_ref())?, ranges: ranges.collect() })
        } else {
            Ok(Values::Flat(Flat::of(array)?))
        }
    }

    fn lists<O: Offset>(lists: &ListArray<O>) -> Result<Self, String> {
        let ranges = (0..lists.len()).map(|row| is_valid(lists, row).then(|| lists.offsets().start_end(row)));
        Ok(Values::Lists { values: Flat::of(lists.values().as_ref())?, ranges: ranges.collect() })
    }

    /// The value of a row.
    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Values::Flat(values) => match values.item(row) {
                Some(Value::Text(text)) => Cell::Text(text),
                Some(Value::Integer(integer)) => Cell::Integer(integer),
                Some(Value::Float(float)) => Cell::Float(float),
                None => Cell::Null,
            },
            Values::Lists { values, ranges } => match ranges.get(row).copied().flatten() {
                Some((start, end)) => Cell::List(List::collect((start..end).map(|at| match values.item(at) {
                    Some(Value::Text(text)) => Item::Text(text.into()),
                    Some(Value::Integer(integer)) => Item::Integer(integer),
                    Some(Value::Float(float)) => Item::Float(float),
                    None => Item::Null,
                }))),
                None => Cell::Null,
            },
            Values::Other(name) => Cell::Other(name),
        }
    }
}

/// Values that are not lists.
pub(super) enum Flat {
    TextViews(Utf8ViewArray),
    Texts(Utf8Array<i32>),
    LargeTexts(Utf8Array<i64>),
    Booleans(BooleanArray),
    Integers(PrimitiveArray<i64>),
    /// Integers that may need 64 bits.
    Unsigned(PrimitiveArray<u64>),
    Floats(PrimitiveArray<f64>),
}

enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
}

impl Flat {
    fn of(array: &dyn Array) -> Result<Self, String> {
        use ArrowDataType as Type;
        let unknown = || format!("values of the type {:?}", array.dtype());
        let values = match array.dtype() {
            Type::Utf8View => typed(array).map(Flat::TextViews),
            Type::Utf8 => typed(array).map(Flat::Texts),
            Type::LargeUtf8 => typed(array).map(Flat::LargeTexts),
            Type::Boolean => typed(array).map(Flat::Booleans),
            Type::Int8 => widened::<i8, i64>(array).map(Flat::Integers),
            Type::Int16 => widened::<i16, i64>(array).map(Flat::Integers),
            Type::Int32 => widened::<i32, i64>(array).map(Flat::Integers),
            Type::Int64 => typed(array).map(Flat::Integers),
            Type::UInt8 => widened::<u8, i64>(array).map(Flat::Integers),
            Type::UInt16 => widened::<u16, i64>(array).map(Flat::Integers),
            Type::UInt32 => widened::<u32, i64>(array).map(Flat::Integers),
            Type::UInt64 => typed(array).map(Flat::Unsigned),
            Type::Float32 => widened::<f32, f64>(array).map(Flat::Floats),
            Type::Float64 => typed(array).map(Flat::Floats),
            _ => None,
        };
        values.ok_or_else(unknown)
    }

    fn item(&self, at: usize) -> Option<Value<'_>> {
        match self {
            Flat::TextViews(texts) => valid(texts, at).then(|| Value::Text(texts.value(at))),
            Flat::Texts(texts) => valid(texts, at).then(|| Value::Text(texts.value(at))),
            Flat::LargeTexts(texts) => valid(texts, at).then(|| Value::Text(texts.value(at))),
            Flat::Booleans(flags) => valid(flags, at).then(|| Value::Integer(i64::from(flags.value(at)))),
            Flat::Integers(integers) => valid(integers, at).then(|| Value::Integer(integers.value(at))),
            Flat::Unsigned(unsigned) => valid(unsigned, at).then(|| {
                let number = unsigned.value(at);
                i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer)
            }),
            Flat::Floats(floats) => valid(floats, at).then(|| Value::Float(floats.value(at))),
        }
    }
}

/// True if the row exists and has a value.
fn valid(array: &dyn Array, row: usize) -> bool {
    row < array.len() && is_valid(array, row)
}

fn is_valid(array: &dyn Array, row: usize) -> bool {
    array.validity().is_none_or(|validity| validity.get_bit(row))
}

fn typed<A: Array + Clone>(array: &dyn Array) -> Option<A> {
    array.as_any().downcast_ref::<A>().cloned()
}

/// The same numbers in a wider type.
fn widened<T: NativeType, U: NativeType + From<T>>(array: &dyn Array) -> Option<PrimitiveArray<U>> {
    let numbers = array.as_any().downcast_ref::<PrimitiveArray<T>>()?;
    Some(numbers.iter().map(|number| number.map(|number| U::from(*number))).collect())
}
