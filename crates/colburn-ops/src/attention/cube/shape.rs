//! The sizes of the tiles of scores. They follow from the size of a head and from the shared memory of the device.

/// Rows and columns of scores that a unit computes in its registers.
pub(super) const BLOCK: usize = 4;

/// The most vectors of a row that a unit sums: its registers hold four times as many, or eight times.
const MOST_PER_UNIT: usize = 16;

/// The sizes of a kernel's tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Blocks along the rows of a tile of scores, and along its columns: each has a unit.
    pub down: usize,
    pub across: usize,
    /// Numbers of a head in a row.
    pub head_dim: usize,
    /// True if the numbers of turns of loops are constants for the compiler of the device. It unrolls such loops: a good one is faster with
    /// them, others take minutes.
    pub fixed: bool,
}

impl Shape {
    /// Rows of a tile of scores.
    pub fn rows(&self) -> usize {
        BLOCK * self.down
    }

    /// Columns of a tile of scores.
    pub fn columns(&self) -> usize {
        BLOCK * self.across
    }

    /// Units of a cube.
    pub fn units(&self) -> usize {
        self.down * self.across
    }

    /// Vectors of four numbers in a row of a head, the last one filled up with zeros.
    pub fn vectors(&self) -> usize {
        self.head_dim.div_ceil(4)
    }

    /// Vectors from a row to the next in shared memory: an odd number, so that rows begin in different banks.
    pub fn stride(&self) -> usize {
        self.vectors() | 1
    }

    /// Vectors from a row of weights to the next in shared memory, odd as well.
    pub fn weights_stride(&self) -> usize {
        self.across | 1
    }

    /// Vectors of a row that a unit sums in a product of weights with rows.
    pub fn per_unit(&self) -> usize {
        self.vectors().div_ceil(self.across)
    }

    /// True if rows are loaded and stored four numbers at a time.
    pub fn whole(&self) -> bool {
        self.head_dim.is_multiple_of(4)
    }

    /// The numbers that are loaded and stored at a time.
    pub fn vector_size(&self) -> usize {
        if self.whole() { 4 } else { 1 }
    }

    /// Vectors of shared memory: so many tiles of rows, one of columns, one of weights, and a few rows of numbers.
    fn shared(&self, row_tiles: usize) -> usize {
        let tiles = (row_tiles * self.rows() + self.columns()) * self.stride();
        let numbers = 2 * self.units() + 2 * (self.rows() + self.columns()).div_ceil(4);
        tiles + self.rows() * self.weights_stride() + numbers
    }

    /// The largest tiles that fit in so many bytes of shared memory; `None` if no tiles do.
    fn of(head_dim: usize, bytes: usize, fixed: bool, row_tiles: usize) -> Option<Self> {
        let sizes = [(8, 8), (4, 8), (4, 4), (2, 4), (1, 4)];
        let mut shapes = sizes.into_iter().map(|(down, across)| Self { down, across, head_dim, fixed });
        shapes.find(|shape| shape.per_unit() <= MOST_PER_UNIT && 16 * shape.shared(row_tiles) <= bytes)
    }
}

/// The shapes of the forward and of the backward kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shapes {
    pub forward: Shape,
    pub backward: Shape,
}

impl Shapes {
    /// The shapes for heads of this size on a device with so many bytes of shared memory; `None` if a head is too large.
    pub fn of(head_dim: usize, bytes: usize, fixed: bool) -> Option<Self> {
        // Several cubes are to share a processor's memory.
        let bytes = bytes.min(64 << 10);
        Some(Self { forward: Shape::of(head_dim, bytes, fixed, 1)?, backward: Shape::of(head_dim, bytes, fixed, 2)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fit_in_the_least_shared_memory() {
        let size = |head_dim, bytes| {
            Shapes::of(head_dim, bytes, false).map(|s| [s.forward, s.backward].map(|s| (s.down, s.across)))
        };
        assert_eq!(size(64, 16 << 10), Some([(4, 4), (4, 4)]));
        assert_eq!(size(64, 48 << 10), Some([(8, 8), (8, 8)]));
        assert_eq!(size(128, 64 << 10), Some([(8, 8), (8, 8)]));
        assert!((1..=128).all(|head_dim| size(head_dim, 16 << 10).is_some()));
        assert!(size(2048, 16 << 10).is_none());
    }
}
