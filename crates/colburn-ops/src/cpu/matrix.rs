//! Products of matrices that lie anywhere in an array, transposed or not, without a copy.

/// A matrix within a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Distances from a row to the next, and from a column to the next.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// All of the slice, row after row.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::columns_of(values, rows, columns, columns)
    }

    /// The first `columns` columns of rows that are `width` apart.
    ///
    /// # Panics
    /// When it does not lie within the slice.
    pub fn columns_of(values: &'a [f32], rows: usize, columns: usize, width: usize) -> Self {
        assert!(fits(values.len(), rows, columns, width), "a matrix of {rows} x {columns} beyond its slice");
        Self { values, rows, columns, strides: [width, 1] }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { rows: self.columns, columns: self.rows, strides: [column, row], ..self }
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Distances from a row to the next, and from a column to the next.
    pub fn strides(&self) -> [usize; 2] {
        self.strides
    }

    pub fn at(&self, [row, column]: [usize; 2]) -> f32 {
        self.values[row * self.strides[0] + column * self.strides[1]]
    }

    /// `count` numbers of a row (`dimension` 0) or a column (1), from the given one on, which lie side by side; empty if the matrix does not
    /// have that line.
    pub fn line(&self, dimension: usize, line: usize, first: usize, count: usize) -> &'a [f32] {
        debug_assert_eq!(self.strides[1 - dimension], 1, "a line whose numbers lie side by side");
        if line >= self.shape()[dimension] || count == 0 {
            return &[];
        }
        let first = line * self.strides[dimension] + first;
        &self.values[first..first + count]
    }
}

/// True if rows of so many columns, `width` apart, lie within so many numbers.
pub(crate) fn fits(numbers: usize, rows: usize, columns: usize, width: usize) -> bool {
    columns <= width && (rows == 0 || columns == 0 || (rows - 1) * width + columns <= numbers)
}

/// `out = a · b`, or `out += a · b` with `add`. The rows of `out` are `width` apart.
///
/// The sum of a place is taken in an order that does not depend on the number of cores.
///
/// # Panics
/// When the shapes do not fit together, or `out` is too short.
pub(crate) fn product(out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    let small = a.rows * b.columns * a.columns < 1 << 21;
    multiply(out, width, a, b, add, if small { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(0) });
}

/// [`product`] on the core that calls it: for tiles, of which other cores have others.
pub(crate) fn tile(out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    multiply(out, width, a, b, add, gemm::Parallelism::None);
}

fn multiply(out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool, parallel: gemm::Parallelism) {
    let (rows, columns, inner) = (a.rows, b.columns, a.columns);
    assert_eq!(inner, b.rows, "the inner dimension of a product");
    assert!(fits(out.len(), rows, columns, width), "a product of {rows} x {columns} beyond its slice");
    let stride = |stride: usize| stride as isize;
    // SAFETY: `a` and `b` lie within their slices, which was asserted when they were made; `out` does, which is asserted above. All are
    // initialised, and `out`, borrowed mutably, overlaps neither.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            stride(width),
            add,
            a.values.as_ptr(),
            stride(a.strides[1]),
            stride(a.strides[0]),
            b.values.as_ptr(),
            stride(b.strides[1]),
            stride(b.strides[0]),
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            parallel,
        );
    }
}
