//! Names, and settings by name; numbers are those of `tests/parity/retrieval.rs`.

use super::*;

fn collections(names: &[&str]) -> Vec<Collection> {
    let one = |name: &&str| Collection::from_parts(name, [("q", "query")], [("d", "document")], [("q", "d", 1.0)]);
    names.iter().map(|name| one(name).unwrap()).collect()
}

fn evaluator(names: &[&str]) -> NanoBeirEvaluator {
    NanoBeirEvaluator::from_collections(collections(names)).unwrap()
}

fn queries<T>(evaluator: &NanoBeirEvaluator, of: impl Fn(&RetrievalOptions) -> T) -> Vec<T> {
    evaluator.evaluators.iter().map(|evaluator| of(evaluator.current_options())).collect()
}

#[test]
fn all_names_are_pylates() {
    assert_eq!((NanoBeirEvaluator::NAMES[0], NanoBeirEvaluator::NAMES[12]), ("climatefever", "touche2020"));
}

#[test]
fn collections_must_be_some_and_differ() {
    let message = NanoBeirEvaluator::new::<&str>(&[], None).unwrap_err().to_string();
    assert!(
        message.starts_with("dataset_names = []: at least one name is expected; all are: climatefever, "),
        "{message}"
    );
    let message = NanoBeirEvaluator::from_collections(Vec::new()).unwrap_err().to_string();
    assert_eq!(message, "collections = []: at least one is expected");
    let message = NanoBeirEvaluator::from_collections(collections(&["NanoNQ", "NanoNQ"])).unwrap_err().to_string();
    assert_eq!(
        message,
        "collections = [\"NanoNQ\", \"NanoNQ\"]: \"NanoNQ\" comes twice; names that differ are expected"
    );
    let message = NanoBeirEvaluator::from_dirs(&["absent"]).unwrap_err().to_string();
    assert!(message.starts_with("absent: no folder \"corpus\""), "{message}");
}

#[test]
fn metrics_are_known_before_they_are_measured() {
    let metrics = evaluator(&["NanoNQ", "NanoCranfield"]).ndcg_at_k(&[5]).unwrap().metrics();
    assert_eq!(metrics.len(), 3 * 15);
    assert_eq!(
        (metrics[0].as_str(), metrics[44].as_str()),
        ("NanoNQ_MaxSim_accuracy@1", "NanoBEIR_mean_MaxSim_map@100")
    );
    assert!(metrics.contains(&"NanoCranfield_MaxSim_ndcg@5".to_owned()));
}

#[test]
fn settings_may_be_one_for_all_or_by_name() {
    let names = ["NanoNQ", "NanoCranfield"];
    let same = evaluator(&names).query_prompts("query: ").unwrap().query_lengths(64).unwrap();
    assert_eq!(
        queries(&same, |options| options.query_prompt.clone()),
        [Some("query: ".to_owned()), Some("query: ".to_owned())]
    );
    assert_eq!(queries(&same, |options| options.query_length), [Some(64); 2]);
    let each = evaluator(&names)
        .corpus_prompts([("cranfield", "abstract: "), ("nq", "page: "), ("scifact", "for another run")])
        .and_then(|evaluator| evaluator.query_lengths([("NanoCranfield", 48)]))
        .unwrap();
    assert_eq!(
        queries(&each, |options| options.corpus_prompt.clone()),
        [Some("page: ".to_owned()), Some("abstract: ".to_owned())]
    );
    assert_eq!(queries(&each, |options| options.query_length), [None, Some(48)]);
    let read: PerCollection<usize> = serde_json::from_str("{\"nq\": 32}").unwrap();
    assert_eq!(read, [("nq", 32)].into());
    assert_eq!(serde_json::from_str::<PerCollection<String>>("\"query: \"").unwrap(), "query: ".into());
}

#[test]
fn settings_of_no_collection_are_refused() {
    let make = || evaluator(&["NanoNQ", "NanoCranfield"]);
    let message = make().query_prompts([("nq", "query: ")]).unwrap_err().to_string();
    assert_eq!(
        message,
        "query_prompts = nothing for NanoCranfield: one for each collection is expected, or one text for all"
    );
    let message = make().query_lengths([("cranfeld", 64)]).unwrap_err().to_string();
    assert_eq!(
        message,
        "query_lengths = \"cranfeld\": no collection of this name; did you mean \"NanoCranfield\"? The collections are: NanoNQ, NanoCranfield"
    );
    let message = make().corpus_prompts([("nq", "a"), ("NanoNQ", "b")]).unwrap_err().to_string();
    assert!(message.ends_with("the collection is given twice, in different spellings"), "{message}");
    let message = make().query_lengths(0).unwrap_err().to_string();
    assert_eq!(message, "query_length = 0: a positive number is expected");
    assert!(make().mrr_at_k(&[]).is_err() && make().corpus_chunk_size(0).is_err());
}
