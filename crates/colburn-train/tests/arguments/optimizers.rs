//! The optimizers on a model: a state that is saved, and loaded for another copy of the model, goes on to the same bits.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, SgdConfig};
use burn::tensor::Tensor;
use colburn_model::ColBert;
use colburn_train::{AdamW, Optimizer, TrainingArguments};

use crate::common::{refused, tiny};
use crate::probe::trainer;

/// Makes an optimizer of a model.
type Make<'a> = &'a dyn Fn(&ColBert) -> Box<dyn Optimizer>;

/// Gradients that depend on the weights and the step.
fn gradients(model: &ColBert, step: usize) -> GradientsParams {
    struct Gradients(GradientsParams, f64);
    impl ModuleVisitor for Gradients {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.register(param.id, param.val().inner() * self.1 + 0.01);
        }
    }
    let mut visitor = Gradients(GradientsParams::new(), 0.5 / (1.0 + step as f64));
    model.visit(&mut visitor);
    visitor.0
}

fn steps(optimizer: &mut dyn Optimizer, model: ColBert, steps: std::ops::Range<usize>) -> ColBert {
    steps.fold(model, |model, step| {
        let gradients = gradients(&model, step);
        optimizer.step(model, gradients, 1e-3 / (1.0 + step as f64))
    })
}

fn weights(model: &ColBert) -> Vec<Vec<u8>> {
    struct Read(Vec<Vec<u8>>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().inner().into_data().as_bytes().to_vec());
        }
    }
    let mut read = Read(Vec::new());
    model.visit(&mut read);
    read.0
}

/// The same values under new ids, as a model that was loaded in another process.
fn reloaded(model: &ColBert) -> ColBert {
    struct Anew;
    impl ModuleMapper for Anew {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            Param::from_tensor(param.val().inner())
        }
    }
    model.valid().map(&mut Anew).train()
}

#[test]
fn a_state_goes_on_with_another_copy_of_the_model() {
    let model = tiny().train();
    let parameters = model.parameters();
    let adamw = |model: &ColBert| -> Box<dyn Optimizer> {
        let args = TrainingArguments { weight_decay: 0.1, ..Default::default() };
        Box::new(AdamW::from_arguments(&args, model.parameters()).unwrap())
    };
    let momentum = |_: &ColBert| -> Box<dyn Optimizer> {
        Box::new(SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init())
    };
    let adam = |_: &ColBert| -> Box<dyn Optimizer> { Box::new(AdamConfig::new().init()) };
    let makers: [Make<'_>; 3] = [&adamw, &momentum, &adam];
    for make in makers {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.safetensors");
        let whole = weights(&steps(make(&model).as_mut(), model.clone(), 0..4));
        assert_ne!(whole, weights(&model));

        let mut first = make(&model);
        let half = steps(first.as_mut(), model.clone(), 0..2);
        first.save(&half, &path).unwrap();
        let other = reloaded(&half);
        assert_ne!(other.parameters()[0].id, parameters[0].id);
        let mut second = make(&other);
        second.load(&other, &path).unwrap();
        assert_eq!(weights(&steps(second.as_mut(), other, 2..4)), whole, "{}", second.name());
    }
}

#[test]
fn the_state_of_another_optimizer_is_refused() {
    let (model, dir) = (tiny().train(), tempfile::tempdir().unwrap());
    let path = dir.path().join("optimizer.safetensors");
    let mut sgd = SgdConfig::new().init();
    let model = steps(&mut sgd, model, 0..1);
    Optimizer::save(&sgd, &model, &path).unwrap();
    let mut adamw = AdamW::from_arguments(&TrainingArguments::default(), model.parameters()).unwrap();
    let message = Optimizer::load(&mut adamw, &model, &path).unwrap_err().to_string();
    assert!(message.contains("this is the state of burn, and the run's optimizer is adamw; "), "{message}");
}

#[test]
fn a_mapping_that_no_optimizer_looks_at_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mapped = |args: &mut TrainingArguments| args.learning_rate_mapping = [("^1_Dense".to_owned(), 1e-4)].into();
    let message = refused(trainer(dir.path(), 8, mapped).optimizer(SgdConfig::new().init()));
    assert!(message.contains("`learning_rate_mapping` is {\"^1_Dense\":0.0001}; it belongs to AdamW"), "{message}");
}
