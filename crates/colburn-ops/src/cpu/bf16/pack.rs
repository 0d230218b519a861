//! Operands on their way into the kernel: rounded to bf16 and laid out in the order in which it reads them.
//!
//! A block is 32 numbers along the inner dimension, which are 16 pairs, of all rows or columns of a panel. What lies beyond the matrix is 0
//! in both operands, so that it adds 0 to a sum whatever stands in the other operand.

use super::super::matrix::Matrix;
use super::vectors::{LANES, load, load_some, rounded, rounded_pairs, store_pairs};

/// Rows of the left operand that the kernel takes at once.
pub(super) const ROWS: usize = 14;
/// Columns of the right operand that the kernel takes at once.
pub(super) const COLUMNS: usize = 32;
/// Numbers along the inner dimension in a block.
pub(super) const DEPTH: usize = 2 * LANES;

/// A block of the left operand: for each row its 16 pairs, or, where rows lie side by side in memory, for each pair its rows. Neither
/// needs a transposition, and the kernel reads one as well as the other.
pub(super) type Left = [[u32; LANES]; LANES];

/// A block of the right operand: for each pair its columns.
pub(super) type Right = [[u32; COLUMNS]; LANES];

pub(super) const NO_LEFT: Left = [[0; LANES]; LANES];
const NO_RIGHT: Right = [[0; COLUMNS]; LANES];

/// True if the blocks of a left operand hold rows by pair.
pub(super) fn by_pair(a: &Matrix) -> bool {
    a.strides()[0] == 1 && a.strides()[1] != 1
}

/// The block of the left operand whose first row and place along the inner dimension are given.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn left(block: &mut Left, a: &Matrix, row: usize, inner: usize) {
    if by_pair(a) {
        let rows = (a.shape()[0] - row).min(ROWS);
        for (pair, lanes) in block.iter_mut().enumerate() {
            let line = |place| a.line(1, place, row, rows);
            let [first, second] = [line(inner + 2 * pair), line(inner + 2 * pair + 1)];
            store_pairs(lanes, rounded_pairs(load_some(first), load_some(second)));
        }
        return;
    }
    for (lane, pairs) in block.iter_mut().take(ROWS).enumerate() {
        *pairs = along(a, 0, row + lane, inner);
    }
}

/// The block of the right operand whose first column and place along the inner dimension are given.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn right(b: &Matrix, inner: usize, column: usize) -> Right {
    let mut block = NO_RIGHT;
    if b.strides()[1] == 1 {
        let columns = (b.shape()[1] - column).min(COLUMNS);
        for (pair, lanes) in block.iter_mut().enumerate() {
            let line = |place| b.line(0, place, column, columns);
            let [first, second] = [line(inner + 2 * pair), line(inner + 2 * pair + 1)];
            for (part, lanes) in lanes.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                let of = |line: &'_ [f32]| load_some(line.get(part * LANES..).unwrap_or_default());
                store_pairs(lanes, rounded_pairs(of(first), of(second)));
            }
        }
        return block;
    }
    for lane in 0..COLUMNS {
        let pairs = along(b, 1, column + lane, inner);
        block.iter_mut().zip(pairs).for_each(|(lanes, pair)| lanes[lane] = pair);
    }
    block
}

/// 16 pairs along the inner dimension, of a row of the left operand (`dimension` 0) or a column of the right one (1).
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn along(matrix: &Matrix, dimension: usize, place: usize, inner: usize) -> [u32; LANES] {
    let mut pairs = [0; LANES];
    let mut numbers = [0.0; DEPTH];
    let length = matrix.shape()[1 - dimension].saturating_sub(inner).min(DEPTH);
    if matrix.strides()[1 - dimension] == 1 {
        let line = matrix.line(dimension, place, inner, length);
        match line.as_chunks::<LANES>().0 {
            [first, second] => store_pairs(&mut pairs, rounded(load(first), load(second))),
            _ => {
                numbers[..line.len()].copy_from_slice(line);
                let [first, second] = [&numbers[..LANES], &numbers[LANES..]];
                store_pairs(&mut pairs, rounded(load_some(first), load_some(second)));
            }
        }
        return pairs;
    }
    if place < matrix.shape()[dimension] {
        for (number, step) in numbers.iter_mut().take(length).zip(inner..) {
            let at = if dimension == 0 { [place, step] } else { [step, place] };
            *number = matrix.at(at);
        }
    }
    store_pairs(&mut pairs, rounded(load_some(&numbers[..LANES]), load_some(&numbers[LANES..])));
    pairs
}
