//! The values of columns as Arrow arrays, collected a row at a time.

use polars_arrow::array::{Array, ListArray, MutableArray, MutableListArray, MutablePrimitiveArray, MutableUtf8Array};
use polars_arrow::datatypes::{ArrowDataType, Field};

use super::column_type::OneType;
use crate::one_line::one_line;
use crate::table::lists::List;
use crate::table::value::Value;

/// The column as Arrow describes it.
pub(super) fn field(name: &str, of: OneType) -> Field {
    let list = ListArray::<i64>::default_datatype;
    let dtype = match of {
        OneType::Text => ArrowDataType::LargeUtf8,
        OneType::Integer => ArrowDataType::Int64,
        OneType::Float => ArrowDataType::Float64,
        OneType::Texts => list(ArrowDataType::LargeUtf8),
        OneType::Integers => list(ArrowDataType::Int64),
        OneType::Floats => list(ArrowDataType::Float64),
    };
    Field::new(name.into(), dtype, true)
}

/// The values of a column so far.
pub(super) enum ArrayBuilder {
    Text(MutableUtf8Array<i64>),
    Integer(MutablePrimitiveArray<i64>),
    Float(MutablePrimitiveArray<f64>),
    Texts(MutableListArray<i64, MutableUtf8Array<i64>>),
    Integers(MutableListArray<i64, MutablePrimitiveArray<i64>>),
    Floats(MutableListArray<i64, MutablePrimitiveArray<f64>>),
}

impl ArrayBuilder {
    pub(super) fn new(of: OneType) -> Self {
        match of {
            OneType::Text => Self::Text(MutableUtf8Array::new()),
            OneType::Integer => Self::Integer(MutablePrimitiveArray::new()),
            OneType::Float => Self::Float(MutablePrimitiveArray::new()),
            OneType::Texts => Self::Texts(MutableListArray::new()),
            OneType::Integers => Self::Integers(MutableListArray::new()),
            OneType::Floats => Self::Floats(MutableListArray::new()),
        }
    }

    /// Adds a value, and returns the bytes that it takes.
    pub(super) fn push(&mut self, value: &Value) -> Result<usize, String> {
        let bytes = match (&mut *self, value) {
            (Self::Text(array), Value::Text(text)) => {
                array.push(Some(text));
                text.len()
            }
            (Self::Integer(array), Value::Integer(integer)) => {
                array.push(Some(*integer));
                0
            }
            (Self::Float(array), Value::Float(float)) => {
                array.push(Some(*float));
                0
            }
            (Self::Float(array), Value::Integer(integer)) => {
                array.push(Some(*integer as f64));
                0
            }
            (Self::Texts(array), Value::List(List::Texts(texts))) => {
                texts.iter().for_each(|text| array.mut_values().push(Some(text)));
                array.try_push_valid().map_err(one_line)?;
                texts.iter().map(|text| text.len() + size_of::<i64>()).sum()
            }
            (Self::Texts(array), Value::List(list)) if list.is_empty() => {
                array.try_push_valid().map_err(one_line)?;
                0
            }
            (Self::Integers(array), Value::List(List::Integers(integers))) => {
                array.mut_values().extend_from_slice(integers);
                array.try_push_valid().map_err(one_line)?;
                size_of_val(&integers[..])
            }
            (Self::Floats(array), Value::List(List::Floats(floats))) => {
                array.mut_values().extend_from_slice(floats);
                array.try_push_valid().map_err(one_line)?;
                size_of_val(&floats[..])
            }
            (Self::Floats(array), Value::List(List::Integers(integers))) => {
                integers.iter().for_each(|integer| array.mut_values().push(Some(*integer as f64)));
                array.try_push_valid().map_err(one_line)?;
                size_of_val(&integers[..])
            }
            (_, Value::Null) => {
                self.array().push_null();
                0
            }
            (_, value) => {
                return Err(format!("the source changed while it was read: a {} is new", value.name()));
            }
        };
        Ok(bytes + size_of::<i64>())
    }

    /// The values so far, none of which are held any more.
    pub(super) fn take(&mut self) -> Box<dyn Array> {
        self.array().as_box()
    }

    fn array(&mut self) -> &mut dyn MutableArray {
        match self {
            Self::Text(array) => array,
            Self::Integer(array) => array,
            Self::Float(array) => array,
            Self::Texts(array) => array,
            Self::Integers(array) => array,
            Self::Floats(array) => array,
        }
    }
}
