//! The innermost loop: 14 rows by 32 columns of the result, in 28 of the 32 vector registers, while a panel of either operand goes by.

use std::arch::x86_64::*;

use super::pack::{COLUMNS, Left, ROWS, Right};
use super::vectors::{LANES, load_pairs, load_some, splat_pair, store_some};

/// Adds the products of two panels to the columns from `column` on of at most 14 rows, or writes them there.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn panels<const BY_PAIR: bool>(
    rows: &mut [&mut [f32]],
    column: usize,
    left: &[Left],
    right: &[Right],
    add: bool,
) {
    let mut sums = [[_mm512_setzero_ps(); COLUMNS / LANES]; ROWS];
    for (left, right) in left.iter().zip(right) {
        for (pair, columns) in right.iter().enumerate() {
            let (columns, _) = columns.as_chunks::<LANES>();
            let columns = [load_pairs(&columns[0]), load_pairs(&columns[1])];
            for row in 0..ROWS {
                let value = splat_pair(if BY_PAIR { left[pair][row] } else { left[row][pair] });
                sums[row][0] = _mm512_dpbf16_ps(sums[row][0], value, columns[0]);
                sums[row][1] = _mm512_dpbf16_ps(sums[row][1], value, columns[1]);
            }
        }
    }
    for (row, sums) in rows.iter_mut().zip(sums) {
        for (places, sum) in row[column..].chunks_mut(LANES).zip(sums) {
            let sum = if add { _mm512_add_ps(load_some(places), sum) } else { sum };
            store_some(places, sum);
        }
    }
}
