//! The product against an exact twin: operands rounded one by one, multiplied and added up in f64.

use rayon::ThreadPoolBuilder;

use super::*;
use crate::testing::numbers;

/// A matrix in memory, with rows further apart than they are long, transposed or not.
struct Operand {
    values: Vec<f32>,
    shape: [usize; 2],
    gap: usize,
    transposed: bool,
}

impl Operand {
    fn new(shape: [usize; 2], gap: usize, transposed: bool, seed: u64) -> Self {
        let lying = if transposed { [shape[1], shape[0]] } else { shape };
        Self { values: numbers(lying[0] * (lying[1] + gap), seed), shape, gap, transposed }
    }

    fn matrix(&self) -> Matrix<'_> {
        let [rows, columns] = self.shape;
        if self.transposed {
            Matrix::columns_of(&self.values, columns, rows, rows + self.gap).transposed()
        } else {
            Matrix::columns_of(&self.values, rows, columns, columns + self.gap)
        }
    }
}

/// For each place the sum in f64, and the sum of absolute values, which bounds what rounding can do.
fn exact(a: Matrix, b: Matrix) -> Vec<[f64; 2]> {
    let ([rows, inner], [_, columns]) = (a.shape(), b.shape());
    let factor = |x: f32| f64::from(round(x));
    let place = |row: usize, column: usize| {
        let terms = (0..inner).map(|k| factor(a.at([row, k])) * factor(b.at([k, column])));
        terms.fold([0.0, 0.0], |[sum, size], term| [sum + term, size + term.abs()])
    };
    (0..rows).flat_map(|row| (0..columns).map(move |column| place(row, column))).collect()
}

type Product = fn(&mut [f32], usize, Matrix, Matrix, bool);

fn holds(product: Product, [rows, columns, inner]: [usize; 3], way: u64, seed: u64) {
    let [a_transposed, b_transposed, add] = [0, 1, 2].map(|bit| way >> bit & 1 == 1);
    let gap = (way >> 3) as usize;
    let a = Operand::new([rows, inner], gap, a_transposed, seed);
    let b = Operand::new([inner, columns], 2 * gap, b_transposed, seed + 1);
    let width = columns + 3 * gap;
    let before = numbers(rows * width, seed + 2);
    let mut found = before.clone();
    product(&mut found, width, a.matrix(), b.matrix(), add);
    let exact = exact(a.matrix(), b.matrix());
    for (place, (&found, &before)) in found.iter().zip(&before).enumerate() {
        let (row, column) = (place / width, place % width);
        let what = format!("{rows} x {columns} x {inner}, way {way:05b}, place {row}, {column}");
        if column >= columns {
            assert!(found.to_bits() == before.to_bits(), "{what}: a place beyond the result was written");
            continue;
        }
        let [sum, size] = exact[row * columns + column];
        let start = if add { f64::from(before) } else { 0.0 };
        let tolerance = (size + start.abs()) * 2e-6 + 1e-30;
        assert!((f64::from(found) - sum - start).abs() <= tolerance, "{what}: {found}, {} expected", sum + start);
    }
}

#[test]
fn is_the_product_of_the_rounded_operands() {
    let shapes = [
        [0, 3, 4],
        [3, 0, 4],
        [3, 4, 0],
        [1, 1, 1],
        [14, 32, 32],
        [15, 33, 33],
        [13, 31, 31],
        [5, 70, 2],
        [29, 16, 17],
        [113, 400, 65],
        [230, 50, 391],
        [40, 17, 800],
        [16, 33, 4000],
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        for way in 0..16 {
            holds(product, shape, way, 10 * seed as u64);
            holds(elsewhere, shape, way, 10 * seed as u64);
        }
    }
}

#[test]
fn any_shape_will_do() {
    for seed in 0..120u64 {
        let draw = |number: u64, below: u64| (crate::seed::mix(seed, number) % below) as usize;
        let shape = [draw(0, 130), draw(1, 140), draw(2, if seed % 4 == 0 { 900 } else { 90 })];
        holds(product, shape, crate::seed::mix(seed, 3) % 16, 1000 + seed);
    }
}

#[test]
fn many_cores_give_the_bits_of_one() {
    for (way, [rows, columns, inner]) in [[500, 200, 300], [120, 900, 2000], [1800, 64, 40]].into_iter().enumerate() {
        let a = Operand::new([rows, inner], 0, way == 1, 1);
        let b = Operand::new([inner, columns], 0, way == 2, 2);
        let on = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0; rows * columns];
            pool.install(|| product(&mut out, columns, a.matrix(), b.matrix(), false));
            out
        };
        let one = on(1);
        assert!(one.iter().any(|&value| value != 0.0));
        assert!([2, 3, 7].into_iter().all(|threads| on(threads) == one));
    }
}

#[test]
fn infinite_and_subnormal_numbers_stay_in_their_rows_and_columns() {
    let [rows, columns, inner] = [15, 33, 3];
    for product in [product, elsewhere] as [Product; 2] {
        let (mut a, b) = (vec![1.0; rows * inner], vec![1.0; inner * columns]);
        a[0] = f32::INFINITY;
        a[inner] = f32::NAN;
        a[2 * inner] = f32::MAX;
        a[3 * inner] = 1e-40;
        let mut out = vec![0.0; rows * columns];
        product(&mut out, columns, Matrix::new(&a, rows, inner), Matrix::new(&b, inner, columns), false);
        let row = |row: usize| &out[row * columns..(row + 1) * columns];
        assert!(row(0).iter().all(|&value| value == f32::INFINITY));
        assert!(row(1).iter().all(|value| value.is_nan()));
        // The largest f32 is beyond the largest bf16, and nearer to infinity.
        assert!(row(2).iter().all(|&value| value == f32::INFINITY));
        assert!(row(3).iter().all(|&value| value == 2.0));
        assert!((4..rows).all(|number| row(number).iter().all(|&value| value == 3.0)));
    }
    // Subnormal products: 0 or nearly 0, by processor, and never a number that is not one.
    let mut out = [7.0];
    product(&mut out, 1, Matrix::new(&[1e-30], 1, 1), Matrix::new(&[1e-12], 1, 1), false);
    assert!(out[0].abs() < f32::MIN_POSITIVE);
}
