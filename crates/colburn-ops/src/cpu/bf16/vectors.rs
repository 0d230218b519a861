//! Vectors of 16 numbers between memory and registers, and their conversion to bf16.

use std::arch::x86_64::*;

/// Numbers of f32 in a vector; pairs of bf16 as well, which `u32` holds, the first of a pair in its lower half.
pub(super) const LANES: usize = 16;

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(values: &[f32; LANES]) -> __m512 {
    // SAFETY: 16 numbers are read where 16 lie; the instruction asks for no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

/// The numbers, at most 16, and 0 after them.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_some(values: &[f32]) -> __m512 {
    let mask = mask(values.len());
    // SAFETY: the mask has a bit for each number of the slice, and the other places are not read.
    unsafe { _mm512_maskz_loadu_ps(mask, values.as_ptr()) }
}

/// Writes as many numbers as there is room for.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_some(values: &mut [f32], vector: __m512) {
    let mask = mask(values.len());
    // SAFETY: the mask has a bit for each place of the slice, and nothing is written to the other places.
    unsafe { _mm512_mask_storeu_ps(values.as_mut_ptr(), mask, vector) }
}

fn mask(lanes: usize) -> __mmask16 {
    if lanes < LANES { (1 << lanes) - 1 } else { !0 }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_pairs(pairs: &[u32; LANES]) -> __m512bh {
    // SAFETY: 16 numbers are read where 16 lie; a vector of bf16 is any 512 bits.
    unsafe { std::mem::transmute(_mm512_loadu_si512(pairs.as_ptr().cast())) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_pairs(pairs: &mut [u32; LANES], vector: __m512i) {
    // SAFETY: 16 numbers are written where 16 lie; the instruction asks for no alignment.
    unsafe { _mm512_storeu_si512(pairs.as_mut_ptr().cast(), vector) }
}

/// One pair in all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat_pair(pair: u32) -> __m512bh {
    // SAFETY: both are any 512 bits.
    unsafe { std::mem::transmute(_mm512_set1_epi32(pair.cast_signed())) }
}

/// 32 numbers to bf16, those of `first` before those of `second`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn rounded(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both are any 512 bits.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) }
}

/// Each number of `first` paired with that of `second` in the same lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn rounded_pairs(first: __m512, second: __m512) -> __m512i {
    let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    // Of pair i, number i stands in the lower half and number 16 + i in the upper one.
    let order = _mm512_or_si512(lanes, _mm512_slli_epi32::<16>(_mm512_add_epi32(lanes, _mm512_set1_epi32(16))));
    _mm512_permutexvar_epi16(order, rounded(first, second))
}
