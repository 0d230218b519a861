//! Sums along rows, in lanes that vectors of any width hold: they come out alike on every instruction set.

const LANES: usize = 64;

/// The sum of a function of the numbers of two rows, place by place.
#[inline(always)]
pub(crate) fn total(x: &[f32], y: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            lanes[lane] += of(x[lane], y[lane]);
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
        *lane += of(x, y);
    }
    let mut left = LANES;
    while left > 1 {
        left /= 2;
        for lane in 0..left {
            lanes[lane] += lanes[lane + left];
        }
    }
    lanes[0]
}

/// The sum of a row.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    total(x, x, |x, _| x)
}

/// The sum of products of two rows.
#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f32 {
    total(x, y, |x, y| x * y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_counts_once() {
        for length in [0usize, 1, 63, 64, 65, 200] {
            let x: Vec<f32> = (0..length).map(|place| place as f32).collect();
            assert_eq!(sum(&x), (length * length.saturating_sub(1) / 2) as f32);
            assert_eq!(dot(&x, &vec![2.0; length]), 2.0 * sum(&x));
        }
    }
}
