//! Rotary position embeddings on CubeCL: as an operation of their own, and inside a block.

mod block;
#[cfg(feature = "cuda")]
mod cuda;
mod portable;

pub(crate) use self::block::Rotation;
pub(super) use self::portable::rotate;
