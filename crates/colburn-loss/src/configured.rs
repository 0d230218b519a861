//! The settings of a configuration file, and the loss that they describe.

use std::sync::Arc;

use crate::loss::Loss;

/// The gradient caching that a loss asks for in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientCaching {
    /// Texts that go through the encoder at once, if the file says so; [`GradientCaching::MINI_BATCH_SIZE`] if nothing else does.
    pub mini_batch_size: Option<usize>,
}

impl GradientCaching {
    /// The default of PyLate's `CachedContrastive`.
    pub const MINI_BATCH_SIZE: usize = 32;
}

/// The settings of a loss in a configuration file.
pub(crate) trait Configured {
    /// The loss that they describe.
    fn into_loss(self) -> Arc<dyn Loss>;

    /// The gradient caching that they ask for, if any.
    fn gradient_caching(&self) -> Option<GradientCaching> {
        None
    }
}

impl<L: Loss + 'static> Configured for L {
    /// The loss that they describe.
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self)
    }
}
