//! Products of matrices by the processor's own bf16 instruction (AVX512-BF16), which multiplies twice as many numbers at a time as that
//! for f32.
//!
//! The operands are rounded to bf16, to the nearest and ties to even, while they are packed; products are exact in f32 and added up in f32. A
//! place's sum is taken along the inner dimension in runs whose lengths follow from the shape, so it does not depend on the number of cores.
//! The blocking is that of Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008).
//!
//! The instruction takes a subnormal operand for 0 and writes 0 for a subnormal sum; infinities and NaN go the ways of IEEE 754.

#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(target_arch = "x86_64")]
mod vectors;

use super::matrix::Matrix;
use super::rounded;

/// True if this processor has an instruction for products of bf16.
pub(crate) fn is_native() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        tiles::Avx512Bf16::detect().is_some()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// As [`product`](super::matrix::product) of f32, of the operands rounded to bf16.
///
/// # Panics
/// When the shapes do not fit together, or `out` is too short.
pub(crate) fn product(out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    #[cfg(target_arch = "x86_64")]
    if let Some(cpu) = tiles::Avx512Bf16::detect() {
        return tiles::product(cpu, out, width, a, b, add);
    }
    elsewhere(out, width, a, b, add);
}

/// On a processor that lacks the instruction: as fast as f32, and the same numbers up to the order of sums.
fn elsewhere(out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    rounded::product(round, out, width, a, b, add);
}

/// The nearest number of bf16, that with an even last digit of two.
pub(crate) fn round(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    let bits = x.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}
