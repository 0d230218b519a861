//! Changes of an index: adding and removing documents.

use std::collections::HashSet;

use colburn_model::TokenEmbeddings;

use super::ids::DocumentPlace;
use super::manifest::{self, IndexManifest};
use super::persistent::Index;
use super::segment::{Segment, SegmentWriter};
use crate::{Error, Result};

/// The size limit of a segment, in bytes of values.
pub(super) const SEGMENT_BYTES: usize = 256 << 20;

/// The result of adding documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// The number of added documents.
    pub documents: usize,
    /// The number of them that replaced a document with the same id.
    pub replaced: usize,
}

/// Refuses documents that cannot be added to an index: different numbers of ids and embeddings, an id that is empty or occurs twice, another
/// width, values that are not finite or too large for their type.
pub(crate) fn check<S: AsRef<str>>(ids: &[S], embeddings: &[TokenEmbeddings], dim: usize, largest: f32) -> Result<()> {
    if ids.len() != embeddings.len() {
        return Err(Error::Length { what: "embeddings".into(), expected: ids.len(), found: embeddings.len() });
    }
    let mut seen = HashSet::new();
    for (id, text) in ids.iter().map(AsRef::as_ref).zip(embeddings) {
        if id.is_empty() {
            return Err(Error::document(id, "an id must not be empty"));
        }
        if !seen.insert(id) {
            return Err(Error::document(id, "the id comes twice among those that are to be added"));
        }
        if text.dim != dim {
            let what = format!("the embeddings of document {id:?}");
            return Err(Error::Dimensions { what, expected: dim, found: text.dim });
        }
        if text.values.len() % dim != 0 {
            let message = format!("{} values are not a whole number of vectors of {dim}", text.values.len());
            return Err(Error::document(id, message));
        }
        // No range contains NaN.
        if let Some(at) = text.values.iter().position(|value| !(-largest..=largest).contains(value)) {
            let (token, value) = (at / dim, text.values[at]);
            let message = format!("token {token} has the value {value}; finite numbers up to {largest:e} are expected");
            return Err(Error::document(id, message));
        }
    }
    Ok(())
}

impl Index {
    /// Adds documents: an id and token embeddings for each. A document with an existing id replaces the old one; among equal scores it comes
    /// last, as a new one does. All are added or, after an error, none.
    ///
    /// # Errors
    /// When there are not as many ids as embeddings, an id is empty or occurs twice, widths differ, a value is not finite (or too large for
    /// f16), there is another writer, or a file cannot be written.
    pub fn add<S: AsRef<str>>(&mut self, ids: &[S], embeddings: &[TokenEmbeddings]) -> Result<Added> {
        check(ids, embeddings, self.dim(), self.dtype().largest())?;
        self.lock()?;
        if ids.is_empty() {
            return Ok(Added::default());
        }
        let replaced: Vec<DocumentPlace> = ids.iter().filter_map(|id| self.find(id.as_ref())).collect();
        let mut manifest = self.manifest.clone();
        let mut writer = SegmentWriter::new(self.dim(), self.dtype());
        for (at, (id, text)) in ids.iter().zip(embeddings).enumerate() {
            writer.push(id.as_ref(), text);
            if writer.bytes() >= SEGMENT_BYTES || at + 1 == ids.len() {
                let full = std::mem::replace(&mut writer, SegmentWriter::new(self.dim(), self.dtype()));
                manifest.segments.push(full.write(&self.directory, manifest.next_segment)?);
                manifest.next_segment += 1;
            }
        }
        mark_removed(&mut manifest, &replaced);
        let old = self.segments.len();
        let open = |entry| Segment::open(&self.directory, entry, self.dim(), self.dtype());
        let segments: Vec<Segment> = manifest.segments[old..].iter().map(open).collect::<Result<_>>()?;
        self.commit(manifest)?;
        self.segments.extend(segments);
        self.look_up_new(old);
        self.tidy();
        Ok(Added { documents: ids.len(), replaced: replaced.len() })
    }

    /// Removes documents; a repeated id counts once. All are removed or, after an error, none. Returns the number of removed documents.
    ///
    /// # Errors
    /// [`Error::UnknownIds`] when some are not in the index (see [`Index::contains`]), when there is another writer, or a file cannot be
    /// written.
    pub fn remove<S: AsRef<str>>(&mut self, ids: &[S]) -> Result<usize> {
        self.lock()?;
        let places = self.find_all(ids)?;
        let mut manifest = self.manifest.clone();
        mark_removed(&mut manifest, &places);
        let removed = self.manifest.documents - manifest.documents;
        if removed > 0 {
            self.commit(manifest)?;
            self.tidy();
        }
        Ok(removed)
    }

    /// Writes a manifest, which makes it the state of the index.
    pub(super) fn commit(&mut self, mut manifest: IndexManifest) -> Result<()> {
        manifest.count();
        manifest::write(&self.directory, &manifest)?;
        self.manifest = manifest;
        Ok(())
    }

    /// Adds the documents of the segments from this one on to the table of ids, if there is one.
    fn look_up_new(&mut self, from: usize) {
        let Some(mut table) = self.table.take() else { return };
        for (segment, of) in self.segments.iter().enumerate().skip(from) {
            for document in 0..of.documents() {
                let id = of.id(document);
                table.insert(id, (segment as u32, document as u32), |place| self.id(place) == id);
            }
        }
        self.table = table.into();
    }
}

fn mark_removed(manifest: &mut IndexManifest, places: &[DocumentPlace]) {
    for &(segment, document) in places {
        manifest.segments[segment as usize].removed.insert(document);
    }
    manifest.count();
}
