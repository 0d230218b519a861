//! Saving in PyLate's layout, which PyLate, sentence-transformers, pylate-rs, fast-plaid and next-plaid read.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::card::{self, ModelCard};
use crate::{ColBert, Error, Result, encoder::model_class, files, names, weights};

impl ColBert {
    /// Writes the model into a folder, which is made when it does not exist.
    ///
    /// All files are written and synced in a hidden folder inside it first, and then renamed into their places: what fails, fails
    /// before a model that was there is touched. `model.safetensors` is moved last, so that a folder without it is not yet a model.
    ///
    /// A folder without a `README.md` gets a [plain one](ModelCard::new).
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save_pretrained(&self, directory: impl AsRef<Path>) -> Result<()> {
        let plain = || ModelCard::new(self).to_markdown();
        let card = (!directory.as_ref().join(card::FILE).exists()).then(plain);
        self.save_pretrained_with(directory, card.as_deref())
    }

    /// The same with this text as its `README.md`, or, without one, with what there is.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save_pretrained_with(&self, directory: impl AsRef<Path>, card: Option<&str>) -> Result<()> {
        let directory = directory.as_ref();
        fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let staged =
            tempfile::Builder::new().prefix(".tmp-model-").tempdir_in(directory).map_err(Error::io(directory))?;
        self.write(staged.path())?;
        if let Some(card) = card {
            files::write_atomic(&staged.path().join(card::FILE), card.as_bytes())?;
        }
        let mut files = files_below(staged.path(), Path::new(""))?;
        files.sort_by_key(|file| file == Path::new("model.safetensors"));
        for file in files {
            let target = directory.join(&file);
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).map_err(Error::io(folder))?;
            }
            fs::rename(staged.path().join(&file), &target).map_err(Error::io(&target))?;
        }
        if cfg!(unix) {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::io(directory))?;
        }
        Ok(())
    }

    /// Writes every file of the layout into an empty folder.
    fn write(&self, directory: &Path) -> Result<()> {
        let mut modules =
            vec![json!({"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"})];
        for (index, dense) in self.dense.iter().enumerate() {
            let (index, name) = (index + 1, format!("{}_Dense", index + 1));
            let folder = directory.join(&name);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            weights::write(&folder.join("model.safetensors"), &names::values(dense)?)?;
            files::write_json(&folder.join("config.json"), dense.config())?;
            modules.push(
                json!({"idx": index, "name": index.to_string(), "path": name, "type": "pylate.models.Dense.Dense"}),
            );
        }
        let mut tensors = self.encoder.values()?;
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

    /// The encoder's `config.json` as it was read, with what has changed since.
    fn encoder_json(&self) -> Value {
        let mut json = (*self.parts.encoder_json).clone();
        if let Value::Object(fields) = &mut json {
            // What was read may have been a model with a head that is not saved here, or Stanford's.
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

/// The files of a folder and of those in it, as paths within it.
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
