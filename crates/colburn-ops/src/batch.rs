//! The state that the layers of an encoder share during one forward pass over a batch.
//!
//! Offsets, positions, seeds of dropout, index tensors and masks follow from the spans alone. They are the same in every layer, so they are
//! made once a batch, when a layer first asks for them. A [`Batch`] holds them; each operation keeps its own kind in it.

use std::any::Any;
use std::sync::Arc;

use burn::tensor::Device;

use crate::masks::{Dropout, Masks, RowMasks};
use crate::spans::Spans;

/// A packed batch on its way through an encoder: the spans, the dropout, and whatever else every layer needs.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_ops::{AttentionOptions, Batch, Dropout, Spans, attention};
///
/// let device = Device::default();
/// let mut batch = Batch::new(&Spans::from_lengths(&[2, 3]), Dropout::off(), &device);
/// let x = Tensor::<2>::ones([5, 8], &device);
/// let y = attention(x.clone(), x.clone(), x, AttentionOptions::new(2), &mut batch);
/// assert_eq!(y.dims(), [5, 8]);
/// # }
/// ```
#[derive(Debug)]
pub struct Batch {
    spans: Arc<Spans>,
    device: Device,
    /// The seed of each text; `None` if nothing is dropped.
    seeds: Option<Arc<[u64]>>,
    /// Number of places in the network that have drawn masks.
    sites: u64,
    prepared: Vec<Box<dyn Any + Send>>,
}

/// A value that layers share, with its key.
struct Prepared<K, T> {
    key: K,
    value: Arc<T>,
}

/// The key of the positions.
#[derive(PartialEq)]
struct Positions;

/// The key of the ends of the texts.
#[derive(PartialEq)]
struct Ends;

impl Batch {
    /// A batch of these sequences, for one forward pass on this device.
    pub fn new(spans: &Spans, dropout: Dropout, device: &Device) -> Self {
        Self {
            spans: Arc::new(spans.clone()),
            device: device.clone(),
            seeds: dropout.seeds(spans.len()),
            sites: 0,
            prepared: Vec::new(),
        }
    }

    /// The sequences.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// The device of the tensors that layers share.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The position of each token in its sequence.
    pub fn positions(&mut self) -> Arc<Vec<u32>> {
        self.prepared(Positions, |spans, _| spans.lengths().flat_map(|length| 0..length as u32).collect())
    }

    /// Number of values that have been prepared so far. It does not grow with the number of layers.
    pub fn preparations(&self) -> usize {
        self.prepared.len()
    }

    /// The sequences, to be kept by a node of the graph.
    #[cfg(feature = "flex")]
    pub(crate) fn shared_spans(&self) -> Arc<Spans> {
        self.spans.clone()
    }

    /// The value of this key and type; it is made when it is first asked for.
    pub(crate) fn prepared<K, T>(&mut self, key: K, make: impl FnOnce(&Spans, &Device) -> T) -> Arc<T>
    where
        K: PartialEq + Send + 'static,
        T: Send + Sync + 'static,
    {
        let mut known = self.prepared.iter().filter_map(|one| one.downcast_ref::<Prepared<K, T>>());
        if let Some(known) = known.find(|known| known.key == key) {
            return known.value.clone();
        }
        let value = Arc::new(make(&self.spans, &self.device));
        self.prepared.push(Box::new(Prepared { key, value: value.clone() }));
        value
    }

    /// The masks of the next place in the network that drops with probability `p`; `None` if nothing is dropped there.
    pub(crate) fn masks(&mut self, p: f64) -> Option<Masks> {
        let seeds = self.seeds.clone().filter(|_| p > 0.0)?;
        self.sites += 1;
        Some(Masks::new(seeds, self.sites, p))
    }

    /// As [`Batch::masks`], for all rows of the packed run.
    pub(crate) fn row_masks(&mut self, p: f64) -> Option<RowMasks> {
        let masks = self.masks(p)?;
        let ends = self.prepared(Ends, |spans, _| (0..spans.len()).map(|text| spans.range(text).end).collect());
        Some(RowMasks::new(masks, ends))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_for_its_key() {
        let mut batch = Batch::new(&Spans::from_lengths(&[2, 0, 3]), Dropout::off(), &Device::flex());
        assert_eq!(*batch.positions(), [0, 1, 0, 1, 2]);
        let first = batch.positions();
        assert!(Arc::ptr_eq(&first, &batch.positions()));
        let doubled = |batch: &mut Batch, by: usize| batch.prepared(by, |spans, _| by * spans.tokens());
        assert_eq!([2, 3, 2].map(|by| *doubled(&mut batch, by)), [10, 15, 10]);
        assert_eq!(batch.preparations(), 3);
    }
}
