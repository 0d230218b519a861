//! Saving in PyLate's layout, which PyLate, sentence-transformers, pylate-rs, fast-plaid and next-plaid read.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{ColBert, Error, Result, files, names, weights};

impl ColBert {
    /// Writes the model into a folder, which is made when it does not exist. Each file is written under a temporary name, synced and
    /// renamed.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save_pretrained(&self, directory: impl AsRef<Path>) -> Result<()> {
        let directory = directory.as_ref();
        fs::create_dir_all(directory).map_err(Error::io(directory))?;

        let mut modules =
            vec![json!({"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"})];
        for (index, dense) in self.dense.iter().enumerate() {
            let (index, name) = (index + 1, format!("{}_Dense", index + 1));
            let folder = directory.join(&name);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            weights::write(&folder.join("model.safetensors"), &names::values(dense, "")?)?;
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
        // Last: with it the folder is a whole model.
        files::write_json(&directory.join("modules.json"), &modules)
    }

    /// The encoder's `config.json` as it was read, with what has changed since.
    fn encoder_json(&self) -> Value {
        let mut json = (*self.parts.encoder_json).clone();
        if let Value::Object(fields) = &mut json {
            fields.insert("vocab_size".to_owned(), self.encoder.vocabulary().into());
            fields.remove("torch_dtype");
            fields.insert("dtype".to_owned(), "float32".into());
        }
        json
    }
}
