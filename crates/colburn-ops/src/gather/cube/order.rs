//! The places of the rows of a table among the rows that were looked up.

/// Number of places that are added in one block.
pub(super) const BLOCK: usize = 64;

/// The places of each row of a table, in the order of the rows.
pub(super) struct Order {
    /// For each row the number of places before its own, and the number of all: `rows + 1`. Then the places, and the rows that they are of.
    pub lists: Vec<u32>,
    pub rows: usize,
    pub places: usize,
    /// Number of places of the row that has most.
    most: usize,
}

impl Order {
    /// The order of these ids, without those that are `frozen`.
    pub fn new(ids: &[u32], rows: usize, frozen: Option<u32>) -> Self {
        let kept = || ids.iter().zip(0u32..).filter(|&(&id, _)| Some(id) != frozen);
        let mut lists = vec![0; rows + 1];
        kept().for_each(|(&id, _)| lists[id as usize + 1] += 1);
        let most = lists.iter().copied().max().unwrap_or(0) as usize;
        for row in 0..rows {
            lists[row + 1] += lists[row];
        }
        let places = lists[rows] as usize;
        let mut next = lists[..rows].to_vec();
        lists.resize(rows + 1 + 2 * places, 0);
        for (&id, place) in kept() {
            let at = &mut next[id as usize];
            lists[rows + 1 + *at as usize] = place;
            lists[rows + 1 + places + *at as usize] = id;
            *at += 1;
        }
        Self { lists, rows, places, most }
    }

    /// Number of blocks of places that are added first; none if no row has many places.
    pub fn blocks(&self) -> Option<usize> {
        (self.most >= 2 * BLOCK).then_some(self.places / BLOCK)
    }
}
