//! The types of stored token vectors, and the conversion to and from bytes.

use std::{fmt, str::FromStr};

use half::{f16, slice::HalfFloatSliceExt};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The type of the stored values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 4 bytes a value; scores are those of the embeddings themselves.
    #[default]
    F32,
    /// 2 bytes a value; values of vectors of length 1 are off by at most 1/4096.
    F16,
    /// 1 byte a value and one scale a token: the largest absolute value of a vector is 127 steps, and a value is off by at most half of one.
    Int8,
}

impl Dtype {
    /// All of them, by name.
    const NAMES: [(&'static str, Self); 3] = [("f32", Self::F32), ("f16", Self::F16), ("int8", Self::Int8)];

    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Int8 => 1,
        }
    }

    /// The type in a safetensors file.
    pub(crate) fn stored(self) -> safetensors::Dtype {
        match self {
            Self::F32 => safetensors::Dtype::F32,
            Self::F16 => safetensors::Dtype::F16,
            Self::Int8 => safetensors::Dtype::I8,
        }
    }

    /// The largest absolute value that can be stored.
    pub(crate) fn largest(self) -> f32 {
        match self {
            Self::F32 | Self::Int8 => f32::MAX,
            Self::F16 => f16::MAX.to_f32(),
        }
    }

    /// Appends the bytes of a vector, little-endian, to `values`, and those of its scale, if it has one, to `scales`.
    pub fn encode(self, vector: &[f32], values: &mut Vec<u8>, scales: &mut Vec<u8>) {
        match self {
            Self::F32 => {
                let start = values.len();
                values.resize(start + 4 * vector.len(), 0);
                let bytes = values[start..].as_chunks_mut().0;
                bytes.iter_mut().zip(vector).for_each(|(bytes, value)| *bytes = value.to_le_bytes());
            }
            Self::F16 => {
                // As a slice, because the processor converts eight at a time.
                let mut rounded = vec![f16::ZERO; vector.len()];
                rounded.convert_from_f32_slice(vector);
                let start = values.len();
                values.resize(start + 2 * vector.len(), 0);
                let bytes = values[start..].as_chunks_mut().0;
                bytes.iter_mut().zip(rounded).for_each(|(bytes, value)| *bytes = value.to_le_bytes());
            }
            Self::Int8 => {
                let (scale, steps) = quantize(vector);
                values.extend(steps.map(i8::cast_unsigned));
                scales.extend(scale.to_le_bytes());
            }
        }
    }

    /// The vectors of the bytes `values`, with the scales of the bytes `scales`. An incomplete value at the end is left out.
    pub(crate) fn decode(self, values: &[u8], scales: &[u8], dim: usize) -> Vec<f32> {
        match self {
            Self::F32 => values.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect(),
            Self::F16 => {
                let halves: Vec<f16> = values.as_chunks().0.iter().map(|&value| f16::from_le_bytes(value)).collect();
                halves.to_f32_vec()
            }
            Self::Int8 => {
                let scales = scales.as_chunks().0.iter().map(|&scale| f32::from_le_bytes(scale));
                let vectors = values.chunks_exact(dim.max(1)).zip(scales);
                vectors
                    .flat_map(|(vector, scale)| vector.iter().map(move |&value| f32::from(value as i8) * scale))
                    .collect()
            }
        }
    }
}

/// Whole numbers from −127 to 127 in proportion to a token's vector, and the scale that brings them back: the largest magnitude divided by 127.
/// A value is off by at most half a scale. A vector of zeros has the scale 0; one with a value that is not finite has the scale NaN.
///
/// ```
/// let (scale, steps) = colburn_search::quantize(&[2.0, -1.0, 0.0]);
/// assert_eq!((scale, steps.collect::<Vec<_>>()), (2.0 / 127.0, vec![127, -64, 0]));
/// ```
pub fn quantize(vector: &[f32]) -> (f32, impl Iterator<Item = i8>) {
    let finite = vector.iter().all(|value| value.is_finite());
    // A maximum drops NaN: without this, the vector would become a finite one.
    let largest = if finite { vector.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) } else { f32::NAN };
    let scale = largest / 127.0;
    let step = move |&value: &f32| if scale > 0.0 { (value / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 };
    (scale, vector.iter().map(step))
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, dtype)| dtype == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, dtype)| *dtype).ok_or_else(|| Error::Argument {
            name: "dtype",
            value: text.to_owned(),
            message: "f32, f16 or int8 is expected".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(dtype: Dtype, vector: &[f32]) -> Vec<f32> {
        let (mut values, mut scales) = (Vec::new(), Vec::new());
        dtype.encode(vector, &mut values, &mut scales);
        assert_eq!(values.len(), vector.len() * dtype.size());
        dtype.decode(&values, &scales, vector.len())
    }

    #[test]
    fn values_come_back_as_exactly_as_their_type_says() {
        let vector = [0.6f32, -0.8, 0.001, 0.0, 1.0 / 3.0];
        assert_eq!(there_and_back(Dtype::F32, &vector), vector);
        let far = |dtype, bound: f32| {
            let found = there_and_back(dtype, &vector);
            let error = vector.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error > 0.0 && error <= bound, "{dtype}: {error}");
        };
        far(Dtype::F16, 1.0 / 4096.0);
        far(Dtype::Int8, 0.8 / 127.0 / 2.0 * 1.001);
        assert_eq!(there_and_back(Dtype::Int8, &[0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(there_and_back(Dtype::Int8, &[-2.0, 2.0]), [-2.0, 2.0]);
    }

    #[test]
    fn a_vector_uses_the_whole_range() {
        let quantized = |vector: &[f32]| {
            let (scale, steps) = quantize(vector);
            (scale, steps.collect::<Vec<_>>())
        };
        assert_eq!(quantized(&[0.5, -0.25, 0.0]), (0.5 / 127.0, vec![127, -64, 0]));
        assert_eq!(quantized(&[1e-3, -2e-3, 1.5e-3]), (2e-3 / 127.0, vec![64, -127, 95]));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(quantized(&[1.0, value]).0.is_nan());
            assert!(there_and_back(Dtype::Int8, &[1.0, value]).iter().all(|value| value.is_nan()));
        }
        // Too small for a scale.
        assert_eq!(quantized(&[f32::from_bits(1), 0.0]), (0.0, vec![0, 0]));
    }

    // np.array([1.0, -0.1, 6e-8, 1e-9], dtype=np.float16).tobytes().hex()
    #[test]
    fn halves_are_ieee() {
        let mut values = Vec::new();
        Dtype::F16.encode(&[1.0, -0.1, 6e-8, 1e-9], &mut values, &mut Vec::new());
        assert_eq!(values, [0x00, 0x3c, 0x66, 0xae, 0x01, 0x00, 0x00, 0x00]);
    }

    #[test]
    fn names_are_read_and_written() {
        for (name, dtype) in Dtype::NAMES {
            assert_eq!((dtype.to_string().as_str(), name.parse::<Dtype>().unwrap()), (name, dtype));
            assert_eq!(serde_json::to_value(dtype).unwrap(), name);
        }
        assert_eq!("f64".parse::<Dtype>().unwrap_err().to_string(), "dtype = f64: f32, f16 or int8 is expected");
    }
}
