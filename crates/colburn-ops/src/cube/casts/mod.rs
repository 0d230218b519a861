//! Casts of several arrays at once: the inputs and weights of a block. On CUDA they are one launch, since each costs the host more than it costs the
//! device.

mod cast;
#[cfg(feature = "cuda")]
mod cuda;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use self::cast::Cast;
use super::array::{len, sizes};
use super::copy::{cast, copy_into};
use super::queue::Queue;

/// Matrices or vectors with elements of this type: themselves, if they have it.
pub(crate) fn cast_each(queue: &mut Queue, arrays: &[&CubeTensor], dtype: DType) -> Vec<CubeTensor> {
    if !queue.gathers() {
        return arrays.iter().map(|array| cast(array, dtype)).collect();
    }
    let mut casts = Vec::new();
    let one = |array: &&CubeTensor| {
        if array.dtype == dtype {
            return (*array).clone();
        }
        let handle = queue.empty(array, [len(array)], dtype).handle;
        let to = CubeTensor { handle, dtype, ..(*array).clone() };
        casts.push(Cast { from: (*array).clone(), to: to.clone(), first: 0 });
        to
    };
    let all = arrays.iter().map(one).collect();
    cast_all(queue, casts);
    all
}

/// Does all of the casts.
///
/// # Panics
/// When the sizes of one do not fit together.
pub(crate) fn cast_all(queue: &mut Queue, casts: Vec<Cast>) {
    let casts: Vec<Cast> = casts.into_iter().filter(|cast| len(&cast.from) > 0).collect();
    for cast in &casts {
        let [columns, width] = cast.widths();
        let rows = len(&cast.from) / columns;
        assert!(cast.first + columns <= width && len(&cast.to) == rows * width, "a cast of {:?}", cast.from);
    }
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(&casts)
    {
        return cuda::cast_all(task, &casts);
    }
    queue.start();
    for cast in casts {
        let [columns, width] = cast.widths();
        let mut from = cast.from;
        if from.meta.shape().num_dims() == 1 {
            *from.meta = burn_std::Metadata::new([1, columns], burn_std::strides![columns, 1]);
        }
        debug_assert_eq!(sizes::<2>(&from)[1], columns);
        copy_into(&from, None, false, &cast.to, cast.first, width);
    }
}
