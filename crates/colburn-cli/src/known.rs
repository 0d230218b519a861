//! Texts by their ids, of those that are wanted. An id that is none of theirs is compared as a whole number: `7.0` is `7`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use colburn::data::plain_id;

use crate::Result;
use crate::command_line::TextArguments;
use crate::documents::Documents;

/// Some texts of a source.
#[derive(Default)]
pub struct KnownTexts {
    texts: HashMap<String, String>,
    /// The id of each whole number; none if there are two.
    plain: HashMap<String, Option<String>>,
}

impl KnownTexts {
    /// Those texts of a source whose ids are wanted.
    pub fn read<'a>(path: &Path, arguments: &TextArguments, wanted: impl Iterator<Item = &'a str>) -> Result<Self> {
        let wanted: HashSet<&str> = wanted.map(plain_id).collect();
        let mut known = Self::default();
        for document in Documents::open(path, arguments)? {
            let document = document?;
            let plain = plain_id(&document.id);
            if wanted.contains(plain) {
                let only = |other: &mut Option<String>| *other = None;
                known.plain.entry(plain.to_owned()).and_modify(only).or_insert_with(|| Some(document.id.clone()));
                known.texts.insert(document.id, document.text);
            }
        }
        Ok(known)
    }

    /// The text with this id; if there is none, the only one with the same whole number.
    pub fn get(&self, id: &str) -> Option<&str> {
        let plain = || self.texts.get(self.plain.get(plain_id(id))?.as_ref()?);
        self.texts.get(id).or_else(plain).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_id_goes_before_a_whole_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "id,text\n7.0,seven\n8,eight\n9,nine\n9.0,nine too\n9.00,and nine\n11,eleven\n").unwrap();
        let wanted = ["7", "8.0", "9", "9.000", "10"];
        let known = KnownTexts::read(&path, &TextArguments::default(), wanted.into_iter()).unwrap();
        let found = ["7", "7.0", "8", "8.0", "9", "9.0", "9.000", "10", "11"].map(|id| known.get(id));
        let expected = [
            Some("seven"),
            Some("seven"),
            Some("eight"),
            Some("eight"),
            Some("nine"),
            Some("nine too"),
            None,
            None,
            None,
        ];
        assert_eq!(found, expected);
    }
}
