//! Index tensors, masks and buckets are made once a batch, and not in every layer.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use crate::attention::composed;
use crate::attention::{AttentionOptions, RelativeBias};
use crate::batch::Batch;
use crate::masks::Dropout;
use crate::spans::Spans;
use crate::testing::random;

fn bucket(distance: i64) -> usize {
    (distance.clamp(-3, 3) + 3) as usize
}

/// The number of prepared values after so many layers of each kind: global, local, and with a bias.
fn preparations(layers: usize) -> usize {
    let spans = Spans::with_keys(&[5, 9, 300], &[5, 3, 300]).unwrap();
    let mut batch = Batch::new(&spans, Dropout::seeded(1), &Device::flex());
    let mut x = random([spans.tokens(), 8], 1);
    for _ in 0..layers {
        let bias = RelativeBias { table: random([7, 2], 2), bucket };
        let global = AttentionOptions { dropout: 0.1, ..AttentionOptions::new(2) };
        let local = AttentionOptions { window: Some(4), ..global.clone() };
        for options in [global.clone(), local, AttentionOptions { bias: Some(bias), ..global }] {
            let masks = batch.masks(options.dropout);
            x = composed::attention([x.clone(), x.clone(), x], &options, masks, &mut batch);
        }
    }
    assert!(x.into_data().try_to_vec::<f32>().unwrap().iter().all(|value| value.is_finite()));
    batch.preparations()
}

#[test]
fn layers_share_their_layout() {
    // Two layouts and the buckets of one.
    assert_eq!(preparations(1), 3);
    assert_eq!(preparations(6), 3);
}

#[test]
fn a_layout_is_the_same_object_in_all_layers() {
    let spans = Spans::from_lengths(&[3, 4]);
    let mut batch = Batch::new(&spans, Dropout::off(), &Device::flex());
    let x: Tensor<2> = random([7, 4], 1);
    let made = |batch: &mut Batch| batch.prepared(0u8, |_, _| ());
    let before = made(&mut batch);
    for _ in 0..3 {
        composed::attention([x.clone(), x.clone(), x.clone()], &AttentionOptions::new(1), None, &mut batch);
        assert!(Arc::ptr_eq(&before, &made(&mut batch)));
        assert_eq!(batch.preparations(), 2);
    }
}
