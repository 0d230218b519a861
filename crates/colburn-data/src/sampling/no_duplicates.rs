//! Batches in which no text occurs twice, so no row's positive is another row's negative. Sentence-transformers fills one
//! batch after the other from the rows left over, and ends with more batches than it announced. Here the number of batches
//! is fixed, because the length of a run and its schedule depend on it. The algorithm never changes:
//!
//! - The rows come in a random order. A row goes into the first batch that has room and none of the row's texts.
//! - If there is none, or none among [`TRIES`] batches, it starts a new batch; if the number of batches is reached, the row
//!   is left out. The batches tried are the first ones with room. Batches are skipped, and not counted, up to the point
//!   before which every batch with room is known to have a text of the row.
//!
//! So a data set without repeated texts has the batches of a plain random order. Every batch has a row: a row is left out
//! only when all batches are started, and if no row is left out, the rows need all batches.

use std::collections::{HashMap, HashSet};

use crate::examples::RowHashes;

/// The number of batches that a row is tried with. Without a limit, a data set of few distinct texts would take hours.
const TRIES: usize = 1024;

/// The rows of all batches, one batch after the other, and where each batch ends.
pub(crate) fn no_duplicates(
    order: &[usize],
    hashes: &RowHashes,
    batch_size: usize,
    batches: usize,
) -> (Vec<usize>, Vec<usize>) {
    let mut open = Batches { batch_size, batches: Vec::new(), next: Vec::new(), first: HashMap::new() };
    for &row in order {
        let texts = hashes.row(row);
        if let Some(batch) = open.find(texts).or_else(|| open.begin(batches)) {
            open.add(batch, row, texts);
        }
    }
    let mut rows = Vec::with_capacity(order.len());
    let ends = open.batches.into_iter().map(|batch| {
        rows.extend(batch.rows);
        rows.len()
    });
    let ends = ends.collect();
    (rows, ends)
}

/// The batches started so far.
struct Batches {
    batch_size: usize,
    batches: Vec<Open>,
    /// For each batch: itself while it has room, then a later batch to continue the search from.
    next: Vec<usize>,
    /// For a text that blocked a row: a batch before which every batch with room has this text. It only grows, because
    /// batches only fill up.
    first: HashMap<u64, usize>,
}

#[derive(Default)]
struct Open {
    rows: Vec<usize>,
    /// The texts of its rows, dropped when it is full.
    texts: HashSet<u64>,
}

impl Batches {
    /// The first batch that has room and none of these texts, if it is among those to be tried.
    fn find(&mut self, texts: &[u64]) -> Option<usize> {
        let first = texts.iter().filter_map(|text| self.first.get(text)).max();
        let mut batch = self.with_room(first.copied().unwrap_or(0));
        for _ in 0..TRIES {
            let known = &self.batches.get(batch)?.texts;
            let Some(text) = texts.iter().find(|text| known.contains(text)) else {
                return Some(batch);
            };
            let next = self.with_room(batch + 1);
            let first = self.first.get(text).copied().unwrap_or(0);
            if self.with_room(first) == batch {
                self.first.insert(*text, next);
            }
            batch = next;
        }
        None
    }

    /// A new batch, if there are fewer than `limit`.
    fn begin(&mut self, limit: usize) -> Option<usize> {
        let batch = self.batches.len();
        (batch < limit).then(|| {
            self.batches.push(Open::default());
            self.next.push(batch);
            batch
        })
    }

    fn add(&mut self, batch: usize, row: usize, texts: &[u64]) {
        let open = &mut self.batches[batch];
        open.rows.push(row);
        if open.rows.len() == self.batch_size {
            open.texts = HashSet::new();
            self.next[batch] = batch + 1;
        } else {
            open.texts.extend(texts);
        }
    }

    /// The first batch from this one on that has room, or the number of batches.
    fn with_room(&mut self, mut batch: usize) -> usize {
        let start = batch;
        while self.next.get(batch).is_some_and(|&next| next != batch) {
            batch = self.next[batch];
        }
        // Path compression: without it, every search would pass all full batches.
        let mut passed = start;
        while passed < batch {
            passed = std::mem::replace(&mut self.next[passed], batch);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::examples::Examples;
    use crate::shuffle::{Purpose, permutation};

    /// Rows of the given texts.
    fn hashes(rows: &[Vec<String>]) -> RowHashes {
        let columns = ["query", "positive", "negative"];
        let data = Dataset::from_rows(&columns[..rows[0].len()], rows.iter().cloned()).unwrap();
        Examples::from(data).hashes().unwrap()
    }

    /// The same, in the obvious way.
    fn slow(order: &[usize], rows: &[Vec<String>], batch_size: usize, batches: usize) -> Vec<Vec<usize>> {
        let mut made: Vec<Vec<usize>> = Vec::new();
        for &row in order {
            let clash = |other: &usize| rows[*other].iter().any(|text| rows[row].contains(text));
            let place = made.iter().position(|batch| batch.len() < batch_size && !batch.iter().any(clash));
            match place {
                Some(place) => made[place].push(row),
                None if made.len() < batches => made.push(vec![row]),
                None => {}
            }
        }
        made
    }

    fn fast(order: &[usize], hashes: &RowHashes, batch_size: usize, batches: usize) -> Vec<Vec<usize>> {
        let (rows, ends) = no_duplicates(order, hashes, batch_size, batches);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, &end)| rows[start..end].to_vec()).collect()
    }

    #[test]
    fn batches_are_those_of_the_obvious_way() {
        for (stream, (count, batch_size, vocabulary)) in
            [(200, 4, 1000), (200, 4, 60), (300, 8, 25), (300, 7, 5), (50, 64, 20), (500, 1, 3), (60, 4, 1)]
                .into_iter()
                .enumerate()
        {
            let draws = permutation(count * 3, Purpose::Split, 5, stream as u64);
            // Squares make some texts frequent and others rare.
            let text = |draw: &usize| format!("{}", draw * draw % vocabulary);
            let rows: Vec<Vec<String>> = draws.chunks(3).map(|row| row.iter().map(text).collect()).collect();
            let order = permutation(count, Purpose::Epoch(0), 5, stream as u64);
            for batches in [count / batch_size, count.div_ceil(batch_size)] {
                let made = fast(&order, &hashes(&rows), batch_size, batches);
                assert_eq!(made, slow(&order, &rows, batch_size, batches), "{count} {batch_size} {vocabulary}");
                assert_eq!(made.len(), batches);
                assert!(made.iter().all(|batch| !batch.is_empty() && batch.len() <= batch_size));
            }
        }
    }

    #[test]
    fn without_duplicates_the_order_is_the_random_one() {
        let rows: Vec<Vec<String>> = (0..103).map(|i| vec![format!("q{i}"), format!("p{i}")]).collect();
        let order = permutation(103, Purpose::Epoch(0), 1, 1);
        let expected: Vec<&[usize]> = order.chunks(10).collect();
        assert_eq!(fast(&order, &hashes(&rows), 10, 11), expected);
        assert_eq!(fast(&order, &hashes(&rows), 10, 10), expected[..10]);
    }

    #[test]
    fn one_text_in_every_row_leaves_a_row_a_batch_and_takes_no_time() {
        let rows: Vec<Vec<String>> = (0..200_000).map(|i| vec![format!("q{i}"), "yes".to_owned()]).collect();
        let order: Vec<usize> = (0..rows.len()).collect();
        let (placed, ends) = no_duplicates(&order, &hashes(&rows), 2, 100_000);
        assert!(placed.into_iter().eq(0..100_000) && ends.into_iter().eq(1..=100_000));
    }

    #[test]
    fn a_row_is_tried_with_so_many_batches() {
        // Every second of the first batches has the text "a", the others "b": a row with both finds room behind them only.
        let mut rows: Vec<Vec<String>> = (0..2 * TRIES)
            .map(|i| vec![format!("q{i}"), if i % 2 == 0 { "a" } else { "b" }.to_owned(), "all".to_owned()])
            .collect();
        rows.push(vec!["free".to_owned(), "x".to_owned(), "all".to_owned()]);
        rows.push(["a", "b", "last"].map(str::to_owned).to_vec());
        let order: Vec<usize> = (0..rows.len()).collect();
        let made = fast(&order, &hashes(&rows), 2, 2 * TRIES + 2);
        assert_eq!(made.len(), 2 * TRIES + 2);
        assert_eq!(made.last().map(Vec::as_slice), Some(&[2 * TRIES + 1][..]));
    }
}
