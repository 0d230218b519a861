//! New arrays that all cores write, each core a part of them: a part of the rows, or the rows of a text.
//!
//! The parts follow from the shape alone, so that sums by part are the same on any number of cores.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// About the number of numbers in a part: few enough for the second cache to hold it with its inputs, enough to be worth handing out.
const PART: usize = 1 << 14;

/// Number of rows in a part, for rows of this width.
pub(crate) fn rows_of_part(width: usize) -> usize {
    (PART / width.max(1)).max(1)
}

/// `rows · width` numbers. `fill` is called once for each part, with its first row and its numbers, all 0.
pub(crate) fn by_rows(rows: usize, width: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    by_rows_with(rows, width, |first, part| fill(first, part)).0
}

/// As [`by_rows`], with the result of each part, in order.
pub(crate) fn by_rows_with<R: Send>(
    rows: usize,
    width: usize,
    fill: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let length = rows * width;
    let part = rows_of_part(width);
    let mut values = Vec::with_capacity(length);
    let places = &mut values.spare_capacity_mut()[..length];
    // A part is set to 0 just before it is filled, while it is on its way into the cache: to do it for all at once would cost a pass over memory.
    let of_part = |(number, places): (usize, &mut [MaybeUninit<f32>])| fill(number * part, zeroed(places));
    let results = places.par_chunks_mut((part * width).max(1)).enumerate().map(of_part).collect();
    // SAFETY: the parts cover all `length` places, and `zeroed` initialised each of them; `collect` returns after the last.
    unsafe { values.set_len(length) };
    (values, results)
}

/// As many numbers as parts of these lengths have together. `fill` is called once for each part that is not empty, with its place in the
/// list and its numbers, all 0.
pub(crate) fn by_parts(parts: &[usize], fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
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

/// The places, each set to 0.
fn zeroed(places: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    for place in &mut *places {
        place.write(0.0);
    }
    // SAFETY: every place was written to, and MaybeUninit<f32> has the layout of f32.
    unsafe { &mut *(std::ptr::from_mut(places) as *mut [f32]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_rows_in_order() {
        for (rows, width) in [(0, 5), (1, 1), (3, 0), (7, 40_000), (50_000, 3), (4097, 16)] {
            let (values, firsts) = by_rows_with(rows, width, |first, part| {
                for (place, value) in part.iter_mut().enumerate() {
                    assert_eq!(*value, 0.0);
                    *value = (first * width + place) as f32;
                }
                first
            });
            assert!(values.iter().enumerate().all(|(place, &value)| value == place as f32), "{rows} x {width}");
            assert!(firsts.is_sorted() && values.len() == rows * width);
        }
    }

    #[test]
    fn parts_follow_each_other() {
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
