//! `colburn train`: a run's description in, a trained model out.

use colburn::data::Dataset;
use colburn::eval::TripletEvaluator;
use colburn::model::{ColBert, ColBertOptions};
use colburn::ops::device::by_name;
use colburn::train::Trainer;

use crate::command_line::TrainArguments;
use crate::config::RunConfig;
use crate::{Outcome, Result, output};

pub fn run(arguments: &TrainArguments) -> Result<Outcome> {
    let run = RunConfig::read(&arguments.run, &arguments.set)?;
    run.training.validate()?;
    let device = by_name(arguments.device.name.as_deref().or(run.training.device.as_deref()))?;
    let (train, eval) = datasets(&run)?;
    // What a model lacks is drawn from the run's seed unless the model has its own.
    let options = ColBertOptions { seed: run.model.options.seed.or(Some(run.training.seed)), ..run.model.options };
    let model = ColBert::from_pretrained_with(&run.model.name_or_path, &options, &device)?;

    let output_dir = run.training.output_dir.clone();
    let batch_size = run.training.per_device_eval_batch_size;
    let mut trainer = Trainer::new(model, run.loss, run.training).train_dataset(train);
    if let Some(eval) = eval {
        // The configuration knows one kind of evaluator so far, and lets no other name pass.
        for evaluator in &run.evaluators {
            trainer =
                trainer.evaluator(TripletEvaluator::new(&eval)?.batch_size(batch_size).name(evaluator.name.as_str()));
        }
        trainer = trainer.eval_dataset(eval);
    }
    let trained = trainer.train()?;
    let (steps, loss) = (trained.global_step, trained.training_loss);
    if trained.interrupted {
        let checkpoint = output_dir.join(format!("checkpoint-{steps}"));
        output::say(&format!("interrupted after {steps} steps, mean loss {loss:.4}: {}", checkpoint.display()));
        return Ok(Outcome::Interrupted);
    }
    output::say(&format!("trained for {steps} steps, mean loss {loss:.4}: {}", output_dir.display()));
    Ok(Outcome::Done)
}

/// The rows to train on and those to evaluate on.
fn datasets(run: &RunConfig) -> Result<(Dataset, Option<Dataset>)> {
    let train = Dataset::load(&run.data.train)?;
    if let Some(eval) = &run.data.eval {
        let eval = Dataset::load(eval)?;
        return Ok((train, Some(eval)));
    }
    let Some(test_size) = run.data.test_size else { return Ok((train, None)) };
    let (train, eval) = train.train_test_split(test_size, run.training.seed)?;
    Ok((train, Some(eval)))
}
