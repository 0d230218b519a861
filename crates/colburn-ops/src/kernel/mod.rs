//! The way of a kernel with a hand-written gradient into Burn's graph.
//!
//! A kernel is a type that implements [`Kernel`] for a backend: its value, its gradient, and the state that the gradient needs. The
//! node in the graph ([`node`]) is written once for all backends. A backend takes part with an implementation of [`KernelBackend`] and a
//! file such as [`flex`], which names it to Burn's dispatch. An operation takes part with an implementation of [`Kernel`] for each backend
//! that has a kernel of it; several backends may share the kernel's type.

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;
#[cfg(any(feature = "flex", feature = "cube"))]
mod interface;
#[cfg(any(feature = "flex", feature = "cube"))]
mod node;
#[cfg(feature = "cube")]
mod present;
pub mod switch;

#[cfg(feature = "cube")]
pub(crate) use self::interface::only;
#[cfg(any(feature = "flex", feature = "cube"))]
pub(crate) use self::interface::{Kernel, KernelBackend};
#[cfg(feature = "cube")]
pub(crate) use self::present::Present;
