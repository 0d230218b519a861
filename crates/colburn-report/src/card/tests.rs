//! The card of a run as a whole: its content, what it hides, and the card that PyLate writes of the same run.

use std::path::PathBuf;

use burn::tensor::Device;
use colburn_data::Dataset;
use colburn_loss::Contrastive;
use serde_json::json;

use super::*;
use crate::record::RunLimits;
use crate::run::arguments_as_json;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(name)
}

fn named(name: &str, examples: impl Into<colburn_data::Examples>) -> NamedExamples {
    NamedExamples { name: name.to_owned(), examples: examples.into() }
}

/// The metadata of a card, parsed, and the rest of it.
fn parts(card: &str) -> (Value, String) {
    let (metadata, body) = card.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    (serde_saphyr::from_str(metadata).unwrap(), body.to_owned())
}

/// Some arguments: the defaults, and those with a few of them changed.
fn arguments(changed: Value) -> (Map<String, Value>, Map<String, Value>) {
    let defaults = arguments_as_json(&json!({
        "output_dir": "trainer_output", "learning_rate": 5e-5, "seed": 42, "run_name": null, "prompts": null
    }));
    let mut arguments = defaults.clone();
    arguments.extend(arguments_as_json(&changed));
    (arguments, defaults)
}

fn card(changed: Value, data: &ModelCardData, train: &[NamedExamples], eval: &[NamedExamples]) -> Option<RunCard> {
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &Device::flex()).unwrap();
    let losses: Vec<Arc<dyn Loss>> = train.iter().chain(eval).map(|_| Arc::new(Contrastive::default()) as _).collect();
    let (arguments, defaults) = arguments(changed);
    RunCard::new(CardInput {
        model: &model,
        arguments: &arguments,
        default_arguments: &defaults,
        mini_batch_size: None,
        data,
        repo: None,
        train,
        eval,
        losses: &losses,
        evaluators: Vec::new(),
    })
}

fn state() -> TrainerState {
    TrainerState::new(RunLimits { max_steps: 10, ..RunLimits::default() })
}

#[test]
fn a_run_s_card_says_what_the_run_was() {
    let args = json!({"learning_rate": 1e-3, "output_dir": "secret/run"});
    let rows = Dataset::load(fixture("training.jsonl")).unwrap();
    let (train, eval) = ([named("", rows.take(24))], [named("", rows.slice(24..32).unwrap())]);
    let card = card(args, &ModelCardData::default(), &train, &eval).unwrap();
    let mut state = state();
    state.global_step = 3;
    state.log([("loss".to_owned(), 2.0), ("samples_per_second".to_owned(), 98765.5)]);
    let text = card.render(&state, 3, false);
    assert_eq!(text, card.render(&state, 3, false));
    let (metadata, body) = parts(&text);
    assert!(metadata.get("base_model").is_none() && metadata.get("datasets").is_none());
    for line in [
        "- **Base model:** tiny-colbert (a local folder)",
        "### Training Dataset",
        "#### training.jsonl",
        "* Size: 24 training samples",
        "* Size: 8 evaluation samples",
        "* Approximate statistics based on the first 24 samples:",
        "  | type | string | string | string |",
        "* Loss: <code>Contrastive</code> with these parameters:",
        "- `learning_rate`: 0.001",
        "| 0.0000 | 3 | 2.0000 |",
        "- Device: flex",
        "#### Contrastive",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    for hidden in ["secret", "98765", "tests/fixtures", "samples_per_second"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

// xtask/fixtures/golden_card.py: the card that PyLate writes of a training on the same rows.
#[test]
fn has_what_pylate_s_card_has() {
    let golden: Value = serde_json::from_slice(&std::fs::read(fixture("model_card.json")).unwrap()).unwrap();
    let rows = Dataset::load(fixture("training.jsonl")).unwrap();
    let held_out = rows.slice(24..32).unwrap();
    let (train, eval) = ([named("", rows.take(24))], [named("", held_out.clone())]);
    let (arguments, defaults) = arguments(json!({}));
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &Device::flex()).unwrap();
    let losses: Vec<Arc<dyn Loss>> = vec![Arc::new(Contrastive::default()), Arc::new(Contrastive::default())];
    let evaluator = colburn_eval::TripletEvaluator::new(&held_out).unwrap();
    let input = CardInput {
        model: &model,
        arguments: &arguments,
        default_arguments: &defaults,
        mini_batch_size: None,
        data: &ModelCardData::default(),
        repo: None,
        train: &train,
        eval: &eval,
        losses: &losses,
        evaluators: vec![EvaluatorInfo::new(&evaluator)],
    };
    let mut state = state();
    state.log([("eval_accuracy".to_owned(), 0.75)]);
    let (metadata, body) = parts(&RunCard::new(input).unwrap().render(&state, 0, false));

    let theirs = &golden["metadata"];
    let tags = |metadata: &Value| metadata["tags"].as_array().unwrap().clone();
    assert!(tags(theirs).iter().all(|tag| tags(&metadata).contains(tag)), "{:?}", tags(&metadata));
    for key in ["library_name", "pipeline_tag", "metrics"] {
        assert_eq!(metadata[key], theirs[key]);
    }
    // PyLate's evaluator calls itself "Col BERTTriplet".
    let result = |metadata: &Value| metadata.pointer("/model-index/0/results/0").unwrap().clone();
    for key in ["dataset", "metrics"] {
        assert_eq!(result(&metadata)[key], result(theirs)[key]);
    }
    assert_eq!(result(&metadata)["task"], serde_json::json!({"type": "triplet", "name": "Triplet"}));

    let headings: Vec<&str> = body.lines().filter(|line| line.starts_with("## ")).collect();
    let expected: Vec<&str> = golden["headings"].as_array().unwrap()[1..].iter().filter_map(Value::as_str).collect();
    assert_eq!(headings, expected);
    for key in ["architecture", "columns"] {
        assert!(body.contains(golden[key].as_str().unwrap()), "{key}\n{body}");
    }
    // The same texts, but that nothing in ours can be taken for Markdown or HTML.
    let seen = body.replace("&#38;", "&").replace("&#91;", "[").replace("&#93;", "]").replace("&#95;", "_");
    for sample in golden["samples"].as_array().unwrap() {
        let cells: Vec<&str> = sample.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(seen.contains(&format!("  | {} |\n", cells.join(" | "))), "{cells:?}");
    }
}

#[test]
fn hostile_data_stays_data() {
    let hostile = "a | b\n\n# heading\n---\n</code></td><script>alert(1)</script> [x](javascript:y) `z` ```\n*q*";
    let rows = Dataset::from_rows(
        &["query", "pos|itive <b>"],
        [vec![hostile.to_owned(), "x".repeat(5000)], vec![String::new(), "\u{0}\u{1b}".to_owned()]],
    );
    let data = ModelCardData {
        language: vec!["no".to_owned()],
        license: Some("other: \"x\"\n- y".to_owned()),
        model_name: Some("my model\n---\ntags: [x]".to_owned()),
        tags: vec!["a: b".to_owned(), "#c".to_owned(), "'d".to_owned(), "\u{85}\u{2028}".to_owned(), "1e3".to_owned()],
        ..Default::default()
    };
    let args = || json!({"run_name": "x", "prompts": "a\n# b"});
    let card = card(args(), &data, &[named("evil\n# name|", rows.unwrap())], &[]).unwrap();
    let text = card.render(&state(), 0, false);
    let (metadata, body) = parts(&text);
    assert_eq!(metadata["language"][0], "no");
    assert_eq!(metadata["license"], "other: \"x\"\n- y");
    let tags: Vec<&str> = metadata["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(data.tags.iter().all(|tag| tags.contains(&tag.as_str())), "{tags:?}");
    assert!(!body.contains("<script") && !body.contains("](javascript"), "{body}");
    let plain = self::card(
        args(),
        &ModelCardData::default(),
        &[named("", Dataset::load(fixture("training.jsonl")).unwrap())],
        &[],
    );
    let plain = plain.unwrap().render(&state(), 0, false);
    let outline =
        |text: &str| text.lines().filter(|line| line.starts_with("##")).map(str::to_owned).collect::<Vec<_>>();
    // But for the name of the dataset, the outline is that of any other card.
    assert_eq!(outline(&text).len(), outline(&plain).len());
    // Every row of a table has as many cells as its header.
    let tables: Vec<&str> = body.lines().map(str::trim_start).filter(|line| line.starts_with("| ")).collect();
    assert!(tables.len() >= 8, "{tables:?}");
    let cells = |line: &str| line.matches('|').count();
    let header = tables.iter().position(|line| line.contains("pos&#124;itive")).unwrap();
    assert!(tables[header..header + 4].iter().all(|line| cells(line) == cells(tables[header])), "{tables:?}");
    assert!(text.len() < 60_000, "{}", text.len());
}

#[test]
fn no_card_is_made_that_is_not_wanted() {
    let rows = Dataset::load(fixture("training.jsonl")).unwrap();
    let data = ModelCardData { create_model_card: false, ..Default::default() };
    assert!(card(json!({}), &data, &[named("", rows)], &[]).is_none());
}
