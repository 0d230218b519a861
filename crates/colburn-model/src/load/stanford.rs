//! Checkpoints in the layout of Stanford's ColBERT, such as ColBERTv2: `architectures = ["HF_ColBERT"]`, the projection among the
//! encoder's weights, and the parameters in `artifact.metadata` (`Dense.from_stanford_weights` and `ColBERT.__init__` of PyLate).

use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Error, Result,
    config::PartialConfig,
    dense::{Dense, DenseConfig},
    files,
    weights::Weights,
};

const METADATA: &str = "artifact.metadata";
const PROJECTION: &str = "linear.weight";

/// True if the encoder's `config.json` belongs to such a checkpoint.
pub(super) fn is_stanford(encoder_json: &Value) -> bool {
    encoder_json.pointer("/architectures/0").and_then(Value::as_str) == Some("HF_ColBERT")
}

/// The keys of `artifact.metadata` that PyLate reads. Its `dim` is the first dimension of the projection.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    query_token_id: Option<String>,
    doc_token_id: Option<String>,
    query_maxlen: Option<usize>,
    doc_maxlen: Option<usize>,
    attend_to_mask_tokens: Option<bool>,
}

/// The parameters of such a checkpoint: those of `artifact.metadata`, with Stanford's prefixes as the default.
pub(super) fn parameters(folder: &Path) -> Result<PartialConfig> {
    let metadata: Metadata = files::read_json_if_present(&folder.join(METADATA))?.unwrap_or_default();
    Ok(PartialConfig {
        query_prefix: metadata.query_token_id.or_else(|| Some("[unused0]".to_owned())),
        document_prefix: metadata.doc_token_id.or_else(|| Some("[unused1]".to_owned())),
        query_length: metadata.query_maxlen,
        document_length: metadata.doc_maxlen,
        attend_to_expansion_tokens: metadata.attend_to_mask_tokens,
        ..Default::default()
    })
}

/// Takes the projection out of the checkpoint: `linear.weight` `[dim, hidden]`.
pub(super) fn projection(weights: &mut Weights, hidden: usize, device: &Device) -> Result<Dense> {
    match weights.shape(PROJECTION) {
        Some(&[dim, from]) if dim > 0 && from == hidden => {
            let config = DenseConfig::new(hidden, dim);
            weights.load_into(config.init(device))
        }
        Some(shape) => {
            let message = format!("tensor `{PROJECTION}` has shape {shape:?}, [dim, {hidden}] is expected");
            Err(Error::weights(weights.path(), message))
        }
        None => {
            let message =
                format!("no tensor `{PROJECTION}`, the projection of a model with architectures = [\"HF_ColBERT\"]");
            Err(Error::weights(weights.path(), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColBertConfig, ColBertOptions};

    #[test]
    fn missing_metadata_is_stanfords_or_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let bare = parameters(folder.path()).unwrap();
        assert_eq!(bare.query_prefix.as_deref(), Some("[unused0]"));
        assert_eq!(bare.query_length, None);
        let json = r#"{"doc_token_id": "[D]", "query_token_id": null, "doc_maxlen": 220, "attend_to_mask_tokens": true, "dim": 128}"#;
        std::fs::write(folder.path().join(METADATA), json).unwrap();
        let options = ColBertOptions { document_length: Some(64), ..Default::default() };
        let config = ColBertConfig::resolve(folder.path(), &options, parameters(folder.path()).unwrap()).unwrap();
        assert_eq!((&config.query_prefix[..], &config.document_prefix[..]), ("[unused0]", "[D]"));
        assert_eq!((config.query_length, config.document_length), (32, 64), "the default, and the caller's");
        assert!(config.attend_to_expansion_tokens);

        std::fs::write(folder.path().join(METADATA), "{").unwrap();
        let error = parameters(folder.path()).unwrap_err().to_string();
        assert!(error.contains(METADATA), "{error}");
    }
}
