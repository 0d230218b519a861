//! Kernels of the CubeCL backends, cuda and wgpu, applied to tensors.

#![allow(clippy::too_many_arguments, reason = "an extension takes its tensors one by one")]

use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

use super::interface::{Kernel, KernelBackend};
use super::node::extension;

impl KernelBackend for CubeBackend {
    type Array = CubeTensor;

    fn to_array(tensor: FloatTensor<Self>) -> CubeTensor {
        into_contiguous(tensor)
    }

    fn to_tensor(array: CubeTensor) -> FloatTensor<Self> {
        array
    }
}

extension! {
    Cube: CubeBackend, CubeKernels {
        of_1: 1, a;
        of_2: 2, a, b;
        of_3: 3, a, b, c;
        of_4: 4, a, b, c, d;
        of_5: 5, a, b, c, d, e;
        of_6: 6, a, b, c, d, e, f;
        of_7: 7, a, b, c, d, e, f, g;
        of_11: 11, a, b, c, d, e, f, g, h, i, j, k;
        of_12: 12, a, b, c, d, e, f, g, h, i, j, k, l;
    }
}

/// A tensor of any rank, on its way into a kernel.
pub(crate) trait Input {
    /// The tensor as Burn's dispatch takes it.
    fn into_input(self) -> DispatchTensor;
}

impl<const D: usize> Input for Tensor<D> {
    fn into_input(self) -> DispatchTensor {
        self.into_dispatch()
    }
}

/// The value of a kernel of one input, of as many dimensions as its array has.
pub(crate) fn apply_1<K: Kernel<CubeBackend, 1>, const R: usize>(kernel: K, a: impl Input) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_1(kernel, a.into_input()))
}

/// As [`apply_1`], of two inputs.
pub(crate) fn apply_2<K: Kernel<CubeBackend, 2>, const R: usize>(kernel: K, a: impl Input, b: impl Input) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_2(kernel, a.into_input(), b.into_input()))
}

/// As [`apply_1`], of three inputs.
pub(crate) fn apply_3<K: Kernel<CubeBackend, 3>, const R: usize>(
    kernel: K,
    a: impl Input,
    b: impl Input,
    c: impl Input,
) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_3(kernel, a.into_input(), b.into_input(), c.into_input()))
}

/// As [`apply_1`], of four inputs.
pub(crate) fn apply_4<K: Kernel<CubeBackend, 4>, const R: usize>(
    kernel: K,
    a: impl Input,
    b: impl Input,
    c: impl Input,
    d: impl Input,
) -> Tensor<R> {
    let (a, b, c, d) = (a.into_input(), b.into_input(), c.into_input(), d.into_input());
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_4(kernel, a, b, c, d))
}

/// As [`apply_1`], of a matrix, and matrices and vectors of weights.
pub(crate) fn apply_7<K: Kernel<CubeBackend, 7>>(kernel: K, x: Tensor<2>, inputs: [DispatchTensor; 6]) -> Tensor<2> {
    let [b, c, d, e, f, g] = inputs;
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_7(kernel, x.into_dispatch(), b, c, d, e, f, g))
}

/// As [`apply_7`], of eleven inputs.
pub(crate) fn apply_11<K: Kernel<CubeBackend, 11>>(kernel: K, x: Tensor<2>, inputs: [DispatchTensor; 10]) -> Tensor<2> {
    let [b, c, d, e, f, g, h, i, j, k] = inputs;
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_11(kernel, x.into_dispatch(), b, c, d, e, f, g, h, i, j, k))
}

/// As [`apply_11`], of one matrix more.
pub(crate) fn apply_12<K: Kernel<CubeBackend, 12>>(
    kernel: K,
    x: Tensor<2>,
    inputs: [DispatchTensor; 10],
    last: Tensor<2>,
) -> Tensor<2> {
    let [b, c, d, e, f, g, h, i, j, k] = inputs;
    let (x, last) = (x.into_dispatch(), last.into_dispatch());
    Tensor::from_dispatch(<Dispatch as CubeKernels>::of_12(kernel, x, b, c, d, e, f, g, h, i, j, k, last))
}

/// The value of a kernel of a matrix, and matrices and vectors of weights of which some may be missing: three to seven inputs.
///
/// # Panics
/// When they are fewer or more.
pub(crate) fn apply_present<K>(kernel: K, inputs: impl IntoIterator<Item = Option<DispatchTensor>>) -> Tensor<2>
where
    K: Kernel<CubeBackend, 3>
        + Kernel<CubeBackend, 4>
        + Kernel<CubeBackend, 5>
        + Kernel<CubeBackend, 6>
        + Kernel<CubeBackend, 7>,
{
    let mut inputs = inputs.into_iter().flatten();
    let list: [Option<DispatchTensor>; 8] = std::array::from_fn(|_| inputs.next());
    Tensor::from_dispatch(match list {
        [Some(a), Some(b), Some(c), None, ..] => <Dispatch as CubeKernels>::of_3(kernel, a, b, c),
        [Some(a), Some(b), Some(c), Some(d), None, ..] => <Dispatch as CubeKernels>::of_4(kernel, a, b, c, d),
        [Some(a), Some(b), Some(c), Some(d), Some(e), None, ..] => {
            <Dispatch as CubeKernels>::of_5(kernel, a, b, c, d, e)
        }
        [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), None, ..] => {
            <Dispatch as CubeKernels>::of_6(kernel, a, b, c, d, e, f)
        }
        [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), None] => {
            <Dispatch as CubeKernels>::of_7(kernel, a, b, c, d, e, f, g)
        }
        _ => panic!("a kernel of three to seven inputs has {}", list.iter().flatten().count()),
    })
}
