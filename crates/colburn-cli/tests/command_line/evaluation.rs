//! Evaluations that are not those of a step: `do_eval`, and `do_train = false`.

use std::fs;

use crate::workspace::Workspace;

#[test]
fn a_model_is_evaluated_without_being_trained() {
    let workspace = Workspace::new();
    let printed = workspace.succeed("train RUN.toml --set training.do_train=false");
    let results = workspace.json("output/run/eval_results.json");
    assert!(printed.contains("eval_loss ") && printed.contains("eval_accuracy "), "{printed}");
    let mut left: Vec<_> =
        fs::read_dir(workspace.path("output/run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["eval_results.json"], "nothing was trained");

    // The trainer's own evaluation of the same model, before the first step.
    workspace.succeed("train RUN.toml");
    for key in ["eval_loss", "eval_accuracy"] {
        assert_eq!(results[key].as_f64(), Some(workspace.logged(key)[0]), "{key}");
    }
}

#[test]
fn a_model_is_evaluated_when_it_is_trained() {
    let workspace = Workspace::new();
    workspace.succeed("train RUN.toml --set training.do_eval=true");
    let results = workspace.json("output/run/eval_results.json");
    for key in ["eval_loss", "eval_accuracy"] {
        assert_eq!(results[key].as_f64(), workspace.logged(key).last().copied(), "{key}");
    }
}

#[test]
fn several_datasets_and_a_teacher_are_evaluated_by_name() {
    let workspace = Workspace::with_teacher();
    let datasets = "data.eval=[{name=\"a\",path=\"kd/train.jsonl\",queries=\"kd/queries.jsonl\",documents=\"kd/documents.jsonl\",n_ways=4},\
                    {name=\"b\",path=\"eval.jsonl\",loss={type=\"contrastive\"}}]";
    workspace.succeed(&format!("train RUN.toml --set {datasets} --set training.do_train=false"));
    let results = workspace.json("output/run/eval_results.json");
    assert!(results["eval_a_loss"].is_f64() && results["eval_b_loss"].is_f64(), "{results}");
    workspace.succeed(&format!(
        "train RUN.toml --set {datasets} --set training.eval_on_start=true --set training.max_steps=1"
    ));
    for key in ["eval_a_loss", "eval_b_loss"] {
        assert_eq!(results[key].as_f64(), Some(workspace.logged(key)[0]), "{key}");
    }
    assert_eq!(
        workspace.fail(&format!("train RUN.toml --set {datasets} --set training.do_train=false --resume")),
        "--resume resumes training, but do_train in [training] is false; leave one of them out"
    );
}
