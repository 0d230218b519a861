//! The computations of an optimizer on each parameter: the square of a gradient's length, and AdamW's update.
//!
//! Composed of tensor operations an update is a dozen passes over weight, gradient and moments, each of which makes a new tensor. The
//! kernel is one pass, in place. On CubeCL devices one call serves all parameters, because a call through Burn costs the host more than a
//! small parameter costs the device. Parameters, learning rates and the state from step to step belong to the trainer.

mod all;
mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod one;
mod settings;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
mod update;

pub use self::all::{adamw_all, squared_norms, updates_on_device};
pub use self::one::{adamw, squared_norm};
pub use self::settings::{AdamWSettings, Clip, ParameterUpdate};
pub use self::update::AdamWUpdate;
