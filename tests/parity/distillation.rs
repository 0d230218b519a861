//! Losses that learn from a teacher's scores: student scores and losses within 1e-5, gradients within 1e-4, relative.
//!
//! ```python
//! batch = train.with_transform(KDProcessing(queries, documents, n_ways=…).transform)[rows]
//! losses.Distillation(model, score_metric=…, normalize_scores=…, size_average=…)(ColBERTCollator(model.tokenize)(batch))
//! sentence_transformers.losses.DistillKLDivLoss(temperature=2.0), MarginMSELoss()   # on PyLate's colbert_kd_scores
//! ```

use burn::module::Module;
use colburn::{
    data::{Collator, KdProcessing},
    loss::{Distillation, MarginMse, Score, Targets},
    model::TokenBatch,
    ops::{Embeddings, maxsim_pairs, xtr_pairs},
    prelude::*,
};
use serde_json::Value;

use crate::{contrastive::score, gradients, support::*};

struct Case {
    model: ColBert,
    loss: Box<dyn Loss>,
    score: Score,
    queries: Embeddings,
    documents: Embeddings,
    teacher: Targets,
}

fn kd(golden: &Value) -> KdProcessing {
    let table = fixture(golden["table"].as_str().unwrap());
    let data = KdProcessing::load(table, fixture("kd/queries.jsonl"), fixture("kd/documents.jsonl")).unwrap();
    data.n_ways(golden["n_ways"].as_u64().unwrap() as usize).unwrap()
}

fn case(name: &str, golden: &Value) -> Case {
    let options =
        ColBertOptions { do_query_expansion: golden["do_query_expansion"].as_bool(), ..ColBertOptions::default() };
    let model = ColBert::from_pretrained_with(fixture("tiny-colbert"), &options, &device()).unwrap().train();
    let data = kd(golden);
    let rows: Vec<usize> = numbers(&golden["rows"]).into_iter().map(|row| row as usize).collect();
    let batch = Collator::new(model.tokenizer().clone(), data).unwrap().collate(&rows).unwrap();
    // One pass through the encoder for both sides, as the trainer does it.
    let embeddings = model.forward(&TokenBatch::concat(&[&batch.queries, &batch.documents]));
    let (queries, documents) = embeddings.split_at(rows.len());
    let teacher = Targets::Scores(batch.scores.unwrap());

    let (score, size_average) = (score(golden), golden["size_average"].as_bool().unwrap());
    let loss: Box<dyn Loss> = if name == "margin_mse" {
        Box::new(MarginMse { size_average, score, ..Default::default() })
    } else {
        let (normalize_scores, temperature) =
            (golden["normalize_scores"].as_bool().unwrap(), golden["temperature"].as_f64().unwrap());
        Box::new(Distillation { normalize_scores, size_average, temperature, score, ..Default::default() })
    };
    Case { model, loss, score, queries, documents, teacher }
}

/// Ids as numbers with lists and with texts that hold lists; a document that is missing is an empty text.
#[test]
fn rows_are_looked_up_as_by_kd_processing() {
    for (name, golden) in json("distillation.json").as_object().unwrap() {
        let data = kd(golden);
        for (place, row) in numbers(&golden["rows"]).into_iter().map(|row| row as usize).enumerate() {
            assert_eq!(data.query(row).unwrap(), golden["query"][place].as_str().unwrap(), "{name}");
            assert_eq!(data.documents(row).unwrap(), strings(&golden["documents"][place]), "{name}");
            let teacher: Vec<f32> = numbers(&golden["teacher"][place]).into_iter().map(|score| score as f32).collect();
            assert_eq!(data.scores(row).unwrap(), teacher, "{name}");
        }
    }
}

#[test]
fn scores_and_losses() {
    let (golden, scores) = (json("distillation.json"), tensors(&fixture("distillation.safetensors")));
    let cases = golden.as_object().unwrap();
    assert!(cases.len() >= 11);
    let mut worst = (0f64, 0f64);
    for (name, golden) in cases {
        let case = case(name, golden);
        let found = match case.score {
            Score::MaxSim => maxsim_pairs(&case.queries, &case.documents, MaskRule::Zero),
            Score::Xtr { k } => xtr_pairs(&case.queries, &case.documents, k),
        };
        let (found, expected) = (found.unwrap().inner(), &scores[&format!("{name}.scores")]);
        assert_eq!(found.dims(), expected.shape[..]);
        let off = relative_difference(&found.into_data().try_to_vec::<f32>().unwrap(), &expected.values);
        assert!(off < 1e-5, "scores of {name}: off by {off}");

        let loss = case.loss.forward(&case.queries, &case.documents, &case.teacher).unwrap();
        let (loss, expected) = (f64::from(loss.inner().into_scalar::<f32>()), golden["loss"].as_f64().unwrap());
        assert!((loss - expected).abs() <= 1e-5 * expected.abs(), "{name}: loss {loss}, PyLate's {expected}");
        worst = (worst.0.max(off), worst.1.max((loss - expected).abs() / expected.abs()));
    }
    println!("{} cases: scores off by at most {:.1e}, losses by {:.1e}", cases.len(), worst.0, worst.1);
}

#[test]
fn gradients_of_every_parameter() {
    let (cases, golden) = (json("distillation.json"), tensors(&fixture("distillation.safetensors")));
    for name in ["default", "raw", "xtr", "margin_mse"] {
        let case = case(name, &cases[name]);
        let loss = case.loss.forward(&case.queries, &case.documents, &case.teacher).unwrap();
        gradients::compare(name, &case.model, &loss, &golden);
    }
}
