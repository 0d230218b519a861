//! New arrays written by all cores in parts of unequal length: what belongs to a text, which has as many rows as it has.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::parallel::zeroed;

/// As many numbers as the parts have together. `fill` is called once for each part that has any, with its place in the list and its
/// numbers, all 0.
pub(super) fn by_parts(parts: &[usize], fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let length = parts.iter().sum();
    let mut values = Vec::with_capacity(length);
    let mut rest = &mut values.spare_capacity_mut()[..length];
    let mut places: Vec<(usize, &mut [MaybeUninit<f32>])> = Vec::with_capacity(parts.len());
    for (number, &part) in parts.iter().enumerate() {
        let (first, others) = rest.split_at_mut(part);
        places.push((number, first));
        rest = others;
    }
    places.into_par_iter().with_max_len(1).filter(|(_, places)| !places.is_empty()).for_each(|(number, places)| {
        fill(number, zeroed(places));
    });
    // SAFETY: the parts were cut from the first `length` places one after the other and are as long as these together; `zeroed`
    // initialised each of them, or it is empty, and `for_each` returns after the last.
    unsafe { values.set_len(length) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_lies_where_its_turn_is() {
        for parts in [vec![], vec![0, 0], vec![3, 0, 1, 70_000, 2], (0..300).collect()] {
            let values = by_parts(&parts, |number, part| {
                assert_eq!(part.len(), parts[number]);
                assert!(part.iter().all(|&value| value == 0.0));
                part.fill(number as f32);
            });
            let expected = parts.iter().enumerate().flat_map(|(number, &part)| vec![number as f32; part]);
            assert_eq!(values, expected.collect::<Vec<_>>());
        }
    }
}
