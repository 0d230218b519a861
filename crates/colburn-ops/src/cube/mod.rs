//! Parts that the kernels of the CubeCL backends, cuda and wgpu, are made of: arrays, the texts of a batch on the device, and the hash of
//! dropout. There is one source for all of these backends. No kernel needs operations of planes, which software renderers lack.

pub(crate) mod array;
pub(crate) mod casts;
pub(crate) mod copy;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod launches;
pub(crate) mod masks;
pub(crate) mod parts;
pub(crate) mod product;
pub(crate) mod queue;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod room;
pub(crate) mod rows;
pub(crate) mod sums;
pub(crate) mod terms;
#[cfg(test)]
#[cfg(feature = "flex")]
pub(crate) mod testing;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
pub(crate) mod texts;
