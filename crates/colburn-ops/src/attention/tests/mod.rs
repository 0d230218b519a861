//! The composed form against a slow twin, the kernel against the composed form, and both with NaN.

mod composed;
mod kernel;
mod layers;
mod nan;
