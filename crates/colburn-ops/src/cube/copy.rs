//! Copies with a change of type: of whole arrays, of arrays side by side, and into columns of a wider array with a bias and added to what is
//! there.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use super::array::{argument, element, empty, len, sizes, vector_size, widest};
use super::launches::counted;

#[cube(launch_unchecked)]
fn cast_kernel<F: Float, O: Float, N: Size>(
    x: &[Vector<F, N>],
    out: &mut [Vector<O, N>],
    first: u32,
    count: u32,
    #[define(F, O)] _types: [ElemType; 2],
) {
    if ABSOLUTE_POS < count as usize {
        out[ABSOLUTE_POS] = Vector::<O, N>::cast_from(x[first as usize + ABSOLUTE_POS]);
    }
}

/// The array with elements of this type: itself, if it has them.
pub(crate) fn cast(x: &CubeTensor, dtype: DType) -> CubeTensor {
    if x.dtype == dtype {
        return x.clone();
    }
    CubeTensor { handle: copied(x, 0, len(x), dtype).handle, dtype, ..x.clone() }
}

/// A new array of some elements in a row.
pub(crate) fn copied(x: &CubeTensor, first: usize, count: usize, dtype: DType) -> CubeTensor {
    let out = empty(x, [count], dtype);
    if count == 0 {
        return out;
    }
    let vector = vector_size(&[first, count], 8.min(x.client.properties().hardware.max_vector_size));
    let (client, units) = (&x.client, count / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit writes the vector of its number, if there is one, and reads the one `first` further on, which x has.
    unsafe {
        cast_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(x),
            argument(&out),
            (first / vector) as u32,
            units as u32,
            [element(x), element(&out)],
        );
    }
    out
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn side_by_side_kernel<F: Float, O: Float, N: Size>(
    a: &[Vector<F, N>],
    b: &[Vector<F, N>],
    c: &ComptimeOption<Box<[Vector<F, N>]>>,
    out: &mut [Vector<O, N>],
    count: u32,
    // Vectors in a row of each part.
    width_a: u32,
    width_b: u32,
    width_c: u32,
    #[define(F, O)] _types: [ElemType; 2],
) {
    if ABSOLUTE_POS < count as usize {
        let width = width_a + width_b + width_c;
        let place = ABSOLUTE_POS as u32;
        let row = place / width;
        let column = place % width;
        let mut value = Vector::<F, N>::empty();
        if column < width_a {
            value = a[(row * width_a + column) as usize];
        } else if column < width_a + width_b {
            value = b[(row * width_b + column - width_a) as usize];
        } else {
            #[comptime]
            match c {
                ComptimeOption::Some(c) => value = c[(row * width_c + column - width_a - width_b) as usize],
                ComptimeOption::None => {}
            }
        }
        out[ABSOLUTE_POS] = Vector::<O, N>::cast_from(value);
    }
}

/// Arrays of one type with as many rows, `[rows, width]` or vectors `[width]`, side by side: `[rows, sum of widths]`.
///
/// # Panics
/// When there is no part, or the parts have other numbers of rows or types.
pub(crate) fn side_by_side(parts: &[&CubeTensor], dtype: DType) -> CubeTensor {
    let shape = parts[0].meta.shape();
    let (rows, dimensions) = if shape.num_dims() == 1 { (1, 1) } else { (sizes::<2>(parts[0])[0], 2) };
    let widths: Vec<usize> = parts.iter().map(|part| part.meta.shape()[dimensions - 1]).collect();
    let width: usize = widths.iter().sum();
    let fit = |(part, width): (&&CubeTensor, &usize)| part.dtype == parts[0].dtype && len(part) == rows * width;
    assert!(parts.iter().zip(&widths).all(fit), "arrays side by side: {rows} rows of {widths:?}");
    let out = if dimensions == 1 { empty(parts[0], [width], dtype) } else { empty(parts[0], [rows, width], dtype) };
    // A buffer of nothing cannot be bound.
    let (parts, widths): (Vec<&CubeTensor>, Vec<usize>) =
        parts.iter().zip(widths).filter(|(part, _)| len(part) > 0).unzip();
    if !(2..=3).contains(&parts.len()) {
        let mut first = 0;
        for (part, columns) in parts.into_iter().zip(widths) {
            copy_rows(part, columns, None, false, &out, first, width);
            first += columns;
        }
        return out;
    }
    let vector = vector_size(&widths, widest(parts[0]));
    let (client, units) = (&out.client, rows * width / vector);
    let dim = CubeDim::new(client, units);
    let width_of = |part: usize| (widths.get(part).copied().unwrap_or(0) / vector) as u32;
    let third = parts.get(2).map(|&part| argument(part));
    // SAFETY: each unit writes the vector of its number, if there is one, and reads the one of the same row of the part that its column is of.
    unsafe {
        side_by_side_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(parts[0]),
            argument(parts[1]),
            third.into(),
            argument(&out),
            units as u32,
            width_of(0),
            width_of(1),
            width_of(2),
            [element(parts[0]), element(&out)],
        );
    }
    out
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn copy_kernel<F: Float, O: Float, N: Size>(
    x: &[Vector<F, N>],
    bias: &ComptimeOption<Box<[Vector<O, N>]>>,
    out: &mut [Vector<O, N>],
    // In vectors.
    count: u32,
    first: u32,
    columns: u32,
    stride: u32,
    #[comptime] add: bool,
    #[define(F, O)] _types: [ElemType; 2],
) {
    if ABSOLUTE_POS < count as usize {
        let place = ABSOLUTE_POS as u32;
        let column = place % columns;
        let at = (first + place / columns * stride + column) as usize;
        let mut value = Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]);
        #[comptime]
        match bias {
            ComptimeOption::Some(bias) => value += Vector::<f32, N>::cast_from(bias[column as usize]),
            ComptimeOption::None => {}
        }
        if add {
            value += Vector::<f32, N>::cast_from(out[at]);
        }
        out[at] = Vector::<O, N>::cast_from(value);
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
    copy_rows(x, columns, bias, add, out, first, stride);
}

/// As [`copy_into`], of rows of so many columns.
fn copy_rows(
    x: &CubeTensor,
    columns: usize,
    bias: Option<&CubeTensor>,
    add: bool,
    out: &CubeTensor,
    first: usize,
    stride: usize,
) {
    if len(x) == 0 {
        return;
    }
    let last = first + (len(x) / columns - 1) * stride + columns;
    assert!(last <= len(out), "{columns} columns from {first} on, {stride} apart, end behind {} elements", len(out));
    let vector = vector_size(&[columns, first, stride], widest(x).max(widest(out)));
    let (client, units) = (&x.client, len(x) / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit reads the vector of its number, if there is one, and writes one of `out`, none of which lies behind `last`.
    unsafe {
        copy_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(x),
            bias.map(argument).into(),
            argument(out),
            units as u32,
            (first / vector) as u32,
            (columns / vector) as u32,
            (stride / vector) as u32,
            add,
            [element(x), element(out)],
        );
    }
}
