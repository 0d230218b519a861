//! Casts of several arrays at once: the inputs and weights of a block. On CUDA they are one launch, since each costs the host more than it costs the
//! device.

mod cast;
#[cfg(feature = "cuda")]
mod cuda;

pub(crate) use self::cast::Cast;
use super::array::{len, sizes};
use super::copy::copy_into;

/// Does all of the casts.
///
/// # Panics
/// When the sizes of one do not fit together.
pub(crate) fn cast_all(casts: Vec<Cast>) {
    let casts: Vec<Cast> = casts.into_iter().filter(|cast| len(&cast.from) > 0).collect();
    for cast in &casts {
        let [columns, width] = cast.widths();
        let rows = len(&cast.from) / columns;
        assert!(cast.first + columns <= width && len(&cast.to) == rows * width, "a cast of {:?}", cast.from);
    }
    #[cfg(feature = "cuda")]
    if cuda::serves(&casts) {
        cuda::cast_all(&casts);
        return;
    }
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
