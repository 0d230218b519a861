//! The prompts that are saved with a model: texts to be put before every text, each under a name (`prompts` and `default_prompt_name` of
//! sentence-transformers).

use serde_json::Value;

use crate::{ColBert, Error, Result};

impl ColBert {
    /// The names and texts of the saved prompts, in the order of the file.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use colburn_model::{ColBert, EncodeOptions, Kind};
    ///
    /// let model = ColBert::from_pretrained("models/my-colbert", &Device::default())?;
    /// for (name, text) in model.prompts() {
    ///     println!("{name}: {text:?}");
    /// }
    /// let options = EncodeOptions { prompt: Some(model.prompt("query")?.to_owned()), ..Default::default() };
    /// let embeddings = model.encode(&["a query"], Kind::Query, &options)?;
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    pub fn prompts(&self) -> impl Iterator<Item = (&str, &str)> {
        let saved = self.parts.model_json.get("prompts").and_then(Value::as_object);
        saved.into_iter().flatten().filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
    }

    /// The saved prompt of this name (`prompt_name` of sentence-transformers).
    ///
    /// # Errors
    /// When there is none; the message lists the names.
    pub fn prompt(&self, name: &str) -> Result<&str> {
        self.prompts().find(|(known, _)| *known == name).map(|(_, text)| text).ok_or_else(|| {
            let names: Vec<String> = self.prompts().map(|(name, _)| format!("\"{name}\"")).collect();
            let known = match names[..] {
                [] => "the model has no saved prompts".to_owned(),
                _ => format!("the prompts of the model are {}", names.join(", ")),
            };
            Error::config("prompt_name", format!("\"{name}\" is no saved prompt; {known}"))
        })
    }

    /// The prompt that [`encode`](ColBert::encode) puts before every text unless it is given one: the saved one that
    /// `default_prompt_name` names, if it is not empty.
    pub fn default_prompt(&self) -> Option<&str> {
        self.parts.prompt.as_deref()
    }
}
