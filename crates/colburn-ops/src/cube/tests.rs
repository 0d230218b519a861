//! Copies, parts and sums against the same on the host.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::array::{empty, len};
use super::casts::{Cast, cast_all};
use super::copy::{cast, copy_into, side_by_side};
use super::parts::{equal_parts, rows_of};
use super::queue::alone;
use super::sums::column_sums;
use super::testing::{array, numbers_of, rounded, short_types};
use crate::testing::{close, numbers, random};

fn sums_of(x: &CubeTensor) -> CubeTensor {
    alone(x, |queue| column_sums(queue, x))
}

fn part(x: &CubeTensor, first: usize, count: usize) -> CubeTensor {
    alone(x, |queue| rows_of(queue, x, first, count))
}

fn parts<const N: usize>(x: &CubeTensor) -> [CubeTensor; N] {
    alone(x, |queue| equal_parts(queue, x))
}

fn columns(x: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; width];
    for row in x.chunks(width) {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

#[test]
fn sums_of_columns_are_those_of_the_host() {
    for [rows, width] in [[0, 5], [1, 1], [7, 3], [8, 130], [1000, 6], [6464, 48], [333, 768], [40, 3072], [5000, 1]] {
        let x = random([rows, width], 3);
        let expected = columns(&numbers(rows * width, 3), width);
        let found = numbers_of(&sums_of(&array(x.clone())));
        close(&found, &expected, 1e-5, &format!("sums of [{rows}, {width}]"));
        assert!(found == numbers_of(&sums_of(&array(x))), "the sums differ from run to run");
    }
}

#[test]
fn arrays_lie_side_by_side() {
    for (rows, widths) in
        [(5, vec![4, 8, 4]), (3, vec![1, 2, 3]), (7, vec![16, 0]), (4, vec![2, 6, 8, 10]), (0, vec![4, 4])]
    {
        let parts: Vec<_> = widths.iter().zip(1..).map(|(&width, seed)| random([rows, width], seed)).collect();
        let all = burn::tensor::Tensor::cat(parts.clone(), 1);
        let arrays: Vec<_> = parts.into_iter().map(array).collect();
        let found = side_by_side(&arrays.iter().collect::<Vec<_>>(), DType::F32);
        assert_eq!(numbers_of(&found), numbers_of(&array(all)), "{widths:?}");
    }
    let parts = [1, 2, 3].map(|seed| array(random([12], seed)));
    let found = side_by_side(&parts.each_ref(), DType::F32);
    assert_eq!(numbers_of(&found), parts.each_ref().map(numbers_of).concat());
}

#[test]
fn parts_are_rows_and_may_share_memory() {
    let (x, host) = (array(random([30, 64], 1)), numbers(30 * 64, 1));
    for (first, count) in [(0, 30), (0, 4), (1, 3), (29, 1), (4, 0), (16, 14)] {
        let part = part(&x, first, count);
        assert_eq!(numbers_of(&part), host[first * 64..][..count * 64], "rows {first}, {count} of them");
        let sums = numbers_of(&sums_of(&part));
        close(&sums, &columns(&host[first * 64..][..count * 64], 64), 1e-5, "sums of a part");
    }
    let [a, b, c] = parts(&array(random([3, 5, 7], 2)));
    assert_eq!(a.meta.shape().to_vec(), [5, 7]);
    assert_eq!([a, b, c].each_ref().map(numbers_of).concat(), numbers(105, 2));
    let [a, b] = parts(&array(random([10], 2)));
    assert_eq!([a, b].each_ref().map(numbers_of).concat(), numbers(10, 2));
}

#[test]
fn copies_go_into_columns() {
    for (columns, first, stride) in [(8, 4, 16), (3, 2, 7), (4, 0, 4)] {
        let (x, bias) = (array(random([6, columns], 1)), array(random([columns], 2)));
        let out = array(random([6 * stride + 4], 3));
        let mut expected = numbers(6 * stride + 4, 3);
        copy_into(&x, None, false, &out, first, stride);
        copy_into(&x, Some(&bias), true, &out, first, stride);
        let (x, bias) = (numbers_of(&x), numbers_of(&bias));
        for (place, value) in x.iter().enumerate() {
            expected[first + place / columns * stride + place % columns] = value + bias[place % columns] + value;
        }
        close(&numbers_of(&out), &expected, 1e-6, "a copy into columns");
    }
}

#[test]
fn a_change_of_type_rounds_and_keeps_nan() {
    let x = array(random([9, 40], 1));
    assert_eq!(numbers_of(&cast(&x, DType::F32)), numbers_of(&x));
    for dtype in short_types() {
        let mut host = numbers(360, 1);
        host[7] = f32::NAN;
        // Above all numbers of f16, and below half of the smallest of them.
        (host[8], host[9]) = (-65_520.0, 2e-8);
        let x = array(super::testing::tensor(host.clone(), [9, 40]));
        let low = cast(&x, dtype);
        assert_eq!((low.dtype, len(&low)), (dtype, 360));
        let found = numbers_of(&cast(&low, DType::F32));
        let right = |(found, host): (&f32, &f32)| *found == rounded(*host, dtype) || found.is_nan() && host.is_nan();
        assert!(found.iter().zip(&host).all(right), "{dtype:?}");
        let joined = side_by_side(&[&x, &x], dtype);
        assert_eq!(numbers_of(&cast(&part(&joined, 0, 1), DType::F32))[..7], found[..7]);
        let sums = numbers_of(&sums_of(&part(&low, 1, 8)));
        close(&sums, &columns(&found[40..], 40), 1e-5, "sums of a short type");
    }
}

#[test]
fn casts_together_are_those_one_by_one() {
    together(DType::F32);
    short_types().into_iter().for_each(together);
}

fn together(dtype: DType) {
    for (rows, widths) in [(5, vec![16, 8, 40]), (300, vec![1, 7, 64]), (1, vec![3, 5]), (0, vec![8]), (70, vec![384])]
    {
        let parts: Vec<_> = widths.iter().zip(1..).map(|(&width, seed)| array(random([rows, width], seed))).collect();
        let width = widths.iter().sum();
        let to = empty(&parts[0], [rows, width], dtype);
        let vector = array(random([1, width], 9));
        let vector_to = empty(&vector, [width], dtype);
        let mut first = 0;
        let mut casts = vec![Cast { from: vector.clone(), to: vector_to.clone(), first: 0 }];
        for part in &parts {
            casts.push(Cast { from: part.clone(), to: to.clone(), first });
            first += part.meta.shape()[1];
        }
        alone(&vector, |queue| cast_all(queue, casts));
        let wide = |x: &_| numbers_of(&cast(x, DType::F32));
        assert!(wide(&vector_to) == wide(&cast(&vector, dtype)), "the vector of {width}");
        let expected = side_by_side(&parts.iter().collect::<Vec<_>>(), dtype);
        assert!(wide(&to) == wide(&expected), "{rows} rows of {widths:?}");
    }
}
