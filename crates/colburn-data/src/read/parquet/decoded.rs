//! The decoded columns of one slice of a Parquet file, as the cells of its rows.

use polars::prelude::{Column, DataType, Float64Chunked, Int64Chunked, PolarsResult, StringChunked, UInt64Chunked};

use crate::builder::Cell;
use crate::lists::{Item, List};
use crate::table::Kind;

/// The values of one column.
pub(super) enum Values {
    Flat(Flat),
    /// The values of all lists in one run, where each row's lie in it, and which rows have no list.
    Lists {
        values: Flat,
        ranges: Vec<Option<(usize, usize)>>,
    },
    /// A column that is not kept, by the name of its type.
    Other(String),
}

impl Values {
    pub(super) fn of(column: &Column, kind: &Kind) -> PolarsResult<Self> {
        Ok(match kind {
            Kind::List(_) => {
                let lists = column.list()?.rechunk();
                let mut ranges = Vec::with_capacity(lists.len());
                for chunk in lists.downcast_iter() {
                    let valid = |row| chunk.validity().is_none_or(|valid| valid.get_bit(row));
                    ranges.extend(
                        (0..chunk.offsets().len_proxy()).map(|row| valid(row).then(|| chunk.offsets().start_end(row))),
                    );
                }
                Values::Lists { values: Flat::of(&lists.get_inner().into())?, ranges }
            }
            _ => Values::Flat(Flat::of(column)?),
        })
    }

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

/// Values that are no lists.
pub(super) enum Flat {
    Text(StringChunked),
    Integer(Int64Chunked),
    /// Integers that 63 bits may not hold.
    Unsigned(UInt64Chunked),
    Float(Float64Chunked),
}

enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
}

impl Flat {
    fn of(column: &Column) -> PolarsResult<Self> {
        Ok(match column.dtype() {
            DataType::String => Flat::Text(column.str()?.rechunk().into_owned()),
            DataType::UInt64 => Flat::Unsigned(column.u64()?.rechunk().into_owned()),
            DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::UInt32 => {
                Flat::Integer(column.cast(&DataType::Int64)?.i64()?.rechunk().into_owned())
            }
            _ => Flat::Float(column.cast(&DataType::Float64)?.f64()?.rechunk().into_owned()),
        })
    }

    fn item(&self, at: usize) -> Option<Value<'_>> {
        match self {
            Flat::Text(texts) => texts.get(at).map(Value::Text),
            Flat::Integer(integers) => integers.get(at).map(Value::Integer),
            Flat::Unsigned(unsigned) => {
                unsigned.get(at).map(|number| i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer))
            }
            Flat::Float(floats) => floats.get(at).map(Value::Float),
        }
    }
}
