//! Dropout: its share, its independence of batches, and the kernels against their twins.

use burn::tensor::{Device, Tensor};

use super::composed;
use super::flex::{Drop, DropAdd, drop_add};
use crate::batch::Batch;
use crate::kernel::flex::{apply_1, apply_2};
use crate::masks::{Dropout, Fill, RowMasks};
use crate::seed::mix;
use crate::spans::Spans;
use crate::testing::{agree, instruction_sets, random, same_on_any_threads};

fn ones(tokens: usize, width: usize) -> Tensor<2> {
    Tensor::ones([tokens, width], &Device::flex())
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn batch(dropout: Dropout, spans: &Spans) -> Batch {
    Batch::new(spans, dropout, &Device::flex())
}

/// Dropout at the first place of the network.
fn dropped(dropout: Dropout, x: Tensor<2>, p: f64, spans: &Spans) -> Vec<f32> {
    values(super::dropout(x, p, &mut batch(dropout, spans)))
}

#[test]
fn drops_its_share_and_keeps_the_mean() {
    let spans = Spans::from_lengths(&[60, 0, 40]);
    let kept = dropped(Dropout::seeded(3), ones(100, 100), 0.1, &spans);
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
    for (dropout, p) in [(Dropout::off(), 0.5), (Dropout::seeded(1), 0.0)] {
        assert_eq!(dropped(dropout, ones(10, 10), p, &spans), vec![1.0; 100]);
    }
}

#[test]
fn seeds_and_places_have_masks_of_their_own() {
    let spans = Spans::from_lengths(&[10]);
    let mut one = batch(Dropout::seeded(1), &spans);
    let first = values(super::dropout(ones(10, 10), 0.5, &mut one));
    let second = values(super::dropout(ones(10, 10), 0.5, &mut one));
    let masks = [first, second, dropped(Dropout::seeded(2), ones(10, 10), 0.5, &spans)];
    assert!(masks[0] != masks[1] && masks[0] != masks[2] && masks[1] != masks[2]);
    assert_eq!(masks[0], dropped(Dropout::seeded(1), ones(10, 10), 0.5, &spans));
}

#[test]
fn a_text_has_its_masks_in_any_part_of_the_batch() {
    let lengths = [3, 5, 1, 7];
    let whole = Spans::from_lengths(&lengths);
    let all = dropped(Dropout::seeded(9), ones(16, 3), 0.4, &whole);
    let part = Spans::from_lengths(&lengths[1..3]);
    let some = dropped(Dropout::seeded(9).from_text(1), ones(6, 3), 0.4, &part);
    assert_eq!(some, all[3 * 3..9 * 3]);
}

#[test]
fn masks_are_those_of_the_hash_one_by_one() {
    let masks = batch(Dropout::seeded(11).from_text(2), &Spans::from_lengths(&[1; 6])).masks(0.3).unwrap();
    let key = mix(mix(11, 2 + 5), 1);
    let one = |place: usize| {
        let half = mix(key, place as u64 / 2) >> (32 * (place % 2)) & 0xffff_ffff;
        if half < masks.threshold { 0.0 } else { masks.scale }
    };
    for arch in instruction_sets() {
        for (start, length) in [(0, 0), (0, 1), (1, 1), (1, 2), (0, 33), (7, 64), (16, 301), (33, 1000)] {
            let mut mask = vec![f32::NAN; length];
            arch.dispatch(Fill { masks: &masks, text: 5, start, mask: &mut mask });
            let expected: Vec<f32> = (start..start + length).map(one).collect();
            assert_eq!(mask, expected, "{arch:?}: {length} from {start}");
        }
    }
}

#[test]
fn a_probability_of_1_leaves_nothing() {
    let spans = Spans::from_lengths(&[10]);
    assert_eq!(dropped(Dropout::seeded(1), ones(10, 10), 1.0, &spans), vec![0.0; 100]);
}

fn masks(tokens: usize) -> RowMasks {
    let lengths = [tokens / 3, 0, tokens / 2, tokens - tokens / 3 - tokens / 2];
    batch(Dropout::seeded(5), &Spans::from_lengths(&lengths)).row_masks(0.3).unwrap()
}

#[test]
fn agree_with_their_twins() {
    for arch in instruction_sets() {
        for [tokens, width] in [[0, 3], [1, 1], [5, 3], [9, 15], [4, 16], [7, 17], [50, 384], [30, 1536], [3, 5000]] {
            let (x, residual) = (random([tokens, width], 1), random([tokens, width], 2));
            let masks = masks(tokens);
            let kernel = Drop { arch, masks: masks.clone() };
            let twin = |x| composed::dropout(x, Some(&masks));
            // Once over an array that others hold, once in place.
            agree([x.clone()], |[x]| apply_1(kernel.clone(), x), |[x]| twin(x), 1e-6);
            agree([x.clone()], |[x]| apply_1(kernel.clone(), x * 1.0), |[x]| twin(x), 1e-6);
            for masks in [None, Some(masks.clone())] {
                let kernel = DropAdd { arch, masks: masks.clone() };
                let twin = |x| composed::dropout(x, masks.as_ref());
                agree(
                    [x.clone(), residual.clone()],
                    |[x, residual]| apply_2(kernel.clone(), x * 1.0, residual),
                    |[x, residual]| twin(x) + residual,
                    1e-6,
                );
            }
        }
    }
}

#[test]
fn a_sum_of_which_one_is_a_constant_has_the_gradient_of_the_other() {
    let (constant, masks) = (random([20, 17], 3), masks(20));
    let other = || constant.clone().autodiff();
    agree(
        [random([20, 17], 1)],
        |[x]| drop_add(x.autodiff(), other(), Some(masks.clone())),
        |[x]| x.clone().autodiff() * masks.tensor(&x) + other(),
        1e-6,
    );
}

#[test]
fn are_the_same_on_any_number_of_threads() {
    let inputs = [random([100, 768], 1), random([100, 768], 2)];
    same_on_any_threads(inputs, |[x, residual]| drop_add(x, residual, Some(masks(100))));
}
