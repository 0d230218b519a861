//! Runs that cannot be: each is refused before the first step, on one line that names the culprit.

use crate::workspace::Workspace;

fn refused(arguments: &str) -> String {
    Workspace::with_teacher().fail(&format!("train RUN.toml {arguments}"))
}

#[test]
fn a_query_that_is_not_there() {
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/queries.jsonl", "{\"query_id\": 100390", "{\"query_id\": 7");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "kd/train.jsonl: row 2 (counted from 0): query_id 100390: not a query_id of kd/queries.jsonl"
    );
}

#[test]
fn no_document_that_is_there() {
    let workspace = Workspace::with_teacher();
    workspace.write("kd/documents.jsonl", "{\"document_id\": 1, \"text\": \"a\"}\n");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "kd/documents.jsonl: none of the 160 document_ids that kd/train.jsonl names is a document_id here; is this \
         the documents table of other rows?"
    );
}

#[test]
fn more_ways_than_stored_or_fewer_than_two() {
    assert_eq!(
        refused("--set data.n_ways=9"),
        "kd/train.jsonl: row 0 (counted from 0): query_id 102672: 8 document_ids where n_ways = 9; expected at least \
         as many in every row"
    );
    assert_eq!(
        refused("--set data.n_ways=1"),
        "n_ways = 1; expected at least 2, because the scores are those of documents beside each other"
    );
}

#[test]
fn columns_of_other_names() {
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/documents.jsonl", "\"document_id\"", "\"key\"");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "kd/documents.jsonl: no column \"document_id\"; found: key (number), text (text); expected for the documents \
         of a distillation data set: document_id (integer or text) and text (text)"
    );
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/train.jsonl", "\"scores\"", "\"score\"");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "kd/train.jsonl: no column \"scores\"; found: query_id (number), document_ids (list of numbers), score (list \
         of numbers); expected for the train rows of a distillation data set: query_id (integer or text), document_ids \
         (list of integers or texts) and scores (list of numbers), where a list may be a text such as \"[1, 2]\" and scores may be columns \
         score_1, score_2, …; or, without scores, query_id, positive_id and negative_id"
    );
    assert_eq!(
        refused("--set data.train=train.jsonl"),
        "train.jsonl: no column \"query_id\"; found: query (text), positive (text), negative (text); expected for the \
         train rows of a distillation data set: query_id (integer or text), document_ids (list of integers or texts) \
         and scores (list of numbers), where a list may be a text such as \"[1, 2]\" and scores may be columns \
         score_1, score_2, …; or, without scores, query_id, positive_id and negative_id"
    );
}

#[test]
fn lists_that_do_not_belong_together() {
    let workspace = Workspace::with_teacher();
    workspace.replace("kd/train.jsonl", "0.711767, ", "");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "kd/train.jsonl: row 0 (counted from 0): query_id 102672: 8 document_ids but 7 scores; expected a score for \
         each document"
    );
    let workspace = Workspace::with_teacher();
    workspace
        .write("kd/train.jsonl", "{\"query_id\": 100057, \"document_ids\": \"[129, 178\", \"scores\": \"[1, 0]\"}\n");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "kd/train.jsonl: row 0 (counted from 0): column \"document_ids\": not a list of numbers or texts (the end of the \
         text at character 10, expected a comma or ])"
    );
}

#[test]
fn a_loss_that_the_data_is_not_made_for() {
    assert_eq!(
        refused("--set loss.type=contrastive"),
        "RUN.toml: [data] kd/train.jsonl holds a teacher's scores, but the loss \"contrastive\" needs columns of text (query, positive, \
         negatives); losses that learn from scores: distillation, margin_mse, xtr_distillation"
    );
    let workspace = Workspace::new();
    assert_eq!(
        workspace.fail("train RUN.toml --set loss.type=distillation"),
        "before the run: train.jsonl: 24 rows; query (text), positive (text), negative (text): the loss \
         `distillation` learns from a teacher's scores, and the data has none; it needs rows of `query_id`, \
         `document_ids` and `scores`, with a table of queries and one of documents"
    );
}

#[test]
fn keys_of_another_loss() {
    assert_eq!(
        refused("--set loss.type=margin_mse --set loss.temperature=2"),
        "--set loss.temperature=2: unknown key \"temperature\" in [loss]; the loss \"margin_mse\" has the keys type, size_average, \
         score_metric, k"
    );
    assert_eq!(
        refused("--set loss.type=cached_contrastive --set loss.mini_batch_size=8 --set training.mini_batch_size=4"),
        "--set loss.mini_batch_size=8: mini_batch_size in [loss]: 8, but in [training] it is 4; a run has one, so keep one of them"
    );
    assert_eq!(
        refused("--set loss.k=0 --set loss.score_metric=xtr"),
        "--set loss.k=0: [loss] k = 0; XTR keeps at least 1 match of each query token"
    );
}

#[test]
fn evaluators_without_rows() {
    assert_eq!(
        refused("--set evaluators=[{type=\"triplet\"}] --set data.test_size=8"),
        "--set evaluators=[{type=\"triplet\"}]: path in [evaluators]: it is missing, and the eval data holds a teacher's scores; rows of query, positive and negative \
         are expected"
    );
    assert_eq!(
        refused("--set evaluators=[{type=\"triplet\",path=\"nowhere.jsonl\"}]"),
        "no data file matches \"nowhere.jsonl\"; expected a .parquet, .jsonl, .json, .csv, .tsv, .arrow or .txt file, a \
         pattern such as \"data/train-*.parquet\", or a folder of such files"
    );
}

#[test]
fn data_that_contradicts_itself() {
    assert_eq!(
        refused("--set data.train=[{name=\"a\",path=\"kd/train.jsonl\"},{path=\"train.jsonl\"}]"),
        "RUN.toml:10: queries in [data]: the datasets have tables of their own, [[data.train]]; give it in those that \
         need it"
    );
    assert_eq!(
        refused("--set data.eval=eval.jsonl"),
        "eval.jsonl: no column \"query_id\"; found: query (text), positive (text), negative (text); expected for the \
         train rows of a distillation data set: query_id (integer or text), document_ids (list of integers or texts) \
         and scores (list of numbers), where a list may be a text such as \"[1, 2]\" and scores may be columns \
         score_1, score_2, …; or, without scores, query_id, positive_id and negative_id"
    );
}

#[test]
fn arguments_that_cannot_be() {
    for (set, message) in [
        (
            "training.mini_batch_size=0",
            "training argument `mini_batch_size` is 0; a whole number of at least 1 is expected",
        ),
        (
            "training.fp16=true",
            "training argument `fp16` is true; the device flex does not compute in f16; it has f32, bf16",
        ),
        (
            "training.lr_scheduler_kwargs.num_cycles=2",
            "training argument `lr_scheduler_kwargs` is {\"num_cycles\":2}; `lr_scheduler_type` = \"linear\" takes \
             nothing",
        ),
        (
            "training.resume_from_checkpoint=3",
            "--set training.resume_from_checkpoint=3: resume_from_checkpoint in [training]: invalid type: integer `3`, expected true, false or the \
             path of a checkpoint",
        ),
        (
            "training.prompts.text=x",
            "prompts: kd/train.jsonl has no text column \"text\"; expected one of \"query\", \"documents\"",
        ),
        (
            "training.learning_rate_mapping.'('=1",
            "training argument `learning_rate_mapping` is {\"(\":1.0}; the key has to be a regular expression \
             (unclosed group)",
        ),
        (
            "training.train_sampling_strategy=shuffled",
            "--set training.train_sampling_strategy=shuffled: train_sampling_strategy in [training]: \"shuffled\" is not \
             supported; supported: random, sequential, group_by_length, no_duplicates",
        ),
        (
            "callbacks=[{type=\"early_stopping\",early_stopping_patience=0}]",
            "training argument `early_stopping_patience` is 0; a whole number of at least 1 is expected",
        ),
    ] {
        assert_eq!(refused(&format!("--set {set}")), message, "{set}");
    }
    let message = refused("--set training.report_to=mlflow");
    assert!(message.starts_with("training argument `report_to` is \"mlflow\"; a list of "), "{message}");
}
