//! The seam to next-plaid: its errors and panics as errors of this crate, our settings as its own, and the ids beside its files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fs, path::Path};

use colburn_model::{TokenEmbeddings, write_atomic};
use ndarray::Array2;
use next_plaid::{IndexConfig, MmapIndex, UpdateConfig};

use super::{files, manifest::Manifest};
use crate::{Error, Result};

/// The file with the ids, in next-plaid's order.
pub(super) const IDS: &str = "ids.json";
/// Up to so many documents next-plaid keeps the embeddings themselves, and makes the whole index anew when some are added. Its own default,
/// which an environment variable could change.
const START_FROM_SCRATCH: usize = 999;

/// What next-plaid returns. It takes its files for whole and panics, in places, when they are not.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> next_plaid::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| Error::index(path, format!("next-plaid: {error}"))),
        Err(_) => Err(Error::index(path, "damaged: next-plaid could not go on; make the index anew")),
    }
}

/// Opens what a manifest names: ids and, where there are documents, the index.
pub(super) fn open(directory: &Path, manifest: &Manifest) -> Result<(Vec<String>, Option<MmapIndex>)> {
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
pub(super) fn create(folder: &Path, manifest: &Manifest, documents: &[Array2<f32>]) -> Result<MmapIndex> {
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

/// Adds further documents behind those that there are.
pub(super) fn add(index: &mut MmapIndex, folder: &Path, manifest: &Manifest, documents: &[Array2<f32>]) -> Result<()> {
    let config = UpdateConfig {
        seed: manifest.seed,
        kmeans_niters: manifest.kmeans_niters,
        start_from_scratch: START_FROM_SCRATCH,
        ..UpdateConfig::default()
    };
    guarded(folder, || index.update(documents, &config)).map(drop)
}

/// Deletes documents; those behind them move up.
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

/// Documents as next-plaid takes them.
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
