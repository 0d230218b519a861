//! How exactly the large products are computed.

/// The numbers that matrix products of linear layers are computed with. Weights, activations, norms, softmax and losses are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// Both factors are rounded to bf16, the nearest with 8 significant bits; sums are taken in f32. As PyTorch's autocast, but that
    /// results stay f32.
    Bf16,
}
