//! Dropout whose masks belong to texts, not to batches.
//!
//! A mask follows from the seed of its text and from the place in the network where it is applied, and from nothing else: no generator is
//! shared, so nothing that happens beside or before a forward pass changes it. A text gets the same masks whatever batch it is in. That is
//! what makes a step repeatable, and gradient caching exact: a batch cut into any mini-batches draws what it draws whole.
//!
//! Masks are made on the host, so that all backends have the same ones.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

#[cfg(feature = "flex")]
use crate::fused;
use crate::{Spans, mix};

/// Which elements one forward pass drops.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_ops::{Dropout, Spans};
///
/// let x = Tensor::<2>::ones([3, 2], &Device::default());
/// let spans = Spans::from_lengths(&[1, 2]);
/// let dropped = |mut dropout: Dropout| dropout.apply(x.clone(), 0.5, &spans).into_data();
/// assert_eq!(dropped(Dropout::seeded(7)), dropped(Dropout::seeded(7)));
/// assert_eq!(dropped(Dropout::off()), x.clone().into_data());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dropout {
    seed: Option<u64>,
    first: u64,
    sites: u64,
}

impl Dropout {
    /// Nothing is dropped: evaluation.
    pub fn off() -> Self {
        Self { seed: None, first: 0, sites: 0 }
    }

    /// Masks of this seed: training.
    pub fn seeded(seed: u64) -> Self {
        Self { seed: Some(seed), first: 0, sites: 0 }
    }

    /// The pass is over a part of a larger batch, which starts at this text of it: the texts get the masks that they have in the whole.
    #[must_use]
    pub fn from_text(self, first: usize) -> Self {
        Self { first: first as u64, ..self }
    }

    /// Zeroes each element of a packed run with probability `p`, and scales the others by `1 / (1 - p)`. Each call is a place of its own
    /// in the network.
    ///
    /// # Shapes
    /// `x` and the result: `[tokens, width]`.
    pub fn apply(&mut self, x: Tensor<2>, p: f64, spans: &Spans) -> Tensor<2> {
        let Some(masks) = self.rows(p, spans) else { return x };
        #[cfg(feature = "flex")]
        if fused::runs_on(&x) {
            return fused::drop(x, masks);
        }
        x.clone() * masks.tensor(&x)
    }

    /// The masks of the next place in the network for a packed run; none when nothing is dropped there.
    pub(crate) fn rows(&mut self, p: f64, spans: &Spans) -> Option<RowMasks> {
        let masks = self.site(p)?;
        Some(RowMasks { masks, ends: (0..spans.len()).map(|text| spans.range(text).end).collect() })
    }

    /// The next place in the network; none when nothing is dropped there.
    pub(crate) fn site(&mut self, p: f64) -> Option<Masks> {
        let seed = self.seed.filter(|_| p > 0.0)?;
        self.sites += 1;
        let threshold = (p * (1u64 << 32) as f64).round() as u64;
        Some(Masks { seed, first: self.first, site: self.sites, threshold, scale: (1.0 / (1.0 - p)) as f32 })
    }
}

/// The masks of one place in the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masks {
    seed: u64,
    first: u64,
    site: u64,
    threshold: u64,
    scale: f32,
}

impl Masks {
    /// What multiplies the elements of a text from `start` on: 0 or the scale.
    pub fn fill(&self, text: usize, start: usize, mask: &mut [f32]) {
        #[cfg(feature = "flex")]
        pulp::Arch::new().dispatch(Fill { masks: self, text, start, mask });
        #[cfg(not(feature = "flex"))]
        self.fill_here(text, start, mask);
    }

    /// The same with the instructions that the caller is compiled for.
    #[inline(always)]
    pub fn fill_here(&self, text: usize, start: usize, mask: &mut [f32]) {
        let key = mix(mix(self.seed, self.first + text as u64), self.site);
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
struct Fill<'a> {
    masks: &'a Masks,
    text: usize,
    start: usize,
    mask: &'a mut [f32],
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
    ends: Arc<[usize]>,
}

impl RowMasks {
    /// What multiplies the rows from `row` on, of `width` elements each.
    #[inline(always)]
    pub fn fill(&self, mut row: usize, width: usize, mut mask: &mut [f32]) {
        let mut text = self.ends.partition_point(|&end| end <= row);
        while !mask.is_empty() {
            let Some(&end) = self.ends.get(text) else {
                // These rows are of no text.
                mask.fill(0.0);
                return;
            };
            let (here, later) = mask.split_at_mut(((end - row) * width).min(mask.len()));
            let start = if text == 0 { 0 } else { self.ends[text - 1] };
            self.masks.fill_here(text, (row - start) * width, here);
            (row, text, mask) = (end, text + 1, later);
        }
    }

    /// All of them, as a tensor beside this one.
    pub fn tensor(&self, x: &Tensor<2>) -> Tensor<2> {
        let [tokens, width] = x.dims();
        let mut mask = vec![0.0; tokens * width];
        self.fill(0, width, &mut mask);
        Tensor::from_data(TensorData::new(mask, [tokens, width]), &x.device())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn ones(tokens: usize, width: usize) -> Tensor<2> {
        Tensor::ones([tokens, width], &Device::flex())
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn drops_its_share_and_keeps_the_mean() {
        let spans = Spans::from_lengths(&[60, 0, 40]);
        let kept = values(Dropout::seeded(3).apply(ones(100, 100), 0.1, &spans));
        let zeros = kept.iter().filter(|&&value| value == 0.0).count();
        // 10,000 draws: four standard deviations are 120
        assert!((880..=1120).contains(&zeros), "{zeros}");
        assert!(kept.iter().all(|&value| value == 0.0 || value == (1.0 / 0.9) as f32));
        // neighbours, which share a draw, are independent: 1 % of the pairs
        let both = kept.chunks(2).filter(|pair| pair == &[0.0, 0.0]).count();
        assert!((20..=80).contains(&both), "{both}");
    }

    #[test]
    fn nothing_is_dropped_without_a_seed_or_a_probability() {
        let spans = Spans::from_lengths(&[10]);
        for (mut dropout, p) in [(Dropout::off(), 0.5), (Dropout::seeded(1), 0.0)] {
            assert_eq!(values(dropout.apply(ones(10, 10), p, &spans)), vec![1.0; 100]);
        }
    }

    #[test]
    fn seeds_and_places_have_masks_of_their_own() {
        let spans = Spans::from_lengths(&[10]);
        let mut one = Dropout::seeded(1);
        let masks: Vec<Vec<f32>> = [one.apply(ones(10, 10), 0.5, &spans), one.apply(ones(10, 10), 0.5, &spans)]
            .into_iter()
            .chain([Dropout::seeded(2).apply(ones(10, 10), 0.5, &spans)])
            .map(values)
            .collect();
        assert!(masks[0] != masks[1] && masks[0] != masks[2] && masks[1] != masks[2]);
        assert_eq!(masks[0], values(Dropout::seeded(1).apply(ones(10, 10), 0.5, &spans)));
    }

    #[test]
    fn a_text_has_its_masks_in_any_part_of_the_batch() {
        let lengths = [3, 5, 1, 7];
        let whole = Spans::from_lengths(&lengths);
        let all = values(Dropout::seeded(9).apply(ones(16, 3), 0.4, &whole));
        let part = Spans::from_lengths(&lengths[1..3]);
        let some = values(Dropout::seeded(9).from_text(1).apply(ones(6, 3), 0.4, &part));
        assert_eq!(some, all[3 * 3..9 * 3]);
    }

    #[test]
    fn masks_are_those_of_the_hash_one_by_one() {
        let masks = Dropout::seeded(11).from_text(2).site(0.3).unwrap();
        let key = mix(mix(11, 2 + 5), 1);
        let one = |place: usize| {
            let half = mix(key, place as u64 / 2) >> (32 * (place % 2)) & 0xffff_ffff;
            if half < masks.threshold { 0.0 } else { masks.scale }
        };
        for arch in fused::testing::instruction_sets() {
            for (start, length) in [(0, 0), (0, 1), (1, 1), (1, 2), (0, 33), (7, 64), (16, 301), (33, 1000)] {
                let mut mask = vec![f32::NAN; length];
                arch.dispatch(Fill { masks: &masks, text: 5, start, mask: &mut mask });
                let expected: Vec<f32> = (start..start + length).map(one).collect();
                assert_eq!(mask, expected, "{arch:?}: {length} from {start}");
            }
        }
    }

    #[test]
    fn what_is_dropped_always_leaves_nothing() {
        let spans = Spans::from_lengths(&[10]);
        assert_eq!(values(Dropout::seeded(1).apply(ones(10, 10), 1.0, &spans)), vec![0.0; 100]);
    }
}
