//! The interface to next-plaid. Its errors and panics become errors of this crate, and the ids are stored beside its files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fs, path::Path};

use colburn_model::{TokenEmbeddings, write_atomic};
use ndarray::Array2;
use next_plaid::{IndexConfig, MmapIndex, UpdateConfig};

use super::{files, manifest::PlaidManifest};
use crate::{Error, Result};

/// The file with the ids, in next-plaid's order.
pub(super) const IDS: &str = "ids.json";
/// Up to this number of documents next-plaid stores the embeddings, and rebuilds the index when documents are added. This is its default, which
/// an environment variable could change.
const START_FROM_SCRATCH: usize = 999;

/// An index of next-plaid. The wrapper has `Debug`, which the index lacks.
pub(super) struct Engine(pub MmapIndex);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MmapIndex").field(&self.0.path).finish()
    }
}

/// The result of a call of next-plaid, which panics on some damaged files.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> next_plaid::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| Error::index(path, format!("next-plaid: {error}"))),
        Err(_) => Err(Error::index(path, "damaged: next-plaid failed; build the index again")),
    }
}

/// Opens the ids of a manifest and, if there are documents, the index.
pub(super) fn open(directory: &Path, manifest: &PlaidManifest) -> Result<(Vec<String>, Option<MmapIndex>)> {
    let Some(name) = &manifest.folder else { return Ok((Vec::new(), None)) };
    let folder = directory.join(name);
    files::check(&folder, &manifest.files)?;
    let path = folder.join(IDS);
    let text = fs::read(&path).map_err(Error::io(&path))?;
    let ids: Vec<String> =
        serde_json::from_slice(&text).map_err(|error| Error::index(&path, format!("damaged: {error}")))?;
    let index = load(&folder)?;
    let distinct = ids.iter().collect::<std::collections::HashSet<_>>().len();
    if [ids.len(), distinct, index.num_documents()] != [manifest.documents; 3] {
        let (ids, indexed, documents) = (ids.len(), index.num_documents(), manifest.documents);
        let message = format!(
            "damaged: {ids} ids, {distinct} of them distinct, of {indexed} indexed documents; {documents} are expected"
        );
        return Err(Error::index(&path, message));
    }
    if index.embedding_dim() != manifest.dim {
        let message = format!("damaged: dim = {}, by index.json it is {}", index.embedding_dim(), manifest.dim);
        return Err(Error::index(&folder, message));
    }
    Ok((ids, Some(index)))
}

pub(super) fn load(folder: &Path) -> Result<MmapIndex> {
    let path = text(folder)?;
    guarded(folder, || MmapIndex::load(path))
}

/// Makes an index of the first documents.
pub(super) fn create(folder: &Path, manifest: &PlaidManifest, documents: &[Array2<f32>]) -> Result<MmapIndex> {
    let config = IndexConfig {
        nbits: manifest.nbits,
        seed: Some(manifest.seed),
        kmeans_niters: manifest.kmeans_niters,
        start_from_scratch: START_FROM_SCRATCH,
        ..IndexConfig::default()
    };
    let path = text(folder)?;
    guarded(folder, || MmapIndex::create_with_kmeans(documents, path, &config))
}

/// Appends documents.
pub(super) fn add(
    index: &mut MmapIndex,
    folder: &Path,
    manifest: &PlaidManifest,
    documents: &[Array2<f32>],
) -> Result<()> {
    let config = UpdateConfig {
        seed: manifest.seed,
        kmeans_niters: manifest.kmeans_niters,
        start_from_scratch: START_FROM_SCRATCH,
        ..UpdateConfig::default()
    };
    guarded(folder, || index.update(documents, &config)).map(drop)
}

/// Deletes documents; the numbers of those after them decrease.
pub(super) fn delete(index: &mut MmapIndex, folder: &Path, numbers: &[i64]) -> Result<()> {
    guarded(folder, || {
        index.delete(numbers)?;
        index.reload()
    })
}

pub(super) fn write_ids(folder: &Path, ids: &[String]) -> Result<()> {
    let path = folder.join(IDS);
    let text = serde_json::to_vec(ids).map_err(|error| Error::index(&path, error.to_string()))?;
    Ok(write_atomic(&path, &text)?)
}

/// Documents as matrices of next-plaid.
pub(super) fn matrices(embeddings: &[TokenEmbeddings]) -> Result<Vec<Array2<f32>>> {
    let matrix = |text: &TokenEmbeddings| {
        let length = |_| Error::Length {
            what: "values of a document".to_owned(),
            expected: text.tokens() * text.dim,
            found: text.values.len(),
        };
        Array2::from_shape_vec((text.tokens(), text.dim), text.values.clone()).map_err(length)
    };
    embeddings.iter().map(matrix).collect()
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::index(path, "next-plaid takes paths that are UTF-8, which this one is not"))
}
