//! Copies with a change of type: into columns of a wider array, with a bias, added to what is there.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use super::array::{element, len, sizes};

#[cube(launch)]
fn copy_kernel<F: Float, O: Float>(
    x: &[F],
    bias: &[O],
    out: &mut [O],
    first: u32,
    columns: u32,
    stride: u32,
    #[comptime] with_bias: bool,
    #[comptime] add: bool,
    #[define(F)] _from: ElemType,
    #[define(O)] _to: ElemType,
) {
    if ABSOLUTE_POS < x.len() {
        let place = ABSOLUTE_POS as u32;
        let column = place % columns;
        let at = (first + place / columns * stride + column) as usize;
        let mut value = f32::cast_from(x[ABSOLUTE_POS]);
        if with_bias {
            value += f32::cast_from(bias[column as usize]);
        }
        if add {
            value += f32::cast_from(out[at]);
        }
        out[at] = O::cast_from(value);
    }
}

/// Writes `x`, `[rows, columns]`, plus the bias, plus the old content if `add` is set, into `out` from `first` on, in rows that are `stride`
/// apart.
pub(crate) fn copy_into(
    x: &CubeTensor,
    bias: Option<&CubeTensor>,
    add: bool,
    out: &CubeTensor,
    first: usize,
    stride: usize,
) {
    let [_, columns] = sizes(x);
    if len(x) == 0 {
        return;
    }
    let client = &x.client;
    let dim = CubeDim::new(client, len(x));
    copy_kernel::launch(
        client,
        calculate_cube_count_elemwise(client, len(x), dim),
        dim,
        x.clone().into_buffer_arg(),
        bias.unwrap_or(x).clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        first as u32,
        columns as u32,
        stride as u32,
        bias.is_some(),
        add,
        element(x),
        element(out),
    );
}
