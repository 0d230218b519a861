//! Runs that cannot be: each is refused before the first step, on one line that names the culprit.

use crate::workspace::Workspace;

fn refused(arguments: &str) -> String {
    Workspace::with_teacher().fail(&format!("train RUN.toml {arguments}"))
}

#[test]
fn a_query_that_is_not_there() {
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/queries.jsonl", "{\"query_id\": 100390", "{\"query_id\": 7");
    assert_eq!(workspace.fail("train RUN.toml"), "");
}

#[test]
fn no_document_that_is_there() {
    let workspace = Workspace::with_teacher();
    workspace.write("kd/documents.jsonl", "{\"document_id\": 1, \"text\": \"a\"}\n");
    assert_eq!(workspace.fail("train RUN.toml"), "");
}

#[test]
fn more_ways_than_stored_or_fewer_than_two() {
    assert_eq!(refused("--set data.n_ways=9"), "");
    assert_eq!(refused("--set data.n_ways=1"), "");
}

#[test]
fn columns_of_other_names() {
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/documents.jsonl", "\"document_id\"", "\"id\"");
    assert_eq!(workspace.fail("train RUN.toml"), "");
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/train.jsonl", "\"scores\"", "\"score\"");
    assert_eq!(workspace.fail("train RUN.toml"), "");
    assert_eq!(refused("--set data.train=train.jsonl"), "");
}

#[test]
fn lists_that_do_not_belong_together() {
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/train.jsonl", "0.711767, ", "");
    assert_eq!(workspace.fail("train RUN.toml"), "");
    let workspace = Workspace::with_teacher();
    workspace.write("kd/train.jsonl", "{\"query_id\": 100057, \"document_ids\": \"[129, 178\", \"scores\": \"[1, 0]\"}\n");
    assert_eq!(workspace.fail("train RUN.toml"), "");
}

#[test]
fn a_loss_that_the_data_is_not_made_for() {
    assert_eq!(
        refused("--set loss.type=contrastive"),
        "RUN.toml: [data] kd/train.jsonl holds a teacher's scores, but the loss \"contrastive\" needs columns of text (query, positive, \
         negatives); losses that learn from scores: distillation, margin_mse, xtr_distillation"
    );
    let workspace = Workspace::new();
    assert_eq!(workspace.fail("train RUN.toml --set loss.type=distillation"), "");
}

#[test]
fn keys_of_another_loss() {
    assert_eq!(
        refused("--set loss.type=margin_mse --set loss.temperature=2"),
        "unknown key \"temperature\" in [loss] of --set; the loss \"margin_mse\" has the keys type, size_average, score_metric, k"
    );
    assert_eq!(
        refused("--set loss.type=cached_contrastive --set loss.mini_batch_size=8 --set training.mini_batch_size=4"),
        "mini_batch_size in [loss] of --set: 8, but in [training] it is 4; a run has one, so keep one of them"
    );
    assert_eq!(
        refused("--set loss.k=0 --set loss.score_metric=xtr"),
        ""
    );
}

#[test]
fn evaluators_without_rows() {
    assert_eq!(
        refused("--set evaluators=[{type=\"triplet\"}] --set data.test_size=8"),
        "path in [evaluators] of --set: it is missing, and the eval data holds a teacher's scores; rows of query, positive and negative \
         are expected"
    );
    assert_eq!(refused("--set evaluators=[{type=\"triplet\",path=\"nowhere.jsonl\"}]"), "");
}

#[test]
fn data_that_contradicts_itself() {
    assert_eq!(
        refused("--set data.train=[{name=\"a\",path=\"kd/train.jsonl\"},{path=\"train.jsonl\"}]"),
        "queries in [data] of RUN.toml: where the datasets have tables of their own, [[data.train]], it belongs into those that it is for"
    );
    assert_eq!(refused("--set data.eval=eval.jsonl"), "");
}

#[test]
fn arguments_that_cannot_be() {
    for (set, message) in [
        ("training.mini_batch_size=0", ""),
        ("training.bf16=true", ""),
        ("training.report_to=mlflow", ""),
        ("training.lr_scheduler_kwargs.num_cycles=2", ""),
        ("training.metric_for_best_model=f1", ""),
        ("training.prompts.text=x", ""),
        ("training.learning_rate_mapping.'('=1", ""),
        ("training.train_sampling_strategy=shuffled", ""),
        ("callbacks=[{type=\"early_stopping\",early_stopping_patience=0}]", ""),
    ] {
        assert_eq!(refused(&format!("--set {set}")), message, "{set}");
    }
}
