//! The check that a model's vectors are numbers.

use colburn_model::TokenEmbeddings;

use crate::error::{Error, Result};

/// Refuses vectors that hold NaN or infinite values: no order of documents follows from them. `name` names the text at a position.
pub(crate) fn check_finite(embeddings: &[TokenEmbeddings], name: impl Fn(usize) -> Result<String>) -> Result<()> {
    match embeddings.iter().position(|text| text.values.iter().any(|value| !value.is_finite())) {
        Some(at) => Err(Error::NotFinite { text: name(at)? }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_whose_vectors_are_not_finite_is_named() {
        let text = |value: f32| TokenEmbeddings { values: vec![0.5, value], dim: 2 };
        let name = |at: usize| Ok(format!("document \"d{at}\""));
        assert!(check_finite(&[text(1.0), text(-2.0)], name).is_ok());
        for value in [f32::NAN, f32::INFINITY] {
            let message = check_finite(&[text(1.0), text(value)], name).unwrap_err().to_string();
            assert!(message.starts_with("document \"d1\": the vectors hold NaN or infinite values"), "{message}");
        }
    }

    /// A model whose weights are so large that its vectors are NaN is an error of every evaluator, not a number.
    #[cfg(feature = "flex")]
    #[test]
    fn no_evaluator_gives_numbers_for_a_model_whose_vectors_are_nan() {
        use std::fs;
        use std::path::Path;

        use burn::tensor::Device;
        use colburn_data::Dataset;
        use colburn_model::ColBert;

        use crate::{
            Collection, DistillationEvaluator, Evaluator, InformationRetrievalEvaluator, NanoBeirEvaluator,
            RerankingEvaluator, SequentialEvaluator, TripletEvaluator,
        };

        let (folder, healthy) = (
            tempfile::tempdir().unwrap(),
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert"),
        );
        let projection = "1_Dense/model.safetensors";
        fs::create_dir(folder.path().join("1_Dense")).unwrap();
        for file in healthy.read_dir().unwrap().chain(healthy.join("1_Dense").read_dir().unwrap()) {
            let path = file.unwrap().path();
            if path.is_file() {
                fs::copy(&path, folder.path().join(path.strip_prefix(&healthy).unwrap())).unwrap();
            }
        }
        let mut bytes = fs::read(healthy.join(projection)).unwrap();
        // The file is its header and one matrix.
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        for weight in bytes[header..].as_chunks_mut().0 {
            *weight = f32::MAX.to_le_bytes();
        }
        fs::write(folder.path().join(projection), bytes).unwrap();
        let load = |folder: &Path| ColBert::from_pretrained(folder, &Device::flex()).unwrap();
        let (healthy, damaged) = (load(&healthy), load(folder.path()));

        let row = ["what is rust", "a language", "iron oxide"].map(str::to_owned).to_vec();
        let rows = Dataset::from_rows(&["query", "positive", "negative"], [row]).unwrap();
        let collection = || {
            let corpus = [("a", "a language"), ("b", "iron oxide")];
            Collection::from_parts("own", [("q", "what is rust")], corpus, [("q", "a", 1.0)]).unwrap()
        };
        let documents = vec![vec!["a language".to_owned(), "iron oxide".to_owned()]];
        let distillation =
            DistillationEvaluator::from_lists(vec!["what is rust".to_owned()], documents, vec![vec![1.0, 0.0]]);
        let evaluators: Vec<Box<dyn Evaluator>> = vec![
            Box::new(TripletEvaluator::new(&rows).unwrap()),
            Box::new(RerankingEvaluator::from_dataset(&rows).unwrap()),
            Box::new(distillation.unwrap()),
            Box::new(InformationRetrievalEvaluator::new(collection())),
            Box::new(NanoBeirEvaluator::from_collections(vec![collection()]).unwrap()),
            Box::new(SequentialEvaluator::new(vec![Box::new(TripletEvaluator::new(&rows).unwrap())]).unwrap()),
        ];
        for evaluator in evaluators {
            let description = evaluator.description();
            assert!(evaluator.evaluate(&healthy).is_ok(), "{description}");
            let message = evaluator.evaluate(&damaged).expect_err(&description).to_string();
            assert!(message.contains("NaN") || message.contains("not finite"), "{description}: {message}");
        }
    }
}
