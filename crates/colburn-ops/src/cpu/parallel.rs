//! New arrays written by all cores, a part of the rows each.
//!
//! The parts follow from the shape alone, so that what is summed by part comes out alike on any number of cores.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Numbers of a part, about: small enough for the second cache to hold it with its inputs, large enough to be worth handing out.
const PART: usize = 1 << 14;

/// Rows of a part, of so many numbers each.
pub(super) fn rows_of_part(width: usize) -> usize {
    (PART / width.max(1)).max(1)
}

/// `rows · width` numbers. `fill` is called once for each part, with its first row and its numbers, all 0.
pub(super) fn by_rows(rows: usize, width: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    by_rows_with(rows, width, |first, part| fill(first, part)).0
}

/// The same, with what each part gives besides, in order.
pub(super) fn by_rows_with<R: Send>(
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
    let besides = places.par_chunks_mut((part * width).max(1)).enumerate().map(of_part).collect();
    // SAFETY: the parts cover all `length` places, and `zeroed` initialised each of them; `collect` returns after the last.
    unsafe { values.set_len(length) };
    (values, besides)
}

pub(super) fn zeroed(places: &mut [MaybeUninit<f32>]) -> &mut [f32] {
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
}
