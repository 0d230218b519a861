//! The folder layouts of models: a plain encoder, sentence-transformers' modules, PyLate's modules.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Error, Result, dense::DenseConfig, files};

/// The folders of a model's parts.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    /// The encoder's folder: `config.json`, the weights, the tokenizer.
    pub encoder: PathBuf,
    /// The projections' folders, in order.
    pub dense: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Layout {
    /// Reads `modules.json` if it exists. Pooling, Normalize and Dropout are dropped as in PyLate, because a ColBERT model keeps every token.
    pub fn of(directory: &Path) -> Result<Self> {
        if !directory.is_dir() {
            return Err(Error::NoDirectory { path: directory.to_owned() });
        }
        let path = directory.join("modules.json");
        let Some(entries) = files::read_json_if_present::<Vec<Entry>>(&path)? else {
            return Ok(Self { encoder: directory.to_owned(), dense: Vec::new() });
        };
        let (mut encoder, mut dense) = (None, Vec::new());
        for entry in entries {
            let Some(folder) = files::inside(directory, &entry.path) else {
                return Err(Error::config(&path, format!("path \"{}\" leads out of the model's folder", entry.path)));
            };
            match entry.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" if encoder.is_some() => {
                    return Err(Error::config(&path, "two modules of type Transformer; one is expected"));
                }
                "Transformer" => encoder = Some(folder),
                "Dense" => dense.push(folder),
                "Pooling" | "Normalize" | "Dropout" => {}
                "MultiVectorMask" => {
                    let message = "saved by sentence-transformers 6, which keeps lengths and prefixes elsewhere; save the model with PyLate or colburn";
                    return Err(Error::config(&path, message));
                }
                _ => {
                    let message = format!(
                        "module type \"{}\" is not supported; supported: Transformer, Dense, Pooling, Normalize, Dropout",
                        entry.kind
                    );
                    return Err(Error::config(&path, message));
                }
            }
        }
        match encoder {
            Some(encoder) => Ok(Self { encoder, dense }),
            None => Err(Error::config(&path, "no module of type Transformer")),
        }
    }

    /// The configuration of each projection.
    pub fn dense_configs(&self) -> Result<Vec<DenseConfig>> {
        let read = |folder: &PathBuf| {
            let path = folder.join("config.json");
            let config: DenseConfig = files::read_json(&path)?;
            match config.problem() {
                Some(problem) => Err(Error::config(&path, problem)),
                None => Ok(config),
            }
        };
        self.dense.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_modules(json: &str) -> (tempfile::TempDir, Result<Layout>) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("modules.json"), json).unwrap();
        let layout = Layout::of(directory.path());
        (directory, layout)
    }

    #[test]
    fn module_types_of_every_generation() {
        let (directory, layout) = with_modules(
            r#"[{"idx":0,"name":"0","path":"0_Transformer","type":"sentence_transformers.models.Transformer"},
                {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.base.modules.Pooling"},
                {"idx":2,"name":"2","path":"2_Dense","type":"pylate.models.Dense.Dense"},
                {"idx":3,"name":"3","path":"3_Normalize","type":"sentence_transformers.models.Normalize"},
                {"idx":4,"name":"4","path":"4_Dropout","type":"sentence_transformers.models.Dropout"}]"#,
        );
        let expected =
            Layout { encoder: directory.path().join("0_Transformer"), dense: vec![directory.path().join("2_Dense")] };
        assert_eq!(layout.unwrap(), expected);
    }

    #[test]
    fn a_module_that_cannot_be_used_is_named() {
        let transformer = r#"{"path":"","type":"sentence_transformers.models.Transformer"}"#;
        for (json, culprit) in [
            (format!(r#"[{transformer},{{"path":"1","type":"sentence_transformers.models.LSTM"}}]"#), "LSTM"),
            (format!(r#"[{transformer},{{"path":"../1_Dense","type":"pylate.models.Dense.Dense"}}]"#), "../1_Dense"),
            (format!(r#"[{transformer},{{"path":"/1_Dense","type":"pylate.models.Dense.Dense"}}]"#), "/1_Dense"),
            ("[]".to_owned(), "no module of type Transformer"),
            (format!("[{transformer},{transformer}]"), "two modules of type Transformer"),
            ("{".to_owned(), "modules.json"),
        ] {
            let error = with_modules(&json).1.unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
        assert!(Layout::of(Path::new("/no/such/model")).unwrap_err().to_string().contains("/no/such/model"));
    }
}
