//! The kernel of CubeCL: heads are rotated by their angles, and their gradients by the opposite angles, in place where nothing
//! else holds the array.

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use crate::cube::array::{argument, element, empty, len, sizes, vector_size, widest};
use crate::cube::launches::counted;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_3;

/// Rotates the first `columns` of each row of `[tokens, width]`, and leaves the others; `cos` and `sin`: `[tokens, 1, half a head]`.
pub(in crate::rotary) fn rotate(x: Tensor<2>, columns: usize, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<2> {
    apply_3(Rotate { columns }, x, cos, sin)
}

/// The numbers of a tensor off the graph.
fn array_of(tensor: Tensor<3>) -> CubeTensor {
    let primitive = tensor.inner().try_into_primitive::<CubeBackend>();
    into_contiguous(primitive.expect("the batch is on a device of CubeCL"))
}

/// The angles of the tokens.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    /// `[tokens, 1, half a head]`, as is the sine.
    pub cos: CubeTensor,
    pub sin: CubeTensor,
}

impl Angles {
    /// The angles of these tensors, off the graph.
    pub fn new(cos: Tensor<3>, sin: Tensor<3>) -> Self {
        let [cos, sin] = [cos, sin].map(array_of);
        Self { cos, sin }
    }

    /// Rotates the first `columns` of each row of `[tokens, width]`, f32 or bf16, by the angles or, if `back` is set, by the opposite ones. The
    /// array is written over if nothing else holds it.
    ///
    /// # Panics
    /// When tokens and angles do not fit together, or the columns are no whole heads.
    pub fn rotated(&self, x: CubeTensor, columns: usize, back: bool) -> CubeTensor {
        let ([rows, width], [tokens, _, half]) = (sizes(&x), sizes(&self.cos));
        assert!(rows == tokens && columns <= width && columns.is_multiple_of(2 * half), "{rows} rows, {tokens} angles");
        if rows * columns == 0 {
            return x;
        }
        let in_place = x.handle.can_mut();
        let out = if in_place { x.clone() } else { empty(&x, [rows, width], x.dtype) };
        let vector = vector_size(&[half, width], widest(&x));
        // In place, the columns that stay are not touched.
        let others = if in_place { 0 } else { width - columns };
        let (client, units) = (&out.client, rows * (columns / 2 + others) / vector);
        let dim = CubeDim::new(client, units);
        let from = (!in_place).then(|| argument(&x));
        // SAFETY: each unit has two vectors that are half a head apart in a row, or one of the columns that stay, and reads and writes no others.
        unsafe {
            rotate_kernel::launch_unchecked(
                counted(client),
                calculate_cube_count_elemwise(client, units, dim),
                dim,
                vector,
                from.into(),
                argument(&out),
                argument(&self.cos),
                argument(&self.sin),
                units as u32,
                (width / vector) as u32,
                (columns / 2 / vector) as u32,
                (others / vector) as u32,
                (half / vector) as u32,
                if back { -1.0 } else { 1.0 },
                element(&out),
            );
        }
        debug_assert_eq!(len(&out), rows * width);
        out
    }
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn rotate_kernel<F: Float, N: Size>(
    from: &ComptimeOption<Box<[Vector<F, N>]>>,
    out: &mut [Vector<F, N>],
    cos: &[Vector<f32, N>],
    sin: &[Vector<f32, N>],
    // In vectors.
    count: u32,
    width: u32,
    pairs: u32,
    others: u32,
    half: u32,
    sign: f32,
    #[define(F)] _type: ElemType,
) {
    if ABSOLUTE_POS < count as usize {
        let place = ABSOLUTE_POS as u32;
        let row = place / (pairs + others);
        let pair = place % (pairs + others);
        if pair < pairs {
            let column = pair % half;
            let first = (row * width + pair / half * 2 * half + column) as usize;
            let second = first + half as usize;
            let cos = cos[(row * half + column) as usize];
            let sin = sin[(row * half + column) as usize] * Vector::<f32, N>::new(sign);
            #[comptime]
            let a = match from {
                ComptimeOption::Some(from) => from[first],
                ComptimeOption::None => out[first],
            };
            #[comptime]
            let b = match from {
                ComptimeOption::Some(from) => from[second],
                ComptimeOption::None => out[second],
            };
            let a = Vector::<f32, N>::cast_from(a);
            let b = Vector::<f32, N>::cast_from(b);
            out[first] = Vector::<F, N>::cast_from(a * cos - b * sin);
            out[second] = Vector::<F, N>::cast_from(b * cos + a * sin);
        } else {
            let at = (row * width + pairs + pair) as usize;
            #[comptime]
            match from {
                ComptimeOption::Some(from) => out[at] = from[at],
                ComptimeOption::None => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Rotate {
    columns: usize,
}

impl Kernel<CubeBackend, 3> for Rotate {
    type Saved = Angles;

    fn forward(&self, [x, cos, sin]: [CubeTensor; 3]) -> (CubeTensor, Angles) {
        let angles = Angles { cos, sin };
        (angles.rotated(x, self.columns, false), angles)
    }

    /// The angles are constants.
    fn backward(&self, angles: Angles, gradient: CubeTensor, _: [bool; 3]) -> [Option<CubeTensor>; 3] {
        [Some(angles.rotated(gradient, self.columns, true)), None, None]
    }
}
