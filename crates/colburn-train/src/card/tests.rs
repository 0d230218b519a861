use std::path::PathBuf;

use burn::tensor::Device;
use colburn_data::Dataset;
use colburn_loss::Contrastive;
use serde_json::Value;

use super::*;
use crate::plan::Plan;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(name)
}

fn named(name: &str, examples: impl Into<colburn_data::Examples>) -> Named {
    Named { name: name.to_owned(), examples: examples.into() }
}

/// The metadata of a card, parsed, and the rest of it.
fn parts(card: &str) -> (Value, String) {
    let (metadata, body) = card.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    (serde_saphyr::from_str(metadata).unwrap(), body.to_owned())
}

fn card(args: &TrainingArguments, data: &ModelCardData, train: &[Named], eval: &[Named]) -> Option<RunCard> {
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &Device::flex()).unwrap();
    let losses: Vec<Arc<dyn Loss>> = train.iter().chain(eval).map(|_| Arc::new(Contrastive::default()) as _).collect();
    RunCard::new(Subject { model: &model, args, data, repo: None, train, eval, losses: &losses, measured: Vec::new() })
}

fn state(args: &TrainingArguments) -> TrainerState {
    TrainerState::new(args, &Plan::new(args, 10))
}

// What PyLate writes of the same data: tests/fixtures/training.jsonl, 24 rows (see xtask/fixtures/golden_card.py). Its token counts take
// every column for queries; ours take each for what it is.
#[test]
fn a_run_s_card_has_the_parts_of_pylate_s() {
    let args = TrainingArguments { learning_rate: 1e-3, output_dir: "secret/run".into(), ..Default::default() };
    let rows = Dataset::load(fixture("training.jsonl")).unwrap();
    let (train, eval) = ([named("", rows.take(24))], [named("", rows.slice(24..32).unwrap())]);
    let card = card(&args, &ModelCardData::default(), &train, &eval).unwrap();
    let mut state = state(&args);
    state.global_step = 3;
    state.log([("loss".to_owned(), 2.0), ("samples_per_second".to_owned(), 5.5)]);
    let text = card.of(&state, 3, false);
    assert_eq!(text, card.of(&state, 3, false));
    let (metadata, body) = parts(&text);
    let tags = metadata["tags"].as_array().unwrap();
    for tag in ["ColBERT", "generated_from_trainer", "dataset_size:24", "loss:Contrastive"] {
        assert!(tags.iter().any(|found| found == tag), "{tag}: {tags:?}");
    }
    assert!(metadata.get("base_model").is_none() && metadata.get("datasets").is_none());
    for line in [
        "### Training Dataset",
        "#### training.jsonl",
        "* Size: 24 training samples",
        "* Size: 8 evaluation samples",
        "* Columns: <code>query</code>, <code>positive</code>, and <code>negative</code>",
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
    assert!(body.contains("<code>what is lowered in children who have pets?</code>"), "{body}");
    for hidden in ["secret", "5.5", "tests/fixtures", "samples_per_second"] {
        assert!(!text.contains(hidden), "{hidden}");
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
    let args = TrainingArguments { run_name: Some("x".to_owned()), prompts: "a\n# b".into(), ..Default::default() };
    let card = card(&args, &data, &[named("evil\n# name|", rows.unwrap())], &[]).unwrap();
    let text = card.of(&state(&args), 0, false);
    let (metadata, body) = parts(&text);
    assert_eq!(metadata["language"][0], "no");
    assert_eq!(metadata["license"], "other: \"x\"\n- y");
    let tags: Vec<&str> = metadata["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(data.tags.iter().all(|tag| tags.contains(&tag.as_str())), "{tags:?}");
    assert!(!body.contains("<script") && !body.contains("](javascript"), "{body}");
    let plain = self::card(
        &args,
        &ModelCardData::default(),
        &[named("", Dataset::load(fixture("training.jsonl")).unwrap())],
        &[],
    );
    let plain = plain.unwrap().of(&state(&args), 0, false);
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
    let args = TrainingArguments::default();
    let rows = Dataset::load(fixture("training.jsonl")).unwrap();
    let data = ModelCardData { create_model_card: false, ..Default::default() };
    assert!(card(&args, &data, &[named("", rows)], &[]).is_none());
}
