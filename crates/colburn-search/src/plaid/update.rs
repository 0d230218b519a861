//! Changes of a PLAID index, made on a copy that replaces it at the end.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use colburn_model::TokenEmbeddings;
use next_plaid::MmapIndex;

use super::engine::{self, Engine};
use super::files;
use super::persistent::PlaidIndex;
use crate::index::{check_documents, lock, manifest as index_json, refuse_unknown};
use crate::{Added, Error, Result};

/// A change of several parts. All take effect with [`PlaidUpdate::commit`], none if it is dropped.
///
/// ```
/// use colburn_model::TokenEmbeddings;
/// use colburn_search::{Packed, PlaidIndex, PlaidOptions};
///
/// let folder = tempfile::tempdir()?;
/// let text = |angle: f32| TokenEmbeddings { values: vec![angle.cos(), angle.sin()], dim: 2 };
///
/// let mut index = PlaidIndex::create(folder.path().join("index"), &PlaidOptions::new(2))?;
/// let mut update = index.update()?;
/// update.add(&["east", "north"], &[text(0.0), text(1.6)])?;
/// update.add(&["west"], &[text(3.1)])?;
/// update.commit()?;
///
/// let found = index.search(&Packed::from_embeddings([&text(1.5)])?, 1)?;
/// assert_eq!(found[0][0].id, "north");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PlaidUpdate<'a> {
    index: &'a mut PlaidIndex,
    /// The name of the new folder, which the first change makes.
    name: String,
    folder: PathBuf,
    ids: Vec<String>,
    engine: Option<Engine>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing is changed or copied yet.
    Same,
    Changed,
    /// A change failed halfway, so the copy is unusable.
    Broken,
    Committed,
}

impl PlaidIndex {
    /// Adds documents: an id and token embeddings for each. A document with an existing id replaces the old one. All are added or, after an
    /// error, none.
    ///
    /// # Errors
    /// As [`PlaidUpdate::add`] and [`PlaidUpdate::commit`].
    pub fn add<S: AsRef<str>>(&mut self, ids: &[S], embeddings: &[TokenEmbeddings]) -> Result<Added> {
        let mut update = self.update()?;
        let added = update.add(ids, embeddings)?;
        update.commit()?;
        Ok(added)
    }

    /// Removes documents; a repeated id counts once. All are removed or, after an error, none. Returns the number of removed documents.
    ///
    /// # Errors
    /// [`Error::UnknownIds`] when some are not in the index; otherwise as [`PlaidUpdate::commit`].
    pub fn remove<S: AsRef<str>>(&mut self, ids: &[S]) -> Result<usize> {
        self.lock()?;
        // Before the copy is made.
        self.numbers(ids)?;
        let mut update = self.update()?;
        let removed = update.remove(ids)?;
        update.commit()?;
        Ok(removed)
    }

    /// Starts a change of several parts.
    ///
    /// # Errors
    /// When there is another writer, or the index cannot be copied.
    pub fn update(&mut self) -> Result<PlaidUpdate<'_>> {
        self.lock()?;
        PlaidUpdate::new(self)
    }
}

impl<'a> PlaidUpdate<'a> {
    pub(super) fn new(index: &'a mut PlaidIndex) -> Result<Self> {
        let used = index.manifest.folder.clone();
        lock::sweep(&index.directory, |name| Some(name) == used.as_deref());
        let name = index_json::plaid_folder(index.manifest.next_folder);
        let folder = index.directory.join(&name);
        let ids = index.ids.clone();
        Ok(Self { index, name, folder, ids, engine: None, state: State::Same })
    }

    /// Number of documents, with the changes so far.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if there are no documents, with the changes so far.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Adds documents: an id and token embeddings for each. A document with an existing id replaces the old one.
    ///
    /// The centroids come from the first added documents, and are computed again as long as there are less than a thousand documents. Later
    /// documents get new centroids only if they are far from the existing ones. So the first part should be large.
    ///
    /// # Errors
    /// When there are not as many ids as embeddings, an id is empty or occurs twice, widths differ, a value is not finite, a document has no
    /// tokens; or when next-plaid fails, after which the change is unusable.
    pub fn add<S: AsRef<str>>(&mut self, ids: &[S], embeddings: &[TokenEmbeddings]) -> Result<Added> {
        check_documents(ids, embeddings, self.index.dim(), f32::MAX)?;
        if let Some((id, _)) = ids.iter().zip(embeddings).find(|(_, text)| text.tokens() == 0) {
            return Err(Error::document(id.as_ref(), "no tokens; a PLAID index finds a document by its tokens"));
        }
        if ids.is_empty() {
            return Ok(Added::default());
        }
        let known: HashSet<&str> = self.ids.iter().map(String::as_str).collect();
        let replaced: Vec<&str> = ids.iter().map(AsRef::as_ref).filter(|id| known.contains(id)).collect();
        let replaced = self.numbers(&replaced);
        self.step(|update| {
            update.delete(&replaced)?;
            let matrices = engine::matrices(embeddings)?;
            match &mut update.engine {
                Some(Engine(index)) => engine::add(index, &update.folder, &update.index.manifest, &matrices)?,
                None => {
                    let index = engine::create(&update.folder, &update.index.manifest, &matrices)?;
                    update.engine = Some(Engine(index));
                }
            }
            update.ids.extend(ids.iter().map(|id| id.as_ref().to_owned()));
            Ok(Added { documents: ids.len(), replaced: replaced.len() })
        })
    }

    /// Removes documents; a repeated id counts once. Returns the number of removed documents.
    ///
    /// # Errors
    /// [`Error::UnknownIds`] when some are not in the index; or when next-plaid fails, after which the change is unusable.
    pub fn remove<S: AsRef<str>>(&mut self, ids: &[S]) -> Result<usize> {
        let known: HashSet<&str> = self.ids.iter().map(String::as_str).collect();
        refuse_unknown(&self.index.directory, ids.iter().map(AsRef::as_ref).filter(|id| !known.contains(id)))?;
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        let numbers = self.numbers(&ids);
        if numbers.is_empty() {
            return Ok(0);
        }
        self.step(|update| {
            update.delete(&numbers)?;
            Ok(numbers.len())
        })
    }

    /// The numbers of the existing ids among these, in order.
    fn numbers(&self, ids: &[&str]) -> Vec<i64> {
        let wanted: HashSet<&str> = ids.iter().copied().collect();
        let numbered = self.ids.iter().enumerate().filter(|(_, id)| wanted.contains(id.as_str()));
        numbered.map(|(number, _)| number as i64).collect()
    }

    /// Makes a change in the copy, and first the copy if there is none. After an error the copy is unusable.
    fn step<T>(&mut self, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.state == State::Broken {
            return Err(self.broken());
        }
        let first = self.state == State::Same;
        self.state = State::Broken;
        if first {
            self.copy()?;
        }
        let result = change(self)?;
        let found = self.engine.as_ref().map_or(0, |index| index.0.num_documents());
        if found != self.ids.len() {
            let message = format!("next-plaid has {found} documents after a change that makes {}", self.ids.len());
            return Err(Error::index(&self.folder, message));
        }
        self.state = State::Changed;
        Ok(result)
    }

    fn copy(&mut self) -> Result<()> {
        match &self.index.manifest.folder {
            Some(current) => {
                files::copy(&self.index.directory.join(current), &self.folder)?;
                self.engine = Some(Engine(engine::load(&self.folder)?));
                Ok(())
            }
            None => fs::create_dir(&self.folder).map_err(Error::io(&self.folder)),
        }
    }

    /// Deletes documents by their numbers, in order.
    fn delete(&mut self, numbers: &[i64]) -> Result<()> {
        let Some(Engine(index)) = &mut self.engine else { return Ok(()) };
        if numbers.is_empty() {
            return Ok(());
        }
        if numbers.len() == self.ids.len() {
            // next-plaid has no empty index: the next documents start a new one.
            self.engine = None;
            fs::remove_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
            fs::create_dir(&self.folder).map_err(Error::io(&self.folder))?;
        } else {
            engine::delete(index, &self.folder, numbers)?;
        }
        let gone: HashSet<i64> = numbers.iter().copied().collect();
        let mut number = 0;
        self.ids.retain(|_| {
            number += 1;
            !gone.contains(&(number - 1))
        });
        Ok(())
    }

    /// Makes the changed copy the index.
    ///
    /// # Errors
    /// When a part of the change failed, or a file cannot be written: then the index stays as it was.
    pub fn commit(mut self) -> Result<()> {
        match self.state {
            State::Same | State::Committed => return Ok(()),
            State::Broken => return Err(self.broken()),
            State::Changed => {}
        }
        let engine: Option<MmapIndex> = self.engine.take().map(|Engine(index)| index);
        let mut manifest = self.index.manifest.clone();
        manifest.documents = self.ids.len();
        manifest.next_folder += 1;
        (manifest.folder, manifest.files) = match engine {
            Some(_) => {
                engine::write_ids(&self.folder, &self.ids)?;
                files::sync(&self.folder)?;
                (Some(self.name.clone()), files::sizes(&self.folder)?)
            }
            None => (None, Default::default()),
        };
        index_json::write(&self.index.directory, &manifest)?;
        self.state = State::Committed;
        let ids = std::mem::take(&mut self.ids);
        self.index.numbers = ids.iter().cloned().zip(0..).collect::<HashMap<_, _>>();
        self.index.ids = ids;
        // The old files are closed before they are deleted.
        self.index.index = engine.map(Engine);
        let used = manifest.folder.clone();
        self.index.manifest = manifest;
        lock::sweep(&self.index.directory, |name| Some(name) == used.as_deref());
        Ok(())
    }

    fn broken(&self) -> Error {
        Error::index(&self.folder, "an earlier part of this change failed; start it again")
    }
}

impl Drop for PlaidUpdate<'_> {
    /// Deletes a change that was not committed. If that fails, the next writer deletes it.
    fn drop(&mut self) {
        if self.state != State::Committed {
            self.engine = None;
            let _left_for_the_next_writer = fs::remove_dir_all(&self.folder);
        }
    }
}
