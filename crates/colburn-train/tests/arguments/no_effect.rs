//! Arguments that are accepted and do nothing, as their documentation says.

use colburn_train::{HubStrategy, IntervalStrategy, LogLevel, TrainingArguments};

use crate::probe::{Run, train_and_evaluate};

fn run(change: impl FnOnce(&mut TrainingArguments)) -> Run {
    train_and_evaluate(8, |args| {
        args.eval_strategy = IntervalStrategy::Epoch;
        change(args);
    })
}

/// Everything that was logged, but for times.
fn log(run: &Run) -> Vec<(String, String)> {
    let entries = run.output.state.log_history.iter().flatten();
    let values = entries.filter(|(key, _)| !key.ends_with("runtime") && !key.ends_with("per_second"));
    values.map(|(key, value)| (key.clone(), value.to_string())).collect()
}

#[test]
fn arguments_without_effect_change_nothing() {
    let plain = run(|_| ());
    let other = run(|args| {
        args.overwrite_output_dir = true;
        args.do_train = Some(false);
        args.do_eval = true;
        args.do_predict = true;
        args.log_level_replica = LogLevel::Debug;
        args.log_on_each_node = false;
        args.prediction_loss_only = true;
        args.eval_accumulation_steps = Some(1);
        args.save_on_each_node = true;
        args.hub_model_id = Some("name/model".to_owned());
        args.hub_strategy = HubStrategy::End;
        args.hub_private_repo = Some(true);
        args.hub_always_push = true;
        args.hub_revision = Some("experiment".to_owned());
        args.torch_empty_cache_steps = Some(1);
        args.device = Some("cuda".to_owned());
    });
    assert_eq!(log(&plain), log(&other));
    assert_eq!(plain.weights(), other.weights());
}
