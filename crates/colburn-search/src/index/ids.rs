//! A table from ids to the places of documents. The ids are in the segments; the table has about 16 bytes for each, so an index of millions of
//! documents can be opened.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The place of a document: its segment, and its number in there.
pub(crate) type DocumentPlace = (u32, u32);

/// Places by the hash of the id. If another id has this hash, the next free one is used. Nothing is ever removed, so every id stays
/// reachable.
#[derive(Debug, Default)]
pub(crate) struct IdTable(HashMap<u64, DocumentPlace>);

impl IdTable {
    /// Puts an id in its place; `is` says whether the document at a place has this id. The place of the same id is replaced.
    pub fn insert(&mut self, id: &str, place: DocumentPlace, is: impl Fn(DocumentPlace) -> bool) {
        let slot = self.slot(hash(id), is);
        self.0.insert(slot, place);
    }

    /// The last place of an id.
    pub fn find(&self, id: &str, is: impl Fn(DocumentPlace) -> bool) -> Option<DocumentPlace> {
        self.0.get(&self.slot(hash(id), is)).copied()
    }

    /// The slot of an id, or the free one for it.
    fn slot(&self, hash: u64, is: impl Fn(DocumentPlace) -> bool) -> u64 {
        let mut slot = hash;
        while self.0.get(&slot).is_some_and(|&place| !is(place)) {
            slot = slot.wrapping_add(1);
        }
        slot
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_where_it_was_put_last() {
        let ids = ["a", "b", "a", "c"];
        let at = |(_, number): DocumentPlace| ids[number as usize];
        let mut table = IdTable::default();
        for (number, id) in ids.iter().enumerate() {
            table.insert(id, (0, number as u32), |place| at(place) == *id);
        }
        let find = |id: &str| table.find(id, |place| at(place) == id);
        assert_eq!([find("a"), find("b"), find("c"), find("d")], [Some((0, 2)), Some((0, 1)), Some((0, 3)), None]);
    }

    #[test]
    fn ids_of_one_hash_are_told_apart() {
        let ids = ["x", "y", "z"];
        let mut table = IdTable::default();
        for (number, id) in ids.iter().enumerate() {
            let slot = table.slot(u64::MAX, |(_, other)| ids[other as usize] == *id);
            table.0.insert(slot, (0, number as u32));
        }
        for (number, id) in ids.iter().enumerate() {
            let slot = table.slot(u64::MAX, |(_, other)| ids[other as usize] == *id);
            assert_eq!(table.0.get(&slot), Some(&(0, number as u32)));
        }
    }
}
