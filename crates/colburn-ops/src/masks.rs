//! Masks of dropout, which belong to texts and not to batches.
//!
//! A mask follows from the seed of its text and from the place in the network where it is applied, and from nothing else. No generator is
//! shared, so nothing that happens beside or before a forward pass changes a mask, and a text has the same masks whatever batch it is in.
//! That makes a step repeatable, and gradient caching exact: a batch cut into any mini-batches draws the masks that it draws whole.
//!
//! Masks are made on the host, so that all backends have the same ones.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use crate::seed::mix;

/// The seed of the elements that one forward pass drops.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_ops::{Batch, Dropout, Spans, dropout};
///
/// let device = Device::default();
/// let x = Tensor::<2>::ones([3, 2], &device);
/// let spans = Spans::from_lengths(&[1, 2]);
/// let dropped = |source| dropout(x.clone(), 0.5, &mut Batch::new(&spans, source, &device)).into_data();
/// assert_eq!(dropped(Dropout::seeded(7)), dropped(Dropout::seeded(7)));
/// assert_eq!(dropped(Dropout::off()), x.clone().into_data());
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    seed: Option<u64>,
    first: u64,
}

impl Dropout {
    /// Drops nothing: evaluation.
    pub fn off() -> Self {
        Self { seed: None, first: 0 }
    }

    /// Drops by this seed: training.
    pub fn seeded(seed: u64) -> Self {
        Self { seed: Some(seed), first: 0 }
    }

    /// The dropout of a part of a larger batch that starts at this text of it. The texts get the masks that they have in the whole.
    #[must_use]
    pub fn from_text(self, first: usize) -> Self {
        Self { first: first as u64, ..self }
    }

    /// The seeds of so many texts; `None` if nothing is dropped.
    pub(crate) fn seeds(self, texts: usize) -> Option<Arc<[u64]>> {
        let seed = self.seed?;
        Some((0..texts as u64).map(|text| mix(seed, self.first + text)).collect())
    }
}

/// The masks of one place in the network.
#[derive(Clone, Debug)]
pub(crate) struct Masks {
    /// The seed of each text.
    seeds: Arc<[u64]>,
    site: u64,
    pub(crate) threshold: u64,
    pub(crate) scale: f32,
}

impl Masks {
    /// The masks of the place in the network that has this number, with probability `p`.
    pub fn new(seeds: Arc<[u64]>, site: u64, p: f64) -> Self {
        let threshold = (p * (1u64 << 32) as f64).round() as u64;
        Self { seeds, site, threshold, scale: (1.0 / (1.0 - p)) as f32 }
    }

    /// The seed of each text.
    #[cfg(feature = "cube")]
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The number of the place.
    #[cfg(feature = "cube")]
    pub fn site(&self) -> u64 {
        self.site
    }

    /// Writes the factors of the elements of a text from `start` on: 0 or the scale.
    pub fn fill(&self, text: usize, start: usize, mask: &mut [f32]) {
        #[cfg(feature = "flex")]
        pulp::Arch::new().dispatch(Fill { masks: self, text, start, mask });
        #[cfg(not(feature = "flex"))]
        self.fill_here(text, start, mask);
    }

    /// As [`Masks::fill`], with the instructions that the caller is compiled for.
    #[inline(always)]
    pub fn fill_here(&self, text: usize, start: usize, mask: &mut [f32]) {
        let key = mix(self.seeds[text], self.site);
        // A number of 64 bits decides on two neighbours.
        let value = |half: u64| if half & 0xffff_ffff < self.threshold { 0.0 } else { self.scale };
        let (odd, rest) = mask.split_at_mut((start % 2).min(mask.len()));
        let mut pair = (start / 2) as u64;
        if let [first] = odd {
            *first = value(mix(key, pair) >> 32);
            pair += 1;
        }
        let (pairs, last) = rest.as_chunks_mut::<2>();
        for two in pairs {
            let draw = mix(key, pair);
            *two = [value(draw), value(draw >> 32)];
            pair += 1;
        }
        if let [last] = last {
            *last = value(mix(key, pair));
        }
    }
}

#[cfg(feature = "flex")]
pub(crate) struct Fill<'a> {
    pub masks: &'a Masks,
    pub text: usize,
    pub start: usize,
    pub mask: &'a mut [f32],
}

#[cfg(feature = "flex")]
impl pulp::WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.masks.fill_here(self.text, self.start, self.mask);
    }
}

/// The masks of one place in the network for all rows of a packed run.
#[derive(Clone, Debug)]
pub(crate) struct RowMasks {
    masks: Masks,
    /// The row behind the last one of each text.
    ends: Arc<Vec<usize>>,
}

impl RowMasks {
    pub fn new(masks: Masks, ends: Arc<Vec<usize>>) -> Self {
        Self { masks, ends }
    }

    /// The masks by text.
    #[cfg(feature = "cube")]
    pub fn by_text(&self) -> &Masks {
        &self.masks
    }

    /// Writes the factors of the rows from `row` on, of `width` elements each.
    #[inline(always)]
    pub fn fill(&self, mut row: usize, width: usize, mut mask: &mut [f32]) {
        let mut text = self.ends.partition_point(|&end| end <= row);
        while !mask.is_empty() {
            let Some(&end) = self.ends.get(text) else {
                // No text has these rows.
                mask.fill(0.0);
                return;
            };
            let (here, later) = mask.split_at_mut(((end - row) * width).min(mask.len()));
            let start = if text == 0 { 0 } else { self.ends[text - 1] };
            self.masks.fill_here(text, (row - start) * width, here);
            (row, text, mask) = (end, text + 1, later);
        }
    }

    /// The factors of all elements of `x`, `[tokens, width]`.
    pub fn tensor(&self, x: &Tensor<2>) -> Tensor<2> {
        let [tokens, width] = x.dims();
        let mut mask = vec![0.0; tokens * width];
        self.fill(0, width, &mut mask);
        Tensor::from_data(TensorData::new(mask, [tokens, width]), &x.device())
    }
}
