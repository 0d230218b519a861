//! Which columns of a Parquet file hold texts, numbers or lists of either.

use polars::prelude::ArrowDataType;
use polars_parquet::parquet::metadata::SchemaDescriptor;
use polars_parquet::parquet::schema::types::{
    IntegerType, ParquetType, PhysicalType, PrimitiveConvertedType, PrimitiveLogicalType,
};

use crate::table::{Items, Kind};

/// What the values of a column of this type are.
pub(super) fn kind(dtype: &ArrowDataType) -> Kind {
    use ArrowDataType as Type;
    match dtype {
        Type::Utf8View | Type::Utf8 | Type::LargeUtf8 => Kind::Text,
        Type::Boolean | Type::Int32 | Type::Int64 | Type::UInt32 | Type::UInt64 | Type::Float32 | Type::Float64 => {
            Kind::Number
        }
        Type::List(items) | Type::LargeList(items) => match kind(&items.dtype) {
            Kind::Text => Kind::List(Items::Texts),
            Kind::Number => Kind::List(Items::Numbers),
            other => Kind::Other(format!("list of {}", other.name())),
        },
        Type::Struct(_) => Kind::Other("struct".to_owned()),
        other => Kind::Other(format!("{other:?}").to_lowercase()),
    }
}

/// The same columns with integers of 8 and 16 bits as ones of 32: as such they are stored, and only as such does polars
/// decode them without a feature for each of the types.
pub(super) fn widened(schema: &SchemaDescriptor) -> SchemaDescriptor {
    SchemaDescriptor::new(schema.name().into(), schema.fields().iter().cloned().map(widened_type).collect())
}

fn widened_type(mut column: ParquetType) -> ParquetType {
    use PrimitiveConvertedType as Converted;
    match &mut column {
        ParquetType::GroupType { fields, .. } => {
            *fields = std::mem::take(fields).into_iter().map(widened_type).collect();
        }
        ParquetType::PrimitiveType(primitive) if primitive.physical_type == PhysicalType::Int32 => {
            let narrow = matches!(
                primitive.logical_type,
                Some(PrimitiveLogicalType::Integer(
                    IntegerType::Int8 | IntegerType::Int16 | IntegerType::UInt8 | IntegerType::UInt16
                ))
            ) || matches!(
                primitive.converted_type,
                Some(Converted::Int8 | Converted::Int16 | Converted::Uint8 | Converted::Uint16)
            );
            if narrow {
                primitive.logical_type = None;
                primitive.converted_type = None;
            }
        }
        ParquetType::PrimitiveType(_) => {}
    }
    column
}
