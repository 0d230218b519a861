//! Losses of late-interaction training.
//!
//! A [`Loss`] sees [`Embeddings`](colburn_ops::Embeddings) and nothing else: no encoder, no text. What the trainer does around it
//! (accumulation, gradient caching) is therefore the same for every loss. [`LossConfig`] reads a loss from a configuration file.

mod configured;
mod error;
mod loss;
mod losses;
mod score;
mod teacher;
#[cfg(all(test, feature = "flex"))]
mod testing;

pub use colburn_ops::MaskRule;
pub use configured::GradientCaching;
pub use error::{Error, Result};
pub use loss::{Loss, Targets};
pub use losses::*;
pub use score::Score;
