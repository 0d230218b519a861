//! The scores of document tokens that do not count.

use crate::embeddings::Embeddings;

/// The treatment of document tokens that do not count in scoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskRule {
    /// Their products count as 0, as in PyLate (`colbert_scores`): a document that has such a token, or that PyLate would have padded
    /// ([`Embeddings::floor`]), has no maximum below 0.
    #[default]
    Zero,
    /// They are left out, as in sentence-transformers 6.
    Ignore,
}

/// The least value that a maximum over this document can take.
pub(in crate::maxsim) fn least(documents: &Embeddings, document: usize, rule: MaskRule) -> f32 {
    let tokens = &documents.mask[documents.spans.range(document)];
    let nothing_counts = !tokens.contains(&true);
    let floored = rule == MaskRule::Zero && (documents.floor[document] || tokens.contains(&false));
    if nothing_counts || floored { 0.0 } else { f32::NEG_INFINITY }
}
