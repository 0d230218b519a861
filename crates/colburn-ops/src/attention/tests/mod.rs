//! The composed form against a slow twin, the kernel against the composed form, and both with NaN.

mod composed;
#[cfg(feature = "cube")]
mod cube;
mod kernel;
mod layers;
mod nan;
