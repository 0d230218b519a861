//! The kernels of CubeCL against their twins on flex.

use burn::tensor::Tensor;

use super::composed;
use crate::batch::Batch;
use crate::cube::testing::{agree, device, moved, values};
use crate::masks::{Dropout, RowMasks};
use crate::spans::Spans;
use crate::testing::random;

fn batch(lengths: &[usize]) -> Batch {
    Batch::new(&Spans::from_lengths(lengths), Dropout::seeded(11).from_text(3), &device())
}

fn masks(lengths: &[usize]) -> RowMasks {
    batch(lengths).row_masks(0.3).unwrap()
}

#[test]
fn kernels_of_cube_agree_with_their_twins() {
    for lengths in [vec![], vec![0, 0], vec![3, 0, 5, 1], vec![40, 7, 90]] {
        let tokens = lengths.iter().sum();
        for width in [1, 6, 17, 384] {
            let (x, residual) = (random([tokens, width], 1), random([tokens, width], 2));
            let masks = masks(&lengths);
            agree(
                [x.clone()],
                |[x]| crate::dropout(x, 0.3, &mut batch(&lengths)),
                |[x]| composed::dropout(x, Some(&masks)),
                0.0,
            );
            for (p, masks) in [(0.3, Some(&masks)), (0.0, None)] {
                agree(
                    [x.clone(), residual.clone()],
                    |[x, residual]| crate::drop_add(x, residual, p, &mut batch(&lengths)),
                    |[x, residual]| composed::dropout(x, masks) + residual,
                    1e-6,
                );
            }
        }
    }
}

#[test]
fn nearly_everything_may_be_dropped_on_cube() {
    let x = moved(Tensor::<2>::ones([40, 64], &burn::tensor::Device::flex()));
    let kept = values(crate::dropout(x, 0.999_999_999_99, &mut batch(&[40])));
    assert!(kept.iter().all(|&value| value == 0.0));
}
