//! Ranks: the places where the loop meets them, and two ranks that train like one.

use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Tensor, TensorData};
use colburn_loss::Contrastive;
use colburn_model::{ColBert, Parameter};
use colburn_ops::{Embeddings, Spans};
use colburn_train::{Error, IntervalStrategy, Ranks, Result, SaveStrategy, TrainOutput, Trainer, TrainingArguments};

use crate::common::{arguments, logged, refused, rows, tiny, trainer};

/// Calls `change` for each gradient with its number of dimensions.
macro_rules! each_gradient {
    ($gradients:ident, $parameters:ident, $change:expr) => {
        for parameter in $parameters {
            match parameter.shape.len() {
                1 => change::<1>($gradients, parameter, $change),
                _ => change::<2>($gradients, parameter, $change),
            }
        }
    };
}

fn change<const D: usize>(
    gradients: &mut GradientsParams,
    parameter: &Parameter,
    change: impl Fn(TensorData) -> TensorData,
) {
    if let Some(gradient) = gradients.remove::<D>(parameter.id) {
        let device = gradient.device();
        gradients.register(parameter.id, Tensor::<D>::from_data(change(gradient.into_data()), &device));
    }
}

/// One rank that notes what it is asked for, and changes the answers.
#[derive(Clone, Default)]
struct Recording {
    calls: Arc<Mutex<Vec<&'static str>>>,
    /// The answer of another rank after so many calls of `reduce`.
    skip_after: Option<usize>,
    without_gradients: bool,
    unreachable: bool,
}

impl Recording {
    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }

    fn noted(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

impl Ranks for Recording {
    fn rank(&self) -> usize {
        0
    }
    fn world_size(&self) -> usize {
        1
    }
    fn all_reduce(&self, gradients: &mut GradientsParams, parameters: &[Parameter]) -> Result<()> {
        self.note("reduce");
        if self.unreachable {
            return Err(Error::other("rank 1 cannot be reached"));
        }
        if self.without_gradients {
            each_gradient!(gradients, parameters, |data: TensorData| TensorData::zeros::<f32, _>(data.shape().clone()));
        }
        Ok(())
    }
    fn all_gather(&self, embeddings: Embeddings) -> Result<Embeddings> {
        self.note("gather");
        Ok(embeddings)
    }
    fn broadcast(&self, model: ColBert) -> Result<ColBert> {
        self.note("broadcast");
        Ok(model)
    }
    fn barrier(&self) -> Result<()> {
        self.note("barrier");
        Ok(())
    }
    fn any(&self, flag: bool) -> Result<bool> {
        let calls = self.noted();
        self.note("any");
        let reduced = calls.iter().filter(|call| **call == "reduce").count();
        Ok(flag || (self.skip_after == Some(reduced) && calls.last() == Some(&"reduce")))
    }
}

fn short(dir: &Path) -> TrainingArguments {
    TrainingArguments { num_train_epochs: 1.0, save_strategy: SaveStrategy::No, ..arguments(dir) }
}

#[test]
fn the_loop_meets_the_ranks_where_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let ranks = Recording::default();
    trainer(short(dir.path())).ranks(ranks.clone()).train_dataset(rows(8)).train().unwrap();
    // The folder is ready, the weights are the same, the first batch is tested, everybody is ready.
    let mut expected = vec!["barrier", "broadcast", "gather", "gather", "barrier"];
    // The requests of callbacks at the start of the run and of the epoch.
    expected.extend(["any"; 4]);
    // Each step: queries and documents, gradients, agreement on skipping it, requests of callbacks.
    let step = ["gather", "gather", "reduce", "any", "any", "any"];
    expected.extend(step);
    expected.extend(["any"]); // Ctrl-C between two steps
    expected.extend(step);
    expected.extend(["any"; 3]); // requests at the end of the epoch, and Ctrl-C
    expected.extend(["barrier"]);
    assert_eq!(ranks.noted(), expected);
}

#[test]
fn gradients_are_reduced_before_their_norm_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let ranks = Recording { without_gradients: true, ..Recording::default() };
    let output = trainer(short(dir.path())).ranks(ranks).train_dataset(rows(8)).train().unwrap();
    assert_eq!(logged(&output, "grad_norm"), [0.0, 0.0]);
}

#[test]
fn a_step_that_another_rank_skips_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let ranks = Recording { skip_after: Some(2), ..Recording::default() };
    let output = trainer(short(dir.path())).ranks(ranks).train_dataset(rows(16)).train().unwrap();
    assert_eq!((output.global_step, logged(&output, "skipped_steps")), (4, vec![1.0, 1.0, 1.0]));
}

#[test]
fn an_error_of_the_ranks_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let ranks = Recording { unreachable: true, ..Recording::default() };
    let message = refused(trainer(short(dir.path())).ranks(ranks).train_dataset(rows(8)));
    assert_eq!(message, "rank 1 cannot be reached");
}

/// The value that each of two ranks has put down for the other.
type Slots = [Option<Box<dyn Any + Send>>; 2];

/// One of two ranks, which are threads.
#[derive(Clone)]
struct Thread {
    rank: usize,
    barrier: Arc<Barrier>,
    slots: Arc<Mutex<Slots>>,
}

impl Thread {
    fn pair() -> [Self; 2] {
        let (barrier, slots) = (Arc::new(Barrier::new(2)), Arc::<Mutex<_>>::default());
        [0, 1].map(|rank| Self { rank, barrier: barrier.clone(), slots: slots.clone() })
    }

    /// The values of both ranks.
    fn exchange<T: Clone + Send + 'static>(&self, value: T) -> [T; 2] {
        self.slots.lock().unwrap()[self.rank] = Some(Box::new(value));
        self.barrier.wait();
        let both = {
            let slots = self.slots.lock().unwrap();
            [0, 1].map(|rank| slots[rank].as_ref().unwrap().downcast_ref::<T>().unwrap().clone())
        };
        self.barrier.wait();
        both
    }
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }
    fn world_size(&self) -> usize {
        2
    }
    fn all_reduce(&self, gradients: &mut GradientsParams, parameters: &[Parameter]) -> Result<()> {
        let mean = |data: TensorData| {
            let shape = data.shape().clone();
            let [one, other] = self.exchange(data.try_into_vec::<f32>().unwrap());
            TensorData::new(one.iter().zip(&other).map(|(one, other)| (one + other) / 2.0).collect::<Vec<_>>(), shape)
        };
        each_gradient!(gradients, parameters, &mean);
        Ok(())
    }
    fn all_gather(&self, embeddings: Embeddings) -> Result<Embeddings> {
        let device = embeddings.values.device();
        let lengths: Vec<usize> = embeddings.spans.lengths().collect();
        let local = (embeddings.values.to_data(), lengths, embeddings.mask.clone(), embeddings.floor.clone());
        let all = self.exchange(local);
        let (mut values, mut lengths, mut mask, mut floor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (rank, (data, of_lengths, of_mask, of_floor)) in all.into_iter().enumerate() {
            values.push(if rank == self.rank { embeddings.values.clone() } else { Tensor::from_data(data, &device) });
            lengths.extend(of_lengths);
            mask.extend(of_mask);
            floor.extend(of_floor);
        }
        let (values, spans) = (Tensor::cat(values, 0), Spans::from_lengths(&lengths));
        Ok(Embeddings { values, spans, mask, floor, precision: embeddings.precision })
    }
    fn broadcast(&self, model: ColBert) -> Result<ColBert> {
        Ok(self.exchange(model)[0].clone())
    }
    fn barrier(&self) -> Result<()> {
        self.barrier.wait();
        Ok(())
    }
    fn any(&self, flag: bool) -> Result<bool> {
        Ok(self.exchange(flag).contains(&true))
    }
}

fn weights(output: &TrainOutput) -> Vec<f32> {
    let dir = tempfile::tempdir().unwrap();
    output.model.save_pretrained(dir.path()).unwrap();
    let bytes = std::fs::read(dir.path().join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    let values = names.into_iter().flat_map(|name| file.tensor(name).unwrap().data().to_vec()).collect::<Vec<u8>>();
    values.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn two_ranks_train_like_one_with_the_batches_of_both() {
    let train = |dir: &Path, batch: usize, mini_batch_size: Option<usize>| {
        let args = TrainingArguments {
            per_device_train_batch_size: batch,
            mini_batch_size,
            num_train_epochs: 2.0,
            eval_strategy: IntervalStrategy::Epoch,
            learning_rate: 0.1,
            ..arguments(dir)
        };
        // Plain descent, because Adam's first steps have the size of the learning rate even for gradients that are rounding errors.
        let trainer = Trainer::new(tiny(), Contrastive::default(), args)
            .handle_interrupt(false)
            .quiet()
            .optimizer(SgdConfig::new().init());
        trainer.train_dataset(rows(16)).eval_dataset(rows(4))
    };
    let whole_dir = tempfile::tempdir().unwrap();
    let whole = train(whole_dir.path(), 8, None).train().unwrap();
    for mini_batch_size in [None, Some(3)] {
        let dir = tempfile::tempdir().unwrap();
        let outputs = std::thread::scope(|scope| {
            let spawn = |ranks: Thread| {
                let trainer = train(dir.path(), 4, mini_batch_size).ranks(ranks);
                scope.spawn(move || trainer.train().unwrap())
            };
            Thread::pair().map(spawn).map(|rank| rank.join().unwrap())
        });
        let [first, second] = outputs.each_ref();
        assert_eq!((first.global_step, whole.global_step), (4, 4));
        for (found, expected) in logged(first, "loss").iter().zip(logged(&whole, "loss")) {
            assert!((found - expected).abs() < 1e-5 * expected, "{found} and {expected}");
        }
        assert_eq!(weights(first), weights(second), "ranks keep the same weights");
        for (found, expected) in weights(first).iter().zip(weights(&whole)) {
            assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
        }
        // Rank 0 alone logs and writes.
        assert!(!logged(first, "eval_loss").is_empty() && second.state.log_history.is_empty());
        assert!(dir.path().join("checkpoint-4").exists() && dir.path().join("model.safetensors").exists());
    }
}
