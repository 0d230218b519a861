//! The rows of ids, while a collection is put together: the hash of each id in order, 16 bytes a row, and the table itself says whether
//! the id is the one that is looked for. `7` and `7.0` have one hash, because programs write the one for the other.

use std::hash::{DefaultHasher, Hash, Hasher};

use colburn_data::{plain_id, same_id};

use super::table::TextTable;
use crate::error::{Error, Result};

/// The rows of a table by their ids.
pub(super) struct IdIndex {
    /// (hash, row), in order.
    rows: Vec<(u64, usize)>,
}

impl IdIndex {
    /// An index of all ids of a table.
    ///
    /// # Errors
    /// When an id comes twice.
    pub fn new(table: &TextTable) -> Result<Self> {
        let row = |row: usize| Ok((hash(&table.id(row)?), row));
        let mut rows = (0..table.len()).map(row).collect::<Result<Vec<_>>>()?;
        rows.sort_unstable();
        for same in rows.chunk_by(|(a, _), (b, _)| a == b).filter(|same| same.len() > 1) {
            let mut ids = same.iter().map(|&(_, row)| Ok((table.id(row)?, row))).collect::<Result<Vec<_>>>()?;
            ids.sort_unstable();
            if let Some(pair) = ids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let message = format!("id \"{}\" is also that of row {}; ids must differ", pair[1].0, pair[0].1);
                return Err(Error::Collection { place: table.place(pair[1].1), message });
            }
        }
        Ok(Self { rows })
    }

    /// The row with this id; if there is none, the only one with the same whole number.
    pub fn find(&self, table: &TextTable, id: &str) -> Result<Option<usize>> {
        let hash = hash(id);
        let start = self.rows.partition_point(|(other, _)| *other < hash);
        let mut same = Vec::new();
        for &(_, row) in self.rows[start..].iter().take_while(|(other, _)| *other == hash) {
            let other = table.id(row)?;
            if other == id {
                return Ok(Some(row));
            }
            if same_id(&other, id) {
                same.push(row);
            }
        }
        Ok(if let [row] = same[..] { Some(row) } else { None })
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    plain_id(id).hash(&mut hasher);
    hasher.finish()
}
