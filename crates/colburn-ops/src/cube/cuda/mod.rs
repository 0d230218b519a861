//! CUDA beside CubeCL: work on its own stream and buffers. This is the only module that knows the inside of CubeCL's CUDA server.

pub(crate) mod stream;
