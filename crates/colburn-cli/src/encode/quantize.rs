//! Token vectors in fewer bytes: f16, and int8 with a factor for each token.

use colburn::model::TokenEmbeddings;
use half::f16;

/// Whole numbers from −127 to 127 in proportion to a token's vector, and the factor that brings them back: the largest magnitude divided
/// by 127. Off by half a factor at the most. A vector of zeros has factor 0.
pub fn int8(embeddings: &TokenEmbeddings) -> (Vec<i8>, Vec<f32>) {
    let mut values = Vec::with_capacity(embeddings.values.len());
    let mut scales = Vec::with_capacity(embeddings.tokens());
    for vector in embeddings.rows() {
        let scale = vector.iter().fold(0.0, |largest: f32, value| largest.max(value.abs())) / 127.0;
        let quantized = |value: &f32| if scale > 0.0 { (value / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 };
        values.extend(vector.iter().map(quantized));
        scales.push(scale);
    }
    (values, scales)
}

/// The nearest f16 of each value, little-endian.
pub fn f16_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()
}

/// The values as they are, little-endian.
pub fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_uses_the_whole_range() {
        let embeddings = TokenEmbeddings { values: vec![0.5, -0.25, 0.0, 1e-3, -2e-3, 1.5e-3, 0.0, 0.0, 0.0], dim: 3 };
        let (values, scales) = int8(&embeddings);
        assert_eq!(values, [127, -64, 0, 64, -127, 95, 0, 0, 0]);
        assert_eq!(scales, [0.5 / 127.0, 2e-3 / 127.0, 0.0]);
        for (at, (value, expected)) in values.iter().zip(&embeddings.values).enumerate() {
            let scale = scales[at / 3];
            assert!((f32::from(*value) * scale - expected).abs() <= scale * 0.5001, "{at}");
        }
    }

    #[test]
    fn vectors_too_small_for_a_factor_are_zeros() {
        let embeddings = TokenEmbeddings { values: vec![f32::from_bits(1), 0.0], dim: 2 };
        assert_eq!(int8(&embeddings), (vec![0, 0], vec![0.0]));
    }

    // np.array([1.0, -0.1, 6e-8, 1e-9], dtype=np.float16).tobytes().hex()
    #[test]
    fn halves_are_ieee() {
        assert_eq!(f16_bytes(&[1.0, -0.1, 6e-8, 1e-9]), [0x00, 0x3c, 0x66, 0xae, 0x01, 0x00, 0x00, 0x00]);
    }
}
