//! Batches of rows of about the same length: the `get_length_grouped_indices` of Hugging Face's transformers, step for
//! step. The order must never change, nor must the random order that it starts from.
//!
//! - A random order of the rows is cut into groups of `m * batch_size` rows, the last one shorter. `m` is
//!   `rows / (4 * batch_size)` rounded down, which makes four groups, but at least 1 and at most 50.
//! - The rows of each group are sorted by length, the longest first; rows of one length keep their order.
//! - The first row of the first group swaps places with the longest row, which is the first of its group: the batch that
//!   needs the most memory comes first.

use std::cmp::Reverse;

/// The largest number of batches in a group.
const BATCHES: usize = 50;

/// The given order of rows, rearranged by the lengths of the rows.
pub(crate) fn group_by_length(mut order: Vec<usize>, lengths: &[u32], batch_size: usize) -> Vec<usize> {
    let batches = (order.len() / batch_size.saturating_mul(4)).clamp(1, BATCHES);
    let group = batches.saturating_mul(batch_size);
    for rows in order.chunks_mut(group) {
        rows.sort_by_key(|&row| Reverse(lengths[row]));
    }
    let longest = (0..order.len()).step_by(group).min_by_key(|&first| Reverse(lengths[order[first]]));
    if let Some(longest) = longest {
        order.swap(0, longest);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_those_of_transformers() {
        // import torch
        // from unittest.mock import patch
        // from transformers.trainer_pt_utils import get_length_grouped_indices
        // def order(rows): return [i * 7 % rows for i in range(rows)]
        // for rows, batch in [(20, 2), (20, 4), (5, 4), (11, 1), (1, 1)]:
        //     lengths = [i * i % 13 for i in range(rows)]
        //     with patch("torch.randperm", lambda n, generator: torch.tensor(order(n))):
        //         print(get_length_grouped_indices(lengths, batch))
        for (rows, batch_size, expected) in [
            (20, 2, vec![8, 14, 1, 0, 7, 15, 2, 9, 16, 3, 10, 17, 18, 5, 11, 4, 19, 6, 12, 13]),
            (20, 4, vec![8, 14, 1, 0, 7, 15, 2, 9, 16, 3, 10, 17, 18, 5, 11, 4, 19, 6, 12, 13]),
            (5, 4, vec![3, 4, 1, 0, 2]),
            (11, 1, vec![5, 0, 3, 10, 6, 2, 7, 9, 8, 1, 4]),
            (1, 1, vec![0]),
        ] {
            let lengths: Vec<u32> = (0..rows as u32).map(|i| i * i % 13).collect();
            let order = (0..rows).map(|i| i * 7 % rows).collect();
            assert_eq!(group_by_length(order, &lengths, batch_size), expected);
        }
    }

    #[test]
    fn a_group_is_fifty_batches_at_most() {
        let rows = 1000;
        let lengths: Vec<u32> = (0..rows).collect();
        let order = group_by_length((0..rows as usize).collect(), &lengths, 2);
        // Groups of 100 rows, each from the longest to the shortest; the first rows of the first and last group are swapped.
        assert_eq!((order[0], order[1], order[99], order[100]), (999, 98, 0, 199));
        assert_eq!((order[900], order[901]), (99, 998));
    }

    #[test]
    fn sizes_at_the_edge() {
        assert!(group_by_length(vec![], &[], 4).is_empty());
        assert_eq!(group_by_length(vec![1, 0], &[5, 3], usize::MAX), [0, 1]);
    }
}
