//! A shuffle buffer: of rows in their order it hands out a random one of the last so many. This is the buffer of `IterableDataset.shuffle` of
//! Hugging Face's `datasets`, with other random numbers.

use crate::shuffle::Draws;

/// Rows that wait for their turn.
pub(super) struct ShuffleBuffer<T> {
    rows: Vec<T>,
    size: usize,
    draws: Draws,
}

impl<T> ShuffleBuffer<T> {
    /// A buffer of `size` rows; the order stays as it is where that is 0.
    pub(super) fn new(size: usize, draws: Draws) -> Self {
        Self { rows: Vec::new(), size, draws }
    }

    /// Takes the next row, and hands out another one if the buffer is full.
    pub(super) fn push(&mut self, row: T) -> Option<T> {
        if self.size == 0 {
            return Some(row);
        }
        if self.rows.len() < self.size {
            self.rows.push(row);
            return None;
        }
        let at = self.draws.below(self.size);
        Some(std::mem::replace(&mut self.rows[at], row))
    }

    /// The rows that are left, in random order.
    pub(super) fn finish(&mut self) -> Vec<T> {
        let mut rows = std::mem::take(&mut self.rows);
        self.draws.shuffle(&mut rows);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shuffle::Purpose;

    fn shuffled(rows: usize, size: usize, pass: u64) -> Vec<usize> {
        let mut buffer = ShuffleBuffer::new(size, Draws::new(Purpose::Buffer, 42, pass));
        let mut order: Vec<usize> = (0..rows).filter_map(|row| buffer.push(row)).collect();
        order.extend(buffer.finish());
        order
    }

    #[test]
    fn every_row_comes_once() {
        for (rows, size) in [(0, 5), (3, 5), (5, 5), (100, 5), (100, 1000), (10, 1), (10, 0)] {
            let mut order = shuffled(rows, size, 0);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..rows), "{rows} {size}");
        }
    }

    #[test]
    fn rows_move_as_far_as_the_buffer_reaches() {
        let order = shuffled(1000, 10, 0);
        assert!(order.iter().enumerate().all(|(at, &row)| row <= at + 10), "no row comes before it was read");
        assert!(order.iter().enumerate().any(|(at, &row)| at > row + 20), "some rows wait long");
        assert_ne!(order, shuffled(1000, 10, 1));
        assert!(shuffled(7, 1, 3).into_iter().eq(0..7), "of one row there is one order");
        assert!(shuffled(7, 0, 3).into_iter().eq(0..7));
    }

    #[test]
    fn an_order_never_changes() {
        // below(draws, n) is next(draw * n >> 64 for draw in draws if draw * n % 2**64 >= 2**64 % n)
        // draws = chacha8(struct.pack("<QQ16s", 42, 1, b"colburn.buffer")), with chacha8() and the draws of shuffle.rs
        // buffer, order = [], []
        // for row in range(12):
        //     if len(buffer) < 4: buffer.append(row); continue
        //     i = below(draws, 4); order.append(buffer[i]); buffer[i] = row
        // for i in range(3, 0, -1): j = below(draws, i + 1); buffer[i], buffer[j] = buffer[j], buffer[i]
        // print(order + buffer)
        assert_eq!(shuffled(12, 4, 1), [3, 1, 5, 2, 6, 7, 8, 9, 10, 0, 11, 4]);
    }
}
