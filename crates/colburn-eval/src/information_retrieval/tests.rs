//! Tests beside the parity with PyLate: ties, progress, damaged models, options and files that cannot be used.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use colburn_model::Kind;
use colburn_search::Scoring;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn tiny() -> ColBert {
    ColBert::from_pretrained(fixture("tiny-colbert"), &Device::flex()).unwrap()
}

fn evaluator(documents: &[(&'static str, &'static str)], relevant: &'static str) -> InformationRetrievalEvaluator {
    let queries = [("q", "what is the answer?")];
    let documents = documents.iter().copied();
    InformationRetrievalEvaluator::new(Collection::from_parts("", queries, documents, [("q", relevant, 1.0)]).unwrap())
}

#[test]
fn of_equal_documents_the_first_is_better() {
    let documents = [("z", "the answer is a number"), ("m", "the answer is a number"), ("a", "the answer is a number")];
    for (relevant, expected) in [("z", 1.0), ("m", 1.0 / 2.0), ("a", 1.0 / 3.0)] {
        // In chunks of one, no document is padded; the rule holds across chunks.
        for chunk in [1, 3] {
            let report = evaluator(&documents, relevant).corpus_chunk_size(chunk).unwrap().evaluate(&tiny()).unwrap();
            assert_eq!(report.get("MaxSim_mrr@10"), Some(expected));
        }
    }
}

#[test]
fn progress_counts_every_text_once() {
    let collection = Collection::from_nano_dir(fixture("retrieval/first")).unwrap();
    let evaluator = InformationRetrievalEvaluator::new(collection).corpus_chunk_size(25).unwrap();
    let mut told = Vec::new();
    let mut tell = |progress: &Progress<'_>| told.push((progress.what.to_owned(), progress.done, progress.total));
    evaluator.evaluate_with(&tiny(), &mut tell).unwrap();
    let expected = [8, 33, 58, 69].map(|done| ("NanoFirst".to_owned(), done, 69));
    assert_eq!(told, expected);
}

/// Vectors that stay on a device, as on a GPU, lead to the same documents, in chunks and batches of any size.
#[test]
fn a_device_finds_what_the_host_finds() {
    let (collection, model) = (Collection::from_nano_dir(fixture("retrieval/first")).unwrap(), tiny());
    for (corpus_chunk_size, batch_size) in [(50_000, None), (25, Some(4)), (1, None)] {
        let options = RetrievalOptions { corpus_chunk_size, batch_size, ..Default::default() };
        let found = |scoring: Scoring| {
            let mut told = Vec::new();
            let mut tell = |done: usize| told.push(done);
            let hits = retrieve::retrieve_by(&collection, &model, &options, scoring, &mut tell).unwrap();
            assert!(told.is_sorted() && told.last() == Some(&69));
            hits
        };
        let (host, device) = (found(Scoring::Host), found(Scoring::Device(Device::flex())));
        for (host, device) in host.iter().flatten().zip(device.iter().flatten()) {
            assert_eq!(host.document, device.document);
            assert!((host.score - device.score).abs() < 1e-4, "{} and {}", host.score, device.score);
        }
    }
}

/// A chunk that cannot be tokenized is an error, and ends the thread that tokenizes.
#[test]
fn an_error_of_the_tokenizing_thread_is_an_error_of_the_evaluation() {
    let collection = Collection::from_nano_dir(fixture("retrieval/first")).unwrap();
    let options = RetrievalOptions { document_length: Some(1 << 20), corpus_chunk_size: 1, ..Default::default() };
    let device = Scoring::Device(Device::flex());
    let found = retrieve::retrieve_by(&collection, &tiny(), &options, device, &mut |_| {});
    let message = found.unwrap_err().to_string();
    assert!(message.starts_with("length: 1048576; at most "), "{message}");
}

#[test]
fn lengths_are_those_of_the_options() {
    let model = tiny();
    let documents = [("long", "a number is the answer to every question that was asked"), ("short", "a number")];
    let scores = |query: Option<usize>, document: Option<usize>| {
        let options = RetrievalOptions { query_length: query, document_length: document, ..Default::default() };
        let evaluator = evaluator(&documents, "long").options(options).unwrap();
        let hits = retrieve::retrieve(evaluator.collection(), &model, &evaluator.options, &mut |_| {}).unwrap();
        hits[0].iter().map(|hit| hit.score).collect::<Vec<_>>()
    };
    assert_eq!(scores(None, None), scores(Some(model.config().query_length), Some(model.config().document_length)));
    assert_ne!(scores(None, None), scores(Some(8), None));
    assert_ne!(scores(None, None), scores(None, Some(6)));
}

#[test]
fn a_document_with_the_id_of_the_query_is_left_out() {
    // The query stands in the corpus under its own id, as in ArguAna, and nothing is as like to it as itself.
    let documents = [("q", "what is the answer?"), ("d", "a number"), ("e", "music")];
    let plain = evaluator(&documents, "d").write_predictions(true).unwrap();
    let ignoring = evaluator(&documents, "d").write_predictions(true).unwrap().ignore_identical_ids(true).unwrap();
    let found = |evaluator: &InformationRetrievalEvaluator| {
        let hits = retrieve::retrieve(evaluator.collection(), &tiny(), &evaluator.options, &mut |_| {}).unwrap();
        hits[0].iter().map(|hit| documents[hit.document].0).collect::<Vec<_>>()
    };
    assert_eq!(found(&plain)[0], "q");
    assert_eq!(found(&plain)[1..], found(&ignoring));
    let report = |evaluator: &InformationRetrievalEvaluator| {
        evaluator.evaluate(&tiny()).unwrap().get("MaxSim_accuracy@1").unwrap()
    };
    assert_eq!(report(&plain), 0.0, "the query itself is the best document, and not a relevant one");
    // As many documents as asked for are left: one more is found.
    let options = RetrievalOptions {
        mrr_at_k: vec![1],
        ndcg_at_k: vec![1],
        accuracy_at_k: vec![1],
        precision_recall_at_k: vec![1],
        map_at_k: vec![1],
        ignore_identical_ids: true,
        ..Default::default()
    };
    let first = evaluator(&documents, "d").options(options).unwrap();
    assert_eq!(found(&first), found(&ignoring)[..1]);
    assert_eq!(report(&first), f64::from(u8::from(found(&ignoring)[0] == "d")));
    // An id that pandas made a float is the same id.
    let queries = [("7", "what is the answer?")];
    let corpus = [("7.0", "what is the answer?"), ("d", "a number")];
    let collection = Collection::from_parts("", queries, corpus, [("7", "d", 1.0)]).unwrap();
    let evaluator = InformationRetrievalEvaluator::new(collection).ignore_identical_ids(true).unwrap();
    assert_eq!(evaluator.evaluate(&tiny()).unwrap().get("MaxSim_accuracy@1"), Some(1.0));
}

#[test]
fn prompts_are_known_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("tiny-colbert"), folder.path());
    let path = folder.path().join("config_sentence_transformers.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["prompts"] = serde_json::json!({"query": "what king? ", "document": "music: "});
    fs::write(&path, config.to_string()).unwrap();
    let model = ColBert::from_pretrained(folder.path(), &Device::flex()).unwrap();
    let documents = [("a", "a number"), ("b", "music of the king")];
    let scores = |options: RetrievalOptions| {
        let evaluator = evaluator(&documents, "a").options(options).unwrap();
        let hits = retrieve::retrieve(evaluator.collection(), &model, &evaluator.options, &mut |_| {}).unwrap();
        hits[0].iter().map(|hit| hit.score).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    let texts =
        RetrievalOptions { query_prompt: text("what king? "), corpus_prompt: text("music: "), ..Default::default() };
    let names = RetrievalOptions {
        query_prompt_name: text("query"),
        corpus_prompt_name: text("document"),
        ..Default::default()
    };
    assert_eq!(scores(texts.clone()), scores(names.clone()));
    assert_ne!(scores(Default::default()), scores(names.clone()));
    let both = RetrievalOptions { query_prompt_name: text("query"), ..texts };
    let message = evaluator(&documents, "a").options(both).unwrap_err().to_string();
    assert_eq!(
        message,
        "query_prompt_name = \"query\": a prompt is given as a text, too (\"what king? \"); leave one of them out"
    );
    let unknown = evaluator(&documents, "a").query_prompt_name("querry").unwrap();
    let message = unknown.check(&model).unwrap_err().to_string();
    assert_eq!(
        message,
        "prompt_name: \"querry\" is no saved prompt; the prompts of the model are \"query\", \"document\""
    );
    config["prompts"] = serde_json::json!({});
    fs::write(&path, config.to_string()).unwrap();
    let model = ColBert::from_pretrained(folder.path(), &Device::flex()).unwrap();
    let message = unknown.check(&model).unwrap_err().to_string();
    assert_eq!(message, "prompt_name: \"querry\" is no saved prompt; the model has no saved prompts");
}

/// The tiny model with the vector of one word piece so large that what is computed from it is NaN.
fn damaged(text: &str) -> (tempfile::TempDir, ColBert) {
    let tokens = tiny().tokenizer().tokenize(&[text], Kind::Document).unwrap();
    // After CLS and the prefix.
    let token = tokens.ids[2] as usize;
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("tiny-colbert"), folder.path());
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut data: HashMap<String, (Vec<usize>, Vec<u8>)> =
        file.tensors().into_iter().map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect();
    let (shape, words) = data.get_mut("embeddings.word_embeddings.weight").unwrap();
    words[token * shape[1] * 4..][..shape[1] * 4].copy_from_slice(&f32::MAX.to_le_bytes().repeat(shape[1]));
    let views =
        data.iter().map(|(name, (shape, data))| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let model = ColBert::from_pretrained(folder.path(), &Device::flex()).unwrap();
    (folder, model)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn a_text_without_numbers_for_vectors_is_named() {
    let documents = [("good", "a number"), ("bad", "ß")];
    let message = "the vectors hold NaN or infinite values; is the model damaged, or has its training diverged?";
    let (_folder, model) = damaged("ß");
    let found = evaluator(&documents, "good").evaluate(&model).unwrap_err().to_string();
    assert_eq!(found, format!("document \"bad\": {message}"));
    let (same, options) = (evaluator(&documents, "good"), RetrievalOptions::default());
    let device = Scoring::Device(Device::flex());
    let found = retrieve::retrieve_by(same.collection(), &model, &options, device, &mut |_| {});
    assert_eq!(found.unwrap_err().to_string(), format!("document \"bad\": {message}"));
    let (_folder, model) = damaged("what");
    let found = evaluator(&documents, "good").evaluate(&model).unwrap_err().to_string();
    assert_eq!(found, format!("query \"q\": {message}"));
}

#[test]
fn options_that_cannot_be_used_are_refused() {
    let refuse = |change: fn(InformationRetrievalEvaluator) -> Result<InformationRetrievalEvaluator>| {
        change(evaluator(&[("d", "document")], "d")).unwrap_err().to_string()
    };
    let zero = "the best 0 documents tell nothing; positive numbers are expected";
    let none = "at least one number of documents is expected, such as [10]";
    for (found, expected) in [
        (refuse(|evaluator| evaluator.ndcg_at_k(&[10, 0])), format!("ndcg_at_k = [10, 0]: {zero}")),
        (refuse(|evaluator| evaluator.mrr_at_k(&[0])), format!("mrr_at_k = [0]: {zero}")),
        (refuse(|evaluator| evaluator.accuracy_at_k(&[])), format!("accuracy_at_k = []: {none}")),
        (refuse(|evaluator| evaluator.precision_recall_at_k(&[])), format!("precision_recall_at_k = []: {none}")),
        (
            refuse(|evaluator| evaluator.map_at_k(&[5, 5])),
            "map_at_k = [5, 5]: numbers that differ are expected".to_owned(),
        ),
        (
            refuse(|evaluator| evaluator.corpus_chunk_size(0)),
            "corpus_chunk_size = 0: a positive number is expected".to_owned(),
        ),
        (refuse(|evaluator| evaluator.batch_size(0)), "batch_size = 0: a positive number is expected".to_owned()),
        (refuse(|evaluator| evaluator.query_length(0)), "query_length = 0: a positive number is expected".to_owned()),
    ] {
        assert_eq!(found, expected);
    }
    let options: std::result::Result<RetrievalOptions, _> = serde_json::from_str("{\"ndcg_at_k\": [5], \"k\": 1}");
    assert!(options.unwrap_err().to_string().contains("unknown field `k`, expected one of `mrr_at_k`, "));
}

#[test]
fn a_file_with_other_columns_makes_room() {
    let (model, folder) = (tiny(), tempfile::tempdir().unwrap());
    let at = |k: usize| evaluator(&[("d", "document")], "d").name("mine").ndcg_at_k(&[k]).unwrap();
    let report = at(5).evaluate(&model).unwrap();
    assert_eq!((report.primary.as_deref(), report.get("mine_MaxSim_ndcg@5")), (Some("mine_MaxSim_ndcg@5"), Some(1.0)));
    at(5).write_csv(&report, folder.path(), 1.0, 7).unwrap();
    let path = folder.path().join("Information-Retrieval_evaluation_mine_results.csv");
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.ends_with("\n1.0,7,1.0,1.0,1.0,1.0,1.0,1.0,0.3333333333333333,1.0,0.2,1.0,0.1,1.0,1.0,1.0,1.0\n"),
        "{text}"
    );
    at(9).write_csv(&report, folder.path(), 1.0, 8).unwrap();
    assert_eq!(fs::read_to_string(path.with_extension("csv.old")).unwrap(), text);
    let new = fs::read_to_string(&path).unwrap();
    assert!(new.lines().count() == 2 && new.lines().next().unwrap().ends_with("MaxSim-NDCG@9,MaxSim-MAP@100"), "{new}");
}

#[test]
fn predictions_are_written_once_for_each_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Information-Retrieval_evaluation_predictions_MaxSim.jsonl");
    let evaluator = evaluator(&[("d", "document")], "d");
    let report = evaluator.evaluate(&tiny()).unwrap();
    evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
    assert!(!path.exists());
    let evaluator = evaluator.write_predictions(true).unwrap();
    evaluator.evaluate(&tiny()).unwrap();
    evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("{\"query_id\": \"q\", \"query\": \"what is the answer?\""));
    fs::remove_file(&path).unwrap();
    evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
    assert!(!path.exists());
}
