//! The node of a kernel in Burn's graph, for any backend that has kernels.

use std::marker::PhantomData;

use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, NodeGuard, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

use super::interface::{Kernel, KernelBackend};

/// The backward step of a kernel.
#[derive(Debug)]
struct Step<K>(PhantomData<fn() -> K>);

impl<B: KernelBackend, K: Kernel<B, N>, const N: usize> Backward<B, N> for Step<K> {
    type State = (K, K::Saved);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (kernel, saved) = ops.state;
        let gradient = B::to_array(gradients.consume::<B>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let by_input = kernel.backward(saved, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(by_input) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, B::to_tensor(gradient));
            }
        }
    }
}

/// The value of a kernel, off the graph.
pub(super) fn untracked<B: KernelBackend, K: Kernel<B, N>, const N: usize>(
    kernel: K,
    inputs: [FloatTensor<B>; N],
) -> FloatTensor<B> {
    B::to_tensor(kernel.value(inputs.map(B::to_array)))
}

/// The value of a kernel, with a node in the graph if an input has one.
pub(super) fn tracked<B: KernelBackend, K: Kernel<B, N>, C: CheckpointStrategy, const N: usize>(
    kernel: K,
    inputs: [FloatTensor<Autodiff<B, C>>; N],
) -> FloatTensor<Autodiff<B, C>> {
    let nodes: [NodeGuard; N] = inputs.each_ref().map(|input| input.node());
    let arrays = inputs.map(|input| B::to_array(input.into_primitive()));
    match Backward::<B, N>::prepare::<C>(Step::<K>(PhantomData), nodes).compute_bound().stateful() {
        OpsKind::Tracked(preparation) => {
            let (value, saved) = kernel.forward(arrays);
            preparation.finish((kernel, saved), B::to_tensor(value))
        }
        OpsKind::UnTracked(preparation) => preparation.finish(B::to_tensor(kernel.value(arrays))),
    }
}

/// Writes the extension by which Burn's dispatch finds the kernels of a backend, under the given name, and its implementations for the
/// backend and for the backend with a graph. Each function takes a kernel and as many tensors as it has letters.
macro_rules! extension {
    ($selector:ident: $backend:ty, $extension:ident { $($name:ident: $count:literal, $($input:ident),+;)+ }) => {
        /// Kernels by their number of inputs, for a function of an extension takes its tensors one by one.
        #[::burn::backend::backend_extension($selector, Autodiff)]
        pub(crate) trait $extension: ::burn::backend::Backend {
            $(fn $name<K: $crate::kernel::Kernel<$backend, $count>>(
                kernel: K,
                $($input: ::burn::backend::tensor::FloatTensor<Self>),+
            ) -> ::burn::backend::tensor::FloatTensor<Self>;)+
        }

        impl $extension for $backend {
            $(fn $name<K: $crate::kernel::Kernel<Self, $count>>(
                kernel: K,
                $($input: ::burn::backend::tensor::FloatTensor<Self>),+
            ) -> ::burn::backend::tensor::FloatTensor<Self> {
                $crate::kernel::node::untracked::<Self, K, $count>(kernel, [$($input),+])
            })+
        }

        impl<C: ::burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy> $extension
            for ::burn::backend::Autodiff<$backend, C>
        {
            $(fn $name<K: $crate::kernel::Kernel<$backend, $count>>(
                kernel: K,
                $($input: ::burn::backend::tensor::FloatTensor<Self>),+
            ) -> ::burn::backend::tensor::FloatTensor<Self> {
                $crate::kernel::node::tracked::<$backend, K, C, $count>(kernel, [$($input),+])
            })+
        }
    };
}

pub(super) use extension;
