//! A tensor that lies in a file and is read when it is asked for, as f32 whatever its type there.

use std::{fmt, io};

use half::{bf16, f16};

/// The type of a tensor's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    BF16,
    /// No float, by its name: buffers such as `embeddings.position_ids`, or quantised weights.
    Other(String),
}

impl Element {
    /// Little-endian bytes as f32; `None` for a type that is no float.
    fn to_f32(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
            Some(bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect())
        }
        match self {
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |chunk| f64::from_le_bytes(chunk) as f32),
            Self::F16 => each(bytes, |chunk| f16::from_le_bytes(chunk).to_f32()),
            Self::BF16 => each(bytes, |chunk| bf16::from_le_bytes(chunk).to_f32()),
            Self::Other(_) => None,
        }
    }
}

/// A tensor of a file: what is known of it before it is read, and how to read it.
pub(super) struct Stored {
    pub element: Element,
    pub shape: Vec<usize>,
    /// Its bytes, row by row, little-endian.
    pub bytes: Box<dyn Fn() -> io::Result<Vec<u8>>>,
}

impl Stored {
    /// Its elements, row by row.
    pub fn read(&self) -> io::Result<Vec<f32>> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let values = self.element.to_f32(&(self.bytes)()?);
        let values = values.ok_or_else(|| invalid(format!("{:?} is no float", self.element)))?;
        let expected: usize = self.shape.iter().product();
        if values.len() != expected {
            return Err(invalid(format!("{} elements, its shape has {expected}", values.len())));
        }
        Ok(values)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.element, self.shape)
    }
}
