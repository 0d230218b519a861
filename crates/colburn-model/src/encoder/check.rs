//! Checks of the configurations of all families, with messages that name the key, its value and what would be right.

use colburn_ops::Activation;

/// Larger sizes are mistakes in a file, and would need more memory than a machine has.
const MOST: usize = 1 << 24;
const MOST_LAYERS: usize = 1024;

/// A fault unless each size is from 1 to 2^24.
pub fn sizes(sizes: &[(&str, usize)]) -> Option<String> {
    let (key, size) = sizes.iter().find(|(_, size)| !(1..=MOST).contains(size))?;
    Some(format!("{key} = {size}; a number from 1 to {MOST} is expected"))
}

/// A fault unless the number of layers is possible.
pub fn layers(key: &str, layers: usize) -> Option<String> {
    (layers > MOST_LAYERS).then(|| format!("{key} = {layers}; at most {MOST_LAYERS} are expected"))
}

/// A fault unless the number of heads divides the width.
pub fn heads((width_key, width): (&str, usize), (key, heads): (&str, usize)) -> Option<String> {
    (!width.is_multiple_of(heads)).then(|| format!("{width_key} = {width} is not divisible by {key} = {heads}"))
}

/// A fault unless this is the name of an activation function.
pub fn activation(key: &str, name: &str) -> Option<String> {
    Activation::from_name(name)
        .is_none()
        .then(|| format!("{key} = \"{name}\"; one of {} is expected", Activation::NAMES.join(", ")))
}

/// A fault unless these are probabilities of dropout.
pub fn dropout(probabilities: &[(&str, f64)]) -> Option<String> {
    let (key, p) = probabilities.iter().find(|(_, p)| !(0.0..1.0).contains(p))?;
    Some(format!("{key} = {p}; a probability from 0 to below 1 is expected"))
}

/// A fault unless position embeddings are `absolute`, the only kind that is known (transformers 5 has no other any more).
pub fn absolute_positions(kind: Option<&str>) -> Option<String> {
    let other = kind.filter(|kind| *kind != "absolute")?;
    Some(format!("position_embedding_type = \"{other}\"; only \"absolute\" is supported"))
}
