//! Kernels of the CPU backend flex, applied to tensors.

#![allow(clippy::too_many_arguments, reason = "an extension takes its tensors one by one")]

use burn::backend::{Dispatch, Flex};
use burn::tensor::Tensor;

use super::{interface::Kernel, node::extension};

extension! {
    Flex: Flex, FlexKernels {
        of_1: 1, a;
        of_2: 2, a, b;
        of_3: 3, a, b, c;
        of_4: 4, a, b, c, d;
        of_7: 7, a, b, c, d, e, f, g;
    }
}

/// The value of a kernel of one input, of as many dimensions as its array has.
pub(crate) fn apply_1<K: Kernel<Flex, 1>, const A: usize, const R: usize>(kernel: K, a: Tensor<A>) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::of_1(kernel, a.into_dispatch()))
}

/// As [`apply_1`], of two inputs.
pub(crate) fn apply_2<K: Kernel<Flex, 2>, const A: usize, const B: usize, const R: usize>(
    kernel: K,
    a: Tensor<A>,
    b: Tensor<B>,
) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::of_2(kernel, a.into_dispatch(), b.into_dispatch()))
}

/// As [`apply_1`], of three inputs.
pub(crate) fn apply_3<K: Kernel<Flex, 3>, const A: usize, const B: usize, const C: usize, const R: usize>(
    kernel: K,
    a: Tensor<A>,
    b: Tensor<B>,
    c: Tensor<C>,
) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::of_3(kernel, a.into_dispatch(), b.into_dispatch(), c.into_dispatch()))
}

/// As [`apply_1`], of four inputs.
pub(crate) fn apply_4<
    K: Kernel<Flex, 4>,
    const A: usize,
    const B: usize,
    const C: usize,
    const D: usize,
    const R: usize,
>(
    kernel: K,
    a: Tensor<A>,
    b: Tensor<B>,
    c: Tensor<C>,
    d: Tensor<D>,
) -> Tensor<R> {
    let (a, b, c, d) = (a.into_dispatch(), b.into_dispatch(), c.into_dispatch(), d.into_dispatch());
    Tensor::from_dispatch(Dispatch::of_4(kernel, a, b, c, d))
}

/// As [`apply_1`], of a matrix with three matrices and their three vectors.
pub(crate) fn apply_7<K: Kernel<Flex, 7>>(
    kernel: K,
    a: Tensor<2>,
    matrices: [Tensor<2>; 3],
    vectors: [Tensor<1>; 3],
) -> Tensor<2> {
    let ([b, c, d], [e, f, g]) = (matrices.map(Tensor::into_dispatch), vectors.map(Tensor::into_dispatch));
    Tensor::from_dispatch(Dispatch::of_7(kernel, a.into_dispatch(), b, c, d, e, f, g))
}
