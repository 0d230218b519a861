//! The inputs of attention, and the gradients by them: q, k and v side by side or each by itself.

use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::{empty, sizes};

/// q, k and v, and the table of a bias.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub(super) factors: Factors,
    /// `[buckets, heads]`, of f32.
    pub(super) table: Option<CubeTensor>,
}

/// q, k and v.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "both are handles that live for a call")]
pub(super) enum Factors {
    /// Side by side, `[tokens, 3 · hidden]`.
    Packed(CubeTensor),
    /// `[tokens, hidden]` each.
    Separate(Box<[CubeTensor; 3]>),
}

/// The gradients by the inputs.
#[derive(Clone, Debug)]
pub(crate) struct Gradients {
    pub(super) factors: Factors,
    pub(super) table: Option<CubeTensor>,
}

impl Inputs {
    /// q, k and v side by side, `[tokens, 3 · hidden]`.
    pub fn packed(qkv: CubeTensor) -> Self {
        Self { factors: Factors::Packed(qkv), table: None }
    }

    /// q, k and v, `[tokens, hidden]` each.
    pub fn separate(q: CubeTensor, k: CubeTensor, v: CubeTensor) -> Self {
        Self { factors: Factors::Separate(Box::new([q, k, v])), table: None }
    }

    /// With the table of a bias, `[buckets, heads]`, if there is one.
    #[must_use]
    pub fn with_table(self, table: Option<CubeTensor>) -> Self {
        Self { table, ..self }
    }
}

impl Gradients {
    /// The gradient by q, k and v side by side, for inputs that were side by side, and that by the table.
    ///
    /// # Panics
    /// When they were not.
    pub fn into_packed(self) -> (CubeTensor, Option<CubeTensor>) {
        match self.factors {
            Factors::Packed(qkv) => (qkv, self.table),
            Factors::Separate(_) => panic!("q, k and v were not side by side"),
        }
    }

    /// The gradients by all inputs, in their order.
    pub fn into_all(self) -> Vec<CubeTensor> {
        let factors = match self.factors {
            Factors::Packed(qkv) => vec![qkv],
            Factors::Separate(factors) => Vec::from(*factors),
        };
        factors.into_iter().chain(self.table).collect()
    }
}

/// The places of q, k and v in their arrays: the first elements, and the distance from a row to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub first: [usize; 3],
    pub stride: usize,
}

impl Factors {
    /// The arrays of q, k and v.
    pub fn arrays(&self) -> [&CubeTensor; 3] {
        match self {
            Self::Packed(qkv) => [qkv; 3],
            Self::Separate(factors) => factors.each_ref(),
        }
    }

    /// Numbers of tokens and of hidden elements.
    pub fn sizes(&self) -> [usize; 2] {
        let [tokens, width] = sizes(self.arrays()[0]);
        match self {
            Self::Packed(_) => [tokens, width / 3],
            Self::Separate(_) => [tokens, width],
        }
    }

    /// The places in the arrays.
    pub fn places(&self) -> Places {
        let [_, hidden] = self.sizes();
        match self {
            Self::Packed(_) => Places { first: [0, hidden, 2 * hidden], stride: 3 * hidden },
            Self::Separate(_) => Places { first: [0; 3], stride: hidden },
        }
    }

    /// Room for gradients in the form of these factors, all of it in one array: kernels may have few arrays. With their places in it.
    pub fn room(&self) -> (Self, CubeTensor, Places) {
        match self {
            Self::Packed(qkv) => {
                let room = empty::<2>(qkv, sizes(qkv), qkv.dtype);
                (Self::Packed(room.clone()), room, self.places())
            }
            Self::Separate(factors) => {
                let q = &factors[0];
                let [tokens, hidden] = sizes(q);
                let size = q.dtype.size();
                // A part of an array begins at a multiple of some number of bytes.
                let alignment = q.client.properties().memory.alignment as usize;
                let part = (tokens * hidden * size).next_multiple_of(alignment.max(16)) / size;
                let room = empty(q, [3 * part], q.dtype);
                let view = |number: usize| {
                    let start = (number * part * size) as u64;
                    let end = ((3 * part - number * part - tokens * hidden) * size) as u64;
                    let handle = room.handle.clone().offset_start(start).offset_end(end);
                    CubeTensor::new_contiguous(
                        q.client.clone(),
                        q.device.clone(),
                        [tokens, hidden].into(),
                        handle,
                        q.dtype,
                    )
                };
                (
                    Self::Separate(Box::new([0, 1, 2].map(view))),
                    room,
                    Places { first: [0, part, 2 * part], stride: hidden },
                )
            }
        }
    }
}
