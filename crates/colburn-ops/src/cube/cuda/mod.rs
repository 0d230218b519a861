//! CUDA beside CubeCL: work on its own stream and buffers, and kernels in CUDA C++. [`stream`] is the only module that knows the inside of
//! CubeCL's CUDA server.

mod compiled;
pub(crate) mod nvrtc;
pub(crate) mod stream;
