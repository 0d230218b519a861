//! The zero floor of MaxSim: the effect of padding with zero vectors, without padding.

/// The documents whose maxima are at least 0: PyLate pads documents with zero vectors before it scores them, up to the longest one of those
/// that it scores together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Floor<'a> {
    /// None: the score of the existing tokens.
    #[default]
    None,
    /// Those with fewer tokens than this, as if padded to it.
    PaddedTo(usize),
    /// Those marked, one entry a document.
    Marked(&'a [bool]),
}

impl Floor<'_> {
    /// True if the maxima of a document with tokens are at least 0.
    pub(crate) fn lifts(self, document: usize, tokens: usize) -> bool {
        match self {
            Self::None => false,
            Self::PaddedTo(longest) => tokens < longest,
            Self::Marked(marked) => marked[document],
        }
    }
}
