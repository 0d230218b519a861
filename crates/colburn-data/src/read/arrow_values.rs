//! The values of a column of Arrow arrays, which both Parquet and Arrow files are decoded to.

use polars_arrow::array::{
    Array, BooleanArray, DictionaryArray, DictionaryKey, FixedSizeListArray, ListArray, NullArray, PrimitiveArray,
    Utf8Array, Utf8ViewArray,
};
use polars_arrow::datatypes::{ArrowDataType, IntegerType};

use crate::table::lists::{Item, List};
use crate::table::value::Value;
use crate::table::{ColumnKind, ListItems};

/// The values of one column.
pub(super) enum Values {
    Flat(Flat),
    /// The values of all lists, and the range of each row in them; `None` for a row without a list.
    Lists {
        values: Flat,
        ranges: Vec<Option<(usize, usize)>>,
    },
}

/// Values that are not lists.
pub(super) enum Flat {
    Null,
    Texts(Utf8ViewArray),
    ShortTexts(Utf8Array<i32>),
    LongTexts(Utf8Array<i64>),
    Flags(BooleanArray),
    Int8(PrimitiveArray<i8>),
    Int16(PrimitiveArray<i16>),
    Int32(PrimitiveArray<i32>),
    Int64(PrimitiveArray<i64>),
    UInt8(PrimitiveArray<u8>),
    UInt16(PrimitiveArray<u16>),
    UInt32(PrimitiveArray<u32>),
    /// Integers that may need 64 bits.
    UInt64(PrimitiveArray<u64>),
    Float32(PrimitiveArray<f32>),
    Float64(PrimitiveArray<f64>),
    /// Numbers of the values of a dictionary.
    Dictionary(Vec<Option<usize>>, Box<Flat>),
}

/// A value that is not a list.
enum One<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
}

impl Values {
    /// The values of an array; `None` if its type is not kept.
    pub(super) fn of(array: &dyn Array) -> Option<Self> {
        let any = array.as_any();
        if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
            let range = |row: usize| (!lists.is_null(row)).then(|| lists.offsets().start_end(row));
            return Some(Values::Lists {
                values: Flat::of(lists.values().as_ref())?,
                ranges: (0..lists.len()).map(range).collect(),
            });
        }
        if let Some(lists) = any.downcast_ref::<ListArray<i32>>() {
            let range = |row: usize| (!lists.is_null(row)).then(|| lists.offsets().start_end(row));
            return Some(Values::Lists {
                values: Flat::of(lists.values().as_ref())?,
                ranges: (0..lists.len()).map(range).collect(),
            });
        }
        if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
            let range = |row: usize| (!lists.is_null(row)).then(|| (row * lists.size(), (row + 1) * lists.size()));
            return Some(Values::Lists {
                values: Flat::of(lists.values().as_ref())?,
                ranges: (0..lists.len()).map(range).collect(),
            });
        }
        Flat::of(array).map(Values::Flat)
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        match self {
            Values::Flat(values) => match values.get(row) {
                Some(One::Text(text)) => Value::Text(text.into()),
                Some(One::Integer(integer)) => Value::Integer(integer),
                Some(One::Float(float)) => Value::Float(float),
                None => Value::Null,
            },
            Values::Lists { values, ranges } => match ranges.get(row).copied().flatten() {
                Some((start, end)) => {
                    let items = (start..end).map(|at| match values.get(at) {
                        Some(One::Text(text)) => Item::Text(text.into()),
                        Some(One::Integer(integer)) => Item::Integer(integer),
                        Some(One::Float(float)) => Item::Float(float),
                        None => Item::Null,
                    });
                    List::collect(items).map_or_else(Value::Other, Value::List)
                }
                None => Value::Null,
            },
        }
    }
}

impl Flat {
    fn of(array: &dyn Array) -> Option<Self> {
        fn as_is<T: Clone + 'static>(array: &dyn Array, make: impl FnOnce(T) -> Flat) -> Option<Flat> {
            array.as_any().downcast_ref::<T>().cloned().map(make)
        }
        match array.dtype() {
            ArrowDataType::Null => array.as_any().downcast_ref::<NullArray>().map(|_| Flat::Null),
            ArrowDataType::Utf8View => as_is(array, Flat::Texts),
            ArrowDataType::Utf8 => as_is(array, Flat::ShortTexts),
            ArrowDataType::LargeUtf8 => as_is(array, Flat::LongTexts),
            ArrowDataType::Boolean => as_is(array, Flat::Flags),
            ArrowDataType::Int8 => as_is(array, Flat::Int8),
            ArrowDataType::Int16 => as_is(array, Flat::Int16),
            ArrowDataType::Int32 => as_is(array, Flat::Int32),
            ArrowDataType::Int64 => as_is(array, Flat::Int64),
            ArrowDataType::UInt8 => as_is(array, Flat::UInt8),
            ArrowDataType::UInt16 => as_is(array, Flat::UInt16),
            ArrowDataType::UInt32 => as_is(array, Flat::UInt32),
            ArrowDataType::UInt64 => as_is(array, Flat::UInt64),
            ArrowDataType::Float32 => as_is(array, Flat::Float32),
            ArrowDataType::Float64 => as_is(array, Flat::Float64),
            ArrowDataType::Dictionary(keys, ..) => match keys {
                IntegerType::Int8 => dictionary::<i8>(array),
                IntegerType::Int16 => dictionary::<i16>(array),
                IntegerType::Int32 => dictionary::<i32>(array),
                IntegerType::Int64 => dictionary::<i64>(array),
                IntegerType::UInt8 => dictionary::<u8>(array),
                IntegerType::UInt16 => dictionary::<u16>(array),
                IntegerType::UInt32 => dictionary::<u32>(array),
                IntegerType::UInt64 => dictionary::<u64>(array),
                IntegerType::Int128 | IntegerType::UInt128 => None,
            },
            _ => None,
        }
    }

    fn get(&self, at: usize) -> Option<One<'_>> {
        /// The value, if the row is there and valid.
        macro_rules! of {
            ($array:expr, $make:expr) => {
                (at < $array.len() && !$array.is_null(at)).then(|| $make($array.value(at)))
            };
        }
        match self {
            Flat::Null => None,
            Flat::Texts(array) => of!(array, One::Text),
            Flat::ShortTexts(array) => of!(array, One::Text),
            Flat::LongTexts(array) => of!(array, One::Text),
            Flat::Flags(array) => of!(array, |flag| One::Integer(i64::from(flag))),
            Flat::Int8(array) => of!(array, |value| One::Integer(i64::from(value))),
            Flat::Int16(array) => of!(array, |value| One::Integer(i64::from(value))),
            Flat::Int32(array) => of!(array, |value| One::Integer(i64::from(value))),
            Flat::Int64(array) => of!(array, One::Integer),
            Flat::UInt8(array) => of!(array, |value| One::Integer(i64::from(value))),
            Flat::UInt16(array) => of!(array, |value| One::Integer(i64::from(value))),
            Flat::UInt32(array) => of!(array, |value| One::Integer(i64::from(value))),
            Flat::UInt64(array) => {
                of!(array, |value| i64::try_from(value).map_or(One::Float(value as f64), One::Integer))
            }
            Flat::Float32(array) => of!(array, |value| One::Float(f64::from(value))),
            Flat::Float64(array) => of!(array, One::Float),
            Flat::Dictionary(keys, values) => values.get(keys.get(at).copied().flatten()?),
        }
    }
}

fn dictionary<K: DictionaryKey>(array: &dyn Array) -> Option<Flat> {
    let array = array.as_any().downcast_ref::<DictionaryArray<K>>()?;
    Some(Flat::Dictionary(array.keys_iter().collect(), Box::new(Flat::of(array.values().as_ref())?)))
}

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
        Type::Null => ColumnKind::Missing,
        Type::Dictionary(_, values, _) => match kind_of(values) {
            kind @ (ColumnKind::Text | ColumnKind::Number) => kind,
            other => ColumnKind::Other(format!("dictionary of {}", other.name())),
        },
        Type::List(items) | Type::LargeList(items) | Type::FixedSizeList(items, _) => match kind_of(&items.dtype) {
            ColumnKind::Text => ColumnKind::List(ListItems::Texts),
            ColumnKind::Number => ColumnKind::List(ListItems::Numbers),
            ColumnKind::Missing => ColumnKind::List(ListItems::Unknown),
            other => ColumnKind::Other(format!("list of {}", other.name())),
        },
        Type::Struct(_) => ColumnKind::Other("struct".to_owned()),
        Type::Extension(extension) => kind_of(&extension.inner),
        other => ColumnKind::Other(format!("{other:?}").to_lowercase()),
    }
}
