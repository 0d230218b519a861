//! Kernels in Burn's graph: one backend extension that carries any of them.

#![allow(clippy::too_many_arguments, reason = "the extension takes tensors one by one")]

use std::marker::PhantomData;

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, NodeGuard, Ops, OpsKind},
};
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

use super::{array::Array, kernel::Kernel};

/// Kernels by their number of inputs, for the extension cannot take a list of them.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Kernels: Backend {
    fn of_1<K: Kernel<1>>(kernel: K, a: FloatTensor<Self>) -> FloatTensor<Self>;
    fn of_2<K: Kernel<2>>(kernel: K, a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    fn of_3<K: Kernel<3>>(
        kernel: K,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn of_4<K: Kernel<4>>(
        kernel: K,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn of_7<K: Kernel<7>>(
        kernel: K,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        f: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

macro_rules! implement {
    ($($name:ident: $count:literal, $($input:ident),+;)+) => {
        impl Kernels for Flex {
            $(fn $name<K: Kernel<$count>>(kernel: K, $($input: FloatTensor<Self>),+) -> FloatTensor<Self> {
                kernel.value([$($input),+].map(Array::from_flex)).into_flex()
            })+
        }

        impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
            $(fn $name<K: Kernel<$count>>(kernel: K, $($input: FloatTensor<Self>),+) -> FloatTensor<Self> {
                tracked::<K, C, $count>(kernel, [$($input),+])
            })+
        }
    };
}

implement! {
    of_1: 1, a;
    of_2: 2, a, b;
    of_3: 3, a, b, c;
    of_4: 4, a, b, c, d;
    of_7: 7, a, b, c, d, e, f, g;
}

/// The backward step of a kernel.
#[derive(Debug)]
struct Step<K>(PhantomData<fn() -> K>);

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Step<K> {
    type State = (K, K::Saved);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (kernel, saved) = ops.state;
        let gradient = Array::from_flex(gradients.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let by_input = kernel.backward(saved, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(by_input) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient.into_flex());
            }
        }
    }
}

fn tracked<K: Kernel<N>, C: CheckpointStrategy, const N: usize>(
    kernel: K,
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes: [NodeGuard; N] = inputs.each_ref().map(|input| input.node());
    let arrays = inputs.map(|input| Array::from_flex(input.into_primitive()));
    let step = Step::<K>(PhantomData);
    match Backward::<Flex, N>::prepare::<C>(step, nodes).compute_bound().stateful() {
        OpsKind::Tracked(preparation) => {
            let (value, saved) = kernel.forward(arrays);
            preparation.finish((kernel, saved), value.into_flex())
        }
        OpsKind::UnTracked(preparation) => preparation.finish(kernel.value(arrays).into_flex()),
    }
}

/// The value of a kernel, of as many dimensions as its array has.
pub(crate) fn apply_1<K: Kernel<1>, const A: usize, const R: usize>(kernel: K, a: Tensor<A>) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::of_1(kernel, a.into_dispatch()))
}

/// As [`apply_1`], of two inputs.
pub(crate) fn apply_2<K: Kernel<2>, const A: usize, const B: usize, const R: usize>(
    kernel: K,
    a: Tensor<A>,
    b: Tensor<B>,
) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::of_2(kernel, a.into_dispatch(), b.into_dispatch()))
}

/// As [`apply_1`], of three inputs.
pub(crate) fn apply_3<K: Kernel<3>, const A: usize, const B: usize, const C: usize, const R: usize>(
    kernel: K,
    a: Tensor<A>,
    b: Tensor<B>,
    c: Tensor<C>,
) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::of_3(kernel, a.into_dispatch(), b.into_dispatch(), c.into_dispatch()))
}

/// As [`apply_1`], of four inputs.
pub(crate) fn apply_4<K: Kernel<4>, const A: usize, const B: usize, const C: usize, const D: usize, const R: usize>(
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
pub(crate) fn apply_7<K: Kernel<7>>(
    kernel: K,
    a: Tensor<2>,
    matrices: [Tensor<2>; 3],
    vectors: [Tensor<1>; 3],
) -> Tensor<2> {
    let ([b, c, d], [e, f, g]) = (matrices.map(Tensor::into_dispatch), vectors.map(Tensor::into_dispatch));
    Tensor::from_dispatch(Dispatch::of_7(kernel, a.into_dispatch(), b, c, d, e, f, g))
}
