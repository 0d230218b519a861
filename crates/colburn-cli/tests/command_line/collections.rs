//! Retrieval collections: `evaluate --nano` and `--beir`, and `[[evaluators]]` of every kind.

use std::fs;

use crate::workspace::{Workspace, copy, fixtures};

fn with_collections() -> Workspace {
    let workspace = Workspace::new();
    copy(&fixtures().join("retrieval"), &workspace.path("nano"));
    workspace
}

/// A collection in BEIR's layout, of the rows in `train.jsonl`.
fn beir(workspace: &Workspace) {
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let (mut corpus, mut queries, mut qrels) =
        (String::new(), String::new(), "query-id\tcorpus-id\tscore\n".to_owned());
    for (at, row) in rows.lines().enumerate() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let document = serde_json::json!({"_id": format!("d{at}"), "title": "A title", "text": row["positive"]});
        corpus += &format!("{document}\n");
        queries += &format!("{}\n", serde_json::json!({"_id": format!("q{at}"), "text": row["query"]}));
        qrels += &format!("q{at}\td{at}\t1\n");
    }
    fs::create_dir_all(workspace.path("beir/qrels")).unwrap();
    workspace.write("beir/corpus.jsonl", corpus);
    workspace.write("beir/queries.jsonl", queries);
    workspace.write("beir/qrels/test.tsv", qrels);
}

#[test]
fn one_collection_has_its_metrics_and_several_have_means_too() {
    let workspace = with_collections();
    let printed = workspace.succeed("evaluate --model model --nano nano/first --output one.json");
    assert!(printed.contains("ndcg@10") && printed.contains("NanoFirst"), "{printed}");
    let one = workspace.json("one.json");
    assert_eq!(one.as_object().unwrap().len(), 15);
    assert!(one["NanoFirst_MaxSim_map@100"].is_f64(), "{one}");

    let printed = workspace.succeed("evaluate --model model --nano nano/first nano/second --output out/both.json");
    assert!(printed.contains("NanoBEIR_mean"), "{printed}");
    let both = workspace.json("out/both.json");
    assert_eq!(both.as_object().unwrap().len(), 45);
    let value = |name: &str| both[format!("{name}_MaxSim_recall@5")].as_f64().unwrap();
    assert_eq!(both["NanoFirst_MaxSim_map@100"], one["NanoFirst_MaxSim_map@100"]);
    assert!((value("NanoBEIR_mean") - (value("NanoFirst") + value("NanoSecond")) / 2.0).abs() < 1e-12);
    assert_eq!(fs::read_dir(workspace.path("out")).unwrap().count(), 1, "nothing else was asked for");
}

#[test]
fn triplets_and_collections_in_one_go_with_predictions() {
    let workspace = with_collections();
    beir(&workspace);
    workspace.succeed(
        "evaluate --model model --triplets eval.jsonl --nano nano/first --beir beir --query-length 12 --write-predictions --output out/all.json",
    );
    let all = workspace.json("out/all.json");
    assert!(all["accuracy"].is_number() && all["beir_MaxSim_ndcg@10"].is_f64(), "{all}");
    let predictions = workspace.path("out/Information-Retrieval_evaluation_beir_predictions_MaxSim.jsonl");
    let predictions = fs::read_to_string(predictions).unwrap();
    assert_eq!(predictions.lines().count(), 24);
    let first: serde_json::Value = serde_json::from_str(predictions.lines().next().unwrap()).unwrap();
    assert_eq!((&first["query_id"], first["results"].as_array().unwrap().len()), (&"q0".into(), 24));
    workspace.succeed("evaluate --model model --nano nano/first --output plain.json");
    assert_ne!(workspace.json("plain.json")["NanoFirst_MaxSim_map@100"], all["NanoFirst_MaxSim_map@100"]);
}

#[test]
fn every_kind_of_evaluator_runs_during_training() {
    let workspace = with_collections();
    beir(&workspace);
    copy(&fixtures().join("kd"), &workspace.path("kd"));
    let run = fs::read_to_string(workspace.path("RUN.toml")).unwrap();
    let evaluators = r#"
[[evaluators]]
type = "nano_beir"
path = "nano"
dataset_names = ["first", "Second"]
query_prompts = { first = "q: ", second = "" }
query_lengths = { first = 12 }

[[evaluators]]
type = "information_retrieval"
name = "own"
path = "beir"
ndcg_at_k = [3, 10]
write_predictions = true

[[evaluators]]
type = "information_retrieval"
name = "files"
queries = "beir/queries.jsonl"
corpus = "beir/corpus.jsonl"
qrels = "beir/qrels/test.tsv"

[[evaluators]]
type = "distillation"
path = "kd/train.jsonl"
queries = "kd/queries.jsonl"
documents = "kd/documents.jsonl"
n_ways = 4

[[evaluators]]
type = "reranking"
at_k = 5
"#;
    let best = "load_best_model_at_end = true\nmetric_for_best_model = \"own_MaxSim_ndcg@3\"\nsave_steps = 3\n";
    workspace.write("RUN.toml", format!("{run}{best}{evaluators}"));
    workspace.succeed("train RUN.toml");
    for key in [
        "eval_accuracy",
        "eval_NanoFirst_MaxSim_ndcg@10",
        "eval_NanoBEIR_mean_MaxSim_ndcg@10",
        "eval_own_MaxSim_ndcg@3",
        "eval_files_MaxSim_ndcg@10",
        "eval_kl_divergence",
        "eval_ndcg@5",
        "eval_sequential_score",
    ] {
        assert_eq!(workspace.logged(key).len(), 2, "{key}");
    }
    assert_eq!(workspace.logged("eval_own_MaxSim_ndcg@10"), workspace.logged("eval_files_MaxSim_ndcg@10"));
    assert_eq!(workspace.logged("eval_sequential_score"), workspace.logged("eval_ndcg@5"));
    let mut files: Vec<_> = fs::read_dir(workspace.path("output/run/eval"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "Information-Retrieval_evaluation_NanoFirst_results.csv",
        "Information-Retrieval_evaluation_NanoSecond_results.csv",
        "Information-Retrieval_evaluation_files_results.csv",
        "Information-Retrieval_evaluation_own_predictions_MaxSim.jsonl",
        "Information-Retrieval_evaluation_own_results.csv",
        "NanoBEIR_evaluation_mean_results.csv",
        "RerankingEvaluator_results_@5.csv",
        "distillation_evaluation_results.csv",
        "triplet_evaluation_results.csv",
    ];
    assert_eq!(files, expected);
    let state = workspace.json("output/run/trainer_state.json");
    assert_eq!(state["best_metric"].as_f64(), workspace.logged("eval_own_MaxSim_ndcg@3").last().copied());

    // The same by `do_eval`, under the same names.
    workspace.succeed("train RUN.toml --set training.do_train=false --set model.name_or_path=output/run");
    let results = workspace.json("output/run/eval_results.json");
    for key in ["eval_kl_divergence", "eval_NanoBEIR_mean_MaxSim_ndcg@10", "eval_sequential_score"] {
        assert_eq!(results[key].as_f64(), workspace.logged(key).last().copied(), "{key}");
    }

    // The numbers of the run's last model, by the binary.
    workspace.succeed("evaluate --model output/run --beir beir --output out.json");
    let last = workspace.json("out.json")["beir_MaxSim_ndcg@10"].as_f64();
    assert_eq!(last, workspace.logged("eval_own_MaxSim_ndcg@10").last().copied());
}

#[test]
fn what_is_wrong_with_a_collection_is_said_before_the_model_is_read() {
    let workspace = with_collections();
    beir(&workspace);
    let fail = |arguments: &str| workspace.fail(&format!("evaluate --model nowhere --output out.json {arguments}"));
    assert!(fail("--nano nano/third").contains("nano/third"));
    assert!(fail("--nano climatefever").contains("zeta-alpha-ai/NanoClimateFEVER"));
    let message = fail("--beir beir --split dev");
    assert!(message.contains("dev"), "{message}");
    workspace.write("beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\td77\t1\n");
    let message = fail("--beir beir");
    assert!(message.contains("test.tsv") && message.contains("d77"), "{message}");
    workspace.write("beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\td7\t1\n");
    copy(&workspace.path("beir"), &workspace.path("other/beir"));
    let message = fail("--beir beir other/beir");
    assert!(message.contains("two collections give the metric beir_MaxSim_accuracy@1"), "{message}");
    workspace.write("beir/corpus.jsonl", "");
    assert!(fail("--beir beir").contains("corpus.jsonl"));
    let run = |set: &str| workspace.fail(&format!("train RUN.toml --set model.name_or_path=nowhere --set {set}"));
    let message = run("evaluators=[{type=\"nano_beir\",path=\"nano\",dataset_names=[\"first\"],ndcg_at_k=[0]}]");
    assert!(message.contains("ndcg_at_k") && message.contains('0'), "{message}");
    let message = run("evaluators=[{type=\"nano_beir\",path=\"nano\",dataset_names=[]}]");
    assert!(message.contains("dataset_names"), "{message}");
}
