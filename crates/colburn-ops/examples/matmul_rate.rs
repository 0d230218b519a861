//! The machine's rate of matrix products in f32: what `cargo xtask bench` divides the floating-point operations of a work by, so that its
//! "share of the floor" is a share of what this machine can do, and not of what its data sheet says.
//!
//! The product is that of a training step's widest layer, [3225, 384] · [384, 1536], by `gemm` on all cores, without any tensor around it. Prints
//! the best and the median of many, `best GFLOP/s` and `median GFLOP/s`, a line each.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use std::time::{Duration, Instant};

use gemm::Parallelism;

const ROWS: usize = 3225;
const INNER: usize = 384;
const COLUMNS: usize = 1536;
/// For how long products are timed.
const SPAN: Duration = Duration::from_secs(2);

fn main() {
    let (a, b) = (filled(ROWS * INNER), filled(INNER * COLUMNS));
    let mut out = vec![1.0; ROWS * COLUMNS];
    // Threads are started, pages mapped, and the clock of the cores settles.
    for _ in 0..5 {
        product(&mut out, &a, &b);
    }
    let (started, mut seconds) = (Instant::now(), Vec::new());
    while started.elapsed() < SPAN {
        let one = Instant::now();
        product(&mut out, &a, &b);
        seconds.push(one.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| 2.0 * (ROWS * INNER * COLUMNS) as f64 / seconds / 1e9;
    println!("best {:.1}", rate(seconds[0]));
    println!("median {:.1}", rate(seconds[seconds.len() / 2]));
}

/// Numbers between 0 and 1 that differ.
fn filled(count: usize) -> Vec<f32> {
    (0..count).map(|at| (at % 1021) as f32 / 1021.0).collect()
}

fn product(out: &mut [f32], a: &[f32], b: &[f32]) {
    assert_eq!([out.len(), a.len(), b.len()], [ROWS * COLUMNS, ROWS * INNER, INNER * COLUMNS]);
    // SAFETY: the three matrices lie row after row and, by the lengths above, wholly within their slices; only `out` is written, and it is
    // borrowed by nobody else.
    unsafe {
        gemm::gemm(
            ROWS,
            COLUMNS,
            INNER,
            out.as_mut_ptr(),
            1,
            COLUMNS as isize,
            false,
            a.as_ptr(),
            1,
            INNER as isize,
            b.as_ptr(),
            1,
            COLUMNS as isize,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}
