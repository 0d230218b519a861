//! Written cards, and the parts of them that settings or hostile text can change.

use super::*;

fn card() -> ModelCard {
    let model = ModelSummary {
        document_length: 180,
        query_length: 32,
        dimensions: 128,
        architecture: "ColBERT()".to_owned(),
        pylate_rs: false,
    };
    ModelCard { model, ..ModelCard::default() }
}

/// The metadata of a card, and the rest of it.
fn parts(card: &ModelCard) -> (String, String) {
    let text = card.to_markdown();
    let (metadata, body) = text.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    (metadata.to_owned(), body.to_owned())
}

#[test]
fn a_plain_card_describes_the_model() {
    let (metadata, body) = parts(&card());
    assert_eq!(
        metadata,
        "tags:\n- ColBERT\n- PyLate\n- sentence-transformers\n- sentence-similarity\n- feature-extraction\n- colburn\n\
         pipeline_tag: sentence-similarity\nlibrary_name: PyLate\n"
    );
    for line in [
        "# ColBERT model",
        "- **Document Length:** 180 tokens",
        "- **Query Length:** 32 tokens",
        "- **Output Dimensionality:** 128 dimensions for each token",
        "- **Similarity Function:** MaxSim",
        "    model_name_or_path=\"path/to/this/model\",",
        "model = MultiVectorEncoder(\"path/to/this/model\")",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    for part in ["## Evaluation", "## Training Details", "{{ ", "on the ", "pylate-rs"] {
        assert!(!body.contains(part), "{part}");
    }
    let mut read = card();
    read.model.pylate_rs = true;
    assert!(parts(&read).1.contains("\n### pylate-rs\n") && !parts(&read).1.contains("{{ "));
}

#[test]
fn settings_of_a_person_are_in_the_card() {
    let data = ModelCardData {
        language: vec!["no".to_owned(), "de".to_owned()],
        license: Some("apache-2.0".to_owned()),
        model_id: Some("org/name".to_owned()),
        base_model: Some("bert-base-uncased".to_owned()),
        tags: vec!["legal".to_owned(), "PyLate".to_owned()],
        ..ModelCardData::default()
    };
    let (metadata, body) = parts(&card().with_data(&data));
    assert!(metadata.starts_with("language:\n- \"no\"\n- de\nlicense: apache-2.0\ntags:\n- ColBERT\n"), "{metadata}");
    assert!(metadata.contains("- colburn\n- legal\nbase_model: bert-base-uncased\n"), "{metadata}");
    assert!(body.starts_with("\n# ColBERT model based on bert-base-uncased\n"), "{body}");
    assert!(body.contains("finetuned from [bert-base-uncased](https://huggingface.co/bert-base-uncased)"));
    assert!(body.contains("MultiVectorEncoder(\"org/name\")") && !body.contains(PLACEHOLDER));
    assert!(body.contains("--model org/name "));
    assert!(body.contains("- **Languages:** no, de\n- **License:** apache-2.0\n"));
}

#[test]
fn an_impossible_name_is_not_in_the_code() {
    let data = ModelCardData {
        model_id: Some("a\"); import os; os.system(\"x".to_owned()),
        base_model: Some("a](javascript:x)".to_owned()),
        model_name: Some("x\n---\n# <script>".to_owned()),
        ..ModelCardData::default()
    };
    let (metadata, body) = parts(&card().with_data(&data));
    assert!(!metadata.contains("base_model") && !body.contains("import os;") && !body.contains("javascript"), "{body}");
    assert!(body.starts_with("\n# x --- # &#60;script&#62;\n"), "{body}");
    assert!(body.contains(PLACEHOLDER));
}

#[test]
fn results_are_grouped_as_the_hub_wants_them() {
    let result = |dataset: Option<&str>, metric: &str, value: f64| EvalResult {
        task: "Information Retrieval".to_owned(),
        dataset: dataset.map(str::to_owned),
        metric: metric.to_owned(),
        value,
    };
    let results = vec![
        result(Some("NanoSciFact"), "MaxSim_ndcg@10", 0.5),
        result(None, "map", f64::NAN),
        result(Some("NanoBEIR_mean"), "MaxSim_ndcg@10", 0.25),
        result(Some("NanoSciFact"), "MaxSim_map@100", 0.75),
    ];
    let metrics = vec!["MaxSim_ndcg@10".to_owned(), "MaxSim_map@100".to_owned()];
    let index = ModelCard { results, metrics, ..card() }.metadata("x");
    let results = index["model-index"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["task"], json!({"type": "information-retrieval", "name": "Information Retrieval"}));
    assert_eq!(results[0]["metrics"][1], json!({"type": "MaxSim_map@100", "value": 0.75, "name": "Maxsim Map@100"}));
    assert_eq!(results[1]["dataset"], json!({"name": "NanoBEIR mean", "type": "NanoBEIR_mean"}));
}

#[test]
fn datasets_are_named_and_linked() {
    let local = NamedDataset { name: "my|data".to_owned(), repo: None };
    let hub = NamedDataset {
        name: "triplets".to_owned(),
        repo: Some(HubRepo { id: "org/triplets".to_owned(), revision: None }),
    };
    let (metadata, body) = parts(&ModelCard { trained_on: vec![local.clone(), hub], ..card() });
    assert!(metadata.contains("datasets:\n- org/triplets\n"), "{metadata}");
    let links = "my&#124;data and [triplets](https://huggingface.co/datasets/org/triplets) datasets";
    assert!(body.contains(links), "{body}");
    assert!(body.contains("- **Training Datasets:**\n    - my&#124;data\n    - [triplets]"), "{body}");
    let (_, body) = parts(&ModelCard { trained_on: vec![local], training: "## Training Details".to_owned(), ..card() });
    assert!(body.contains("model trained on the my&#124;data dataset, made by"), "{body}");
}

#[test]
fn the_version_of_burn_is_the_one_of_the_manifest() {
    let manifest = include_str!("../../../../Cargo.toml");
    assert!(manifest.lines().any(|line| line.starts_with(&format!("burn = {{ version = \"={BURN}\""))), "{BURN}");
}
