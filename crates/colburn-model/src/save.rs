//! Saving in PyLate's layout, which PyLate, sentence-transformers, pylate-rs, fast-plaid and next-plaid read.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::TensorData;
use serde_json::{Value, json};

use crate::card::{self, ModelCard};
use crate::{ColBert, Error, Result, dense, encoder::model_class, files, names, weights};

/// The parameters of a model on the host, under PyTorch's names.
struct ModelWeights {
    encoder: Vec<(String, TensorData)>,
    /// The tensors of each projection.
    dense: Vec<Vec<(String, TensorData)>>,
}

impl ColBert {
    /// Writes the model into a folder, which is created if it does not exist.
    ///
    /// All files are first written and synced in a hidden folder inside it, and then renamed to their places. So a failed save leaves an
    /// earlier model in the folder as it was. `model.safetensors` is moved last: a folder without it is not a complete model.
    ///
    /// A folder without a `README.md` gets a [plain one](ModelCard::new).
    ///
    /// # Errors
    /// When weights are NaN or infinite, or the folder cannot be written.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use colburn_model::ColBert;
    ///
    /// let model = ColBert::from_pretrained("bert-base-uncased", &Device::default())?;
    /// model.save_pretrained("models/new-colbert")?;
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    pub fn save_pretrained(&self, directory: impl AsRef<Path>) -> Result<()> {
        let plain = || ModelCard::new(self).to_markdown();
        let card = (!directory.as_ref().join(card::FILE).exists()).then(plain);
        self.save_pretrained_with(directory, card.as_deref())
    }

    /// Writes the model with `card` as its `README.md`. Without one, a `README.md` in the folder stays as it is.
    ///
    /// # Errors
    /// When weights are NaN or infinite, which is found before the folder is touched; when the folder cannot be written.
    pub fn save_pretrained_with(&self, directory: impl AsRef<Path>, card: Option<&str>) -> Result<()> {
        let directory = directory.as_ref();
        let weights = self.finite_weights(directory)?;
        fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let staged =
            tempfile::Builder::new().prefix(".tmp-model-").tempdir_in(directory).map_err(Error::io(directory))?;
        self.write(staged.path(), weights)?;
        if let Some(card) = card {
            files::write_atomic(&staged.path().join(card::FILE), card.as_bytes())?;
        }
        let mut files = files_below(staged.path(), Path::new(""))?;
        files.sort_by_key(|file| file == Path::new("model.safetensors"));
        let mut folders = BTreeSet::from([directory.to_owned()]);
        for file in files {
            let target = directory.join(&file);
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).map_err(Error::io(folder))?;
                folders.insert(folder.to_owned());
            }
            fs::rename(staged.path().join(&file), &target).map_err(Error::io(&target))?;
        }
        folders.iter().try_for_each(|folder| files::sync_folder(folder).map_err(Error::io(folder)))
    }

    /// The values of all parameters for a save in `directory`. Tensors that the model does not use are not checked: otherwise a model with a
    /// damaged one could be loaded and trained but not saved.
    fn finite_weights(&self, directory: &Path) -> Result<ModelWeights> {
        let encoder = self.encoder.values()?;
        let dense = self.dense.iter().map(names::values).collect::<Result<Vec<_>>>()?;
        let of_encoder = encoder.iter().map(|(name, values)| (name.clone(), values));
        let of_dense = dense.iter().enumerate().flat_map(|(index, tensors)| {
            tensors.iter().map(move |(name, values)| (format!("{}.{name}", dense::folder(index)), values))
        });
        weights::check_finite(of_encoder.chain(of_dense), directory)?;
        Ok(ModelWeights { encoder, dense })
    }

    /// Writes every file of the layout into an empty folder.
    fn write(&self, directory: &Path, weights: ModelWeights) -> Result<()> {
        let mut modules =
            vec![json!({"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"})];
        for (index, (dense, tensors)) in self.dense.iter().zip(&weights.dense).enumerate() {
            let name = dense::folder(index);
            let folder = directory.join(&name);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            weights::write(&folder.join("model.safetensors"), tensors)?;
            files::write_json(&folder.join("config.json"), dense.config())?;
            let index = index + 1;
            modules.push(
                json!({"idx": index, "name": index.to_string(), "path": name, "type": "pylate.models.Dense.Dense"}),
            );
        }
        let mut tensors = weights.encoder;
        tensors.extend(self.parts.surplus.iter().cloned());
        weights::write(&directory.join("model.safetensors"), &tensors)?;

        files::write_json(&directory.join("config.json"), &self.encoder_json())?;
        self.tokenizer().save(directory)?;
        let sentence_bert = json!({
            "max_seq_length": self.config().document_length.saturating_sub(1),
            "do_lower_case": self.tokenizer().lowercase(),
        });
        files::write_json(&directory.join("sentence_bert_config.json"), &sentence_bert)?;
        self.config().save(directory, &self.parts.model_json)?;
        files::write_json(&directory.join("modules.json"), &modules)
    }

    /// The encoder's `config.json` as it was read, with the keys updated that have changed since.
    fn encoder_json(&self) -> Value {
        let mut json = (*self.parts.encoder_json).clone();
        if let Value::Object(fields) = &mut json {
            // The loaded model may have been Stanford's, or one with a head, which is not saved.
            if let Some(class) = fields.get("model_type").and_then(Value::as_str).and_then(model_class) {
                fields.insert("architectures".to_owned(), json!([class]));
            }
            fields.insert("vocab_size".to_owned(), self.encoder.vocabulary().into());
            fields.remove("torch_dtype");
            fields.insert("dtype".to_owned(), "float32".into());
        }
        json
    }
}

/// The files of a folder and its subfolders, as paths within it.
fn files_below(folder: &Path, within: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let inside = within.join(entry.file_name());
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path(), &inside)?);
        } else {
            files.push(inside);
        }
    }
    Ok(files)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::Device;

    use super::*;

    /// Every file of a folder with its bytes.
    fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = files_below(folder, Path::new("")).unwrap();
        files.into_iter().map(|file| (file.clone(), fs::read(folder.join(file)).unwrap())).collect()
    }

    /// The model with one value of the tensors with these endings of their names replaced.
    fn with_value(model: ColBert, endings: &[&str], value: f32) -> ColBert {
        names::replace(model, |parameter| {
            let count = parameter.shape.iter().product();
            let mut values = vec![0.5f32; count];
            values[count / 2] = value;
            let changed = endings.iter().any(|ending| parameter.name.ends_with(ending));
            changed.then(|| TensorData::new(values, parameter.shape.clone()))
        })
    }

    #[test]
    fn a_model_that_is_not_finite_is_not_saved() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert");
        let model = ColBert::from_pretrained(fixture, &Device::flex()).unwrap();
        let place = tempfile::tempdir().unwrap();
        let saved = place.path().join("saved");
        model.save_pretrained(&saved).unwrap();
        let before = snapshot(&saved);
        for (endings, value, expected) in [
            (&["layer.0.attention.self.query.bias", "layer.1.output.dense.weight"][..], f32::NAN, "2 tensor(s)"),
            (&["layer.0.attention.self.query.bias"], f32::INFINITY, "`encoder.layer.0.attention.self.query.bias`"),
            (&["dense.0.linear.weight"], f32::NEG_INFINITY, "`1_Dense.linear.weight`"),
        ] {
            let damaged = with_value(model.clone(), endings, value);
            let error = damaged.save_pretrained(&saved).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("saved: "), "{error}");
            assert!(snapshot(&saved) == before, "a file changed: {error}");
            let new = place.path().join("new");
            damaged.save_pretrained_with(&new, None).unwrap_err();
            assert!(!new.exists(), "nothing is left of a save that was refused");
        }
        with_value(model, &["dense.0.linear.weight"], 1.0).save_pretrained(&saved).unwrap();
        assert!(snapshot(&saved) != before);
    }
}
