//! AdamW as `torch.optim.AdamW` computes it, with a state that has names.
//!
//! Burn's own optimizer keeps its betas in 32 bits and its state under random ids. To agree with PyTorch to the last digits, and to resume to the
//! same bits, the trainer needs bias corrections in 64 bits and a state that is saved under the names of the parameters.
//!
//! Source: Loshchilov and Hutter, *Decoupled Weight Decay Regularization* (ICLR 2019); `torch/optim/adamw.py`.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{GradientCheckpointingStrategy, Tensor};
use colburn_model::Parameter;
use colburn_ops::{AdamWSettings, AnyTensor, Clip, ParameterUpdate, adamw_all};

use super::learning_rates;
use crate::{Result, TrainingArguments};

/// The settings of [`AdamW`]; the defaults are PyTorch's, but for the weight decay, which is Hugging Face's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of the gradients, and of the mean of their squares.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decay of the weights themselves, a share of the learning rate, for the parameters that [`decays`] names.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// True if weight decay applies to a parameter of this Hugging Face name: to all but biases and the weights of norms, by the patterns of
/// transformers' `Trainer.get_decay_parameter_names`.
pub fn decays(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_norm = |part: &str| part == "norm" || part.ends_with("_norm");
    !(name.contains("bias") || name.contains("layernorm") || name.contains("rmsnorm") || name.split('.').any(is_norm))
}

/// The state of one parameter, whatever its shape.
#[derive(Debug)]
struct State {
    step: u64,
    moments: [AnyTensor; 2],
}

/// The state of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Moments<const D: usize> {
    /// The number of its updates.
    pub step: u64,
    /// Mean of its gradients, in its shape.
    pub exp_avg: Tensor<D>,
    /// Mean of their squares, in its shape.
    pub exp_avg_sq: Tensor<D>,
}

/// The optimizer: `p ← p (1 − lr·λ) − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)` for each parameter that has a gradient.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    parameters: HashMap<ParamId, Parameter>,
    /// The factors of the learning rate, for the parameters with a learning rate of their own.
    multipliers: HashMap<ParamId, f64>,
    states: HashMap<ParamId, State>,
    /// The parameters of the last update.
    last: Vec<ParamId>,
}

impl AdamW {
    /// An optimizer of these parameters. Others in the module stay as they are.
    pub fn new(config: AdamWConfig, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        let parameters = parameters.into_iter().map(|parameter| (parameter.id, parameter)).collect();
        Self { config, parameters, multipliers: HashMap::new(), states: HashMap::new(), last: Vec::new() }
    }

    /// The optimizer that the arguments describe: `adam_beta1`, `adam_beta2`, `adam_epsilon`, `weight_decay` and `learning_rate_mapping`.
    ///
    /// The learning rate that [`AdamW::step`] takes is that of the parameters without one of their own. Those of the others keep their
    /// ratio to it.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) when a pattern of `learning_rate_mapping` matches no parameter, or two match the same.
    pub fn from_arguments(args: &TrainingArguments, parameters: Vec<Parameter>) -> Result<Self> {
        let config = AdamWConfig {
            betas: (args.adam_beta1, args.adam_beta2),
            epsilon: args.adam_epsilon,
            weight_decay: args.weight_decay,
        };
        let multipliers = learning_rates::multipliers(args, &parameters)?;
        Ok(Self { multipliers, ..Self::new(config, parameters) })
    }

    /// Updates the parameters that have a gradient; those without keep their value and their state, as in PyTorch.
    ///
    /// The work is done on tensors without autodiff; the updated parameters are leaves that require gradients, as before.
    pub fn step<M: Module>(&mut self, module: M, gradients: GradientsParams, learning_rate: f64) -> M {
        self.step_scaled(module, gradients, 1.0, learning_rate)
    }

    /// The same as [`AdamW::step`] with gradients that are multiplied by `factor` on the way, without another pass over them.
    pub(crate) fn step_scaled<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        factor: f64,
        learning_rate: f64,
    ) -> M {
        self.step_clipped_by(module, gradients, &Clip::By(factor), learning_rate)
    }

    /// The same with gradients that are clipped on the way.
    pub(crate) fn step_clipped_by<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        clip: &Clip,
        learning_rate: f64,
    ) -> M {
        self.last.clear();
        let settings = AdamWSettings { betas: self.config.betas, epsilon: self.config.epsilon };
        let mut take =
            Take { optimizer: self, gradients, learning_rate, strategies: HashMap::new(), updates: Vec::new() };
        let module = module.map(&mut take);
        let Take { strategies, updates, .. } = take;
        let steps: Vec<u64> = updates.iter().map(|update| update.step).collect();
        let updated = adamw_all(settings, clip, updates);
        let mut weights = HashMap::with_capacity(updated.len());
        for ((&id, step), (weight, moments)) in self.last.iter().zip(steps).zip(updated) {
            weights.insert(id, weight);
            self.states.insert(id, State { step, moments });
        }
        module.map(&mut Put { weights, strategies })
    }

    /// Takes back the count of the last update, which changed nothing.
    pub(crate) fn uncount(&mut self) {
        for id in self.last.drain(..) {
            match self.states.get_mut(&id) {
                Some(state) if state.step > 1 => state.step -= 1,
                _ => drop(self.states.remove(&id)),
            }
        }
    }

    pub(crate) fn parameter(&self, id: &ParamId) -> Option<&Parameter> {
        self.parameters.get(id)
    }

    pub(crate) fn moments<const D: usize>(&self, id: &ParamId) -> Option<Moments<D>> {
        let State { step, moments } = self.states.get(id)?;
        let [exp_avg, exp_avg_sq] = moments.clone().map(AnyTensor::into_tensor);
        Some(Moments { step: *step, exp_avg, exp_avg_sq })
    }

    pub(crate) fn set_moments<const D: usize>(&mut self, id: ParamId, moments: Moments<D>) {
        let Moments { step, exp_avg, exp_avg_sq } = moments;
        self.states.insert(id, State { step, moments: [exp_avg, exp_avg_sq].map(AnyTensor::new) });
    }

    /// The update of a parameter. Its state is taken out, so that nothing else holds the moments and they are updated in place.
    fn update<const D: usize>(
        &mut self,
        id: ParamId,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        learning_rate: f64,
    ) -> ParameterUpdate {
        let State { step, moments } = self.states.remove(&id).unwrap_or_else(|| State {
            step: 0,
            moments: [gradient.zeros_like(), gradient.zeros_like()].map(AnyTensor::new),
        });
        let rate = learning_rate * self.multipliers.get(&id).copied().unwrap_or(1.0);
        let decay = match self.parameters.get(&id) {
            Some(parameter) if decays(&parameter.name) => rate * self.config.weight_decay,
            _ => 0.0,
        };
        let (weight, gradient) = (AnyTensor::new(weight), AnyTensor::new(gradient));
        ParameterUpdate { rate, decay, step: step + 1, weight, gradient, moments }
    }
}

/// Takes the parameters that have a gradient out of a module.
struct Take<'a> {
    optimizer: &'a mut AdamW,
    gradients: GradientsParams,
    learning_rate: f64,
    /// The way in which the graph of each parameter keeps its intermediate results; none for a parameter without a graph.
    strategies: HashMap<ParamId, Option<GradientCheckpointingStrategy>>,
    updates: Vec<ParameterUpdate>,
}

impl ModuleMapper for Take<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = match self.optimizer.parameters.contains_key(&param.id) {
            true => self.gradients.remove::<D>(param.id),
            false => None,
        };
        let Some(gradient) = gradient else { return param };
        let (id, weight, mapper) = param.consume();
        self.strategies.insert(id, weight.gradient_checkpointing_strategy());
        let gradient = gradient.inner();
        let update = self.optimizer.update(id, weight.inner(), gradient.clone(), self.learning_rate);
        self.updates.push(update);
        self.optimizer.last.push(id);
        // Any tensor keeps the place until the weight is back; a copy of the weight would keep it from being updated in place.
        Param::from_mapped_value(id, gradient, mapper)
    }
}

/// Puts the updated parameters into their places.
struct Put {
    weights: HashMap<ParamId, AnyTensor>,
    strategies: HashMap<ParamId, Option<GradientCheckpointingStrategy>>,
}

impl ModuleMapper for Put {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(weight) = self.weights.remove(&param.id) else { return param };
        let (id, _, mapper) = param.consume();
        let weight = weight.into_tensor::<D>();
        let weight = match self.strategies.get(&id).copied().flatten() {
            Some(strategy) => weight.autodiff().with_gradient_checkpointing_strategy(strategy).require_grad(),
            None => weight,
        };
        Param::from_mapped_value(id, weight, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_and_norms_do_not_decay() {
        for name in [
            "encoder.layer.0.attention.output.LayerNorm.weight",
            "encoder.layer.0.output.dense.bias",
            "embeddings.LayerNorm.bias",
            "layers.3.attn_norm.weight",
            "embeddings.norm.weight",
            "final_norm.weight",
            "transformer.layer.0.sa_layer_norm.weight",
        ] {
            assert!(!decays(name), "{name}");
        }
        for name in [
            "embeddings.word_embeddings.weight",
            "encoder.layer.0.output.dense.weight",
            "1_Dense.linear.weight",
            "normal.weight",
        ] {
            assert!(decays(name), "{name}");
        }
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod golden {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    #[derive(Module, Debug)]
    struct Toy {
        w: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    fn parameter(name: &str, id: ParamId) -> Parameter {
        Parameter { name: name.to_owned(), id, shape: Vec::new(), transposed: false }
    }

    // import torch
    // w = torch.nn.Parameter(torch.tensor([[0.5, -1.25, 2.0], [0.03, -0.7, 1.5]]))
    // b = torch.nn.Parameter(torch.tensor([0.1, -0.2]))
    // optimizer = torch.optim.AdamW([{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}], lr=1e-2)
    // for step in range(3):
    //     for group in optimizer.param_groups: group["lr"] = 1e-2 * (1 - step / 4)
    //     w.grad = torch.tensor([[0.1, -0.2, 0.3], [1e-3, 0.0, -2.0]]) * (step + 1)
    //     b.grad = torch.tensor([0.5, -1e-4]) / (step + 1) if step != 1 else None
    //     optimizer.step()
    // for p in (w, b):
    //     s = optimizer.state[p]
    //     print(p.flatten().tolist(), s["exp_avg"].flatten().tolist(), s["exp_avg_sq"].flatten().tolist(), s["step"])
    #[test]
    fn equals_torch() {
        let device = Device::flex();
        let start = Toy {
            w: Param::from_data([[0.5, -1.25, 2.0], [0.03, -0.7, 1.5]], &device),
            b: Param::from_data([0.1, -0.2], &device),
        };
        let (w, b) = (start.w.id, start.b.id);
        let mut toy = start.train();
        let config = AdamWConfig { weight_decay: 0.1, ..Default::default() };
        let mut optimizer = AdamW::new(config, [parameter("dense.weight", w), parameter("dense.bias", b)]);
        for step in 0..3 {
            let mut gradients = GradientsParams::new();
            let of_w = Tensor::<2>::from_data([[0.1, -0.2, 0.3], [1e-3, 0.0, -2.0]], &device) * (step + 1);
            gradients.register(w, of_w);
            if step != 1 {
                gradients.register(b, Tensor::<1>::from_data([0.5, -1e-4], &device) / (step + 1));
            }
            toy = optimizer.step(toy, gradients, 1e-2 * (1.0 - f64::from(step) / 4.0));
        }
        assert!(toy.w.is_require_grad() && toy.b.is_require_grad());

        let (of_w, of_b) = (optimizer.moments::<2>(&w).unwrap(), optimizer.moments::<1>(&b).unwrap());
        assert_eq!((of_w.step, of_b.step), (3, 2));
        near(
            toy.w.val(),
            [
                0.4768630564212799,
                -1.2251766920089722,
                1.9734904766082764,
                0.007919962517917156,
                -0.6984261274337769,
                1.5186400413513184,
            ],
        );
        near(
            of_w.exp_avg,
            [
                0.05609999969601631,
                -0.11219999939203262,
                0.16830000281333923,
                0.0005610000225715339,
                0.0,
                -1.121999979019165,
            ],
        );
        near(
            of_w.exp_avg_sq,
            [
                0.0001399400207446888,
                0.0005597600829787552,
                0.001259460230357945,
                1.399400240131854e-08,
                0.0,
                0.05597600340843201,
            ],
        );
        near(toy.b.val(), [0.0856446847319603, -0.18564628064632416]);
        near(of_b.exp_avg, [0.061666667461395264, -1.2333332961134147e-05]);
        near(of_b.exp_avg_sq, [0.00027752778260037303, 1.110111134960956e-11]);
    }

    #[derive(Module, Debug)]
    struct Projected {
        w: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
        p: Param<Tensor<2>>,
    }

    // w, b = … as above
    // p = torch.nn.Parameter(torch.tensor([[0.4, -0.3]]))
    // # {"^1_Dense": 2e-3, "bias$": 5e-2} with learning_rate=1e-2: what sentence-transformers makes of it
    // groups = [{"params": [w], "weight_decay": 0.1}, {"params": [p], "lr": 2e-3, "weight_decay": 0.1},
    //           {"params": [b], "lr": 5e-2, "weight_decay": 0.0}]
    // optimizer = torch.optim.AdamW(groups, lr=1e-2)
    // scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 4)
    // for step in range(3):
    //     w.grad = torch.tensor([[0.1, -0.2, 0.3], [1e-3, 0.0, -2.0]]) * (step + 1)
    //     b.grad = torch.tensor([0.5, -1e-4])
    //     p.grad = torch.tensor([[-0.5, 2.0]]) / (step + 1)
    //     optimizer.step(); scheduler.step()
    // for x in (w, b, p): print(x.flatten().tolist())
    #[test]
    fn equals_torch_with_learning_rates_by_name() {
        let device = Device::flex();
        let mut model = Projected {
            w: Param::from_data([[0.5, -1.25, 2.0], [0.03, -0.7, 1.5]], &device),
            b: Param::from_data([0.1, -0.2], &device),
            p: Param::from_data([[0.4, -0.3]], &device),
        };
        let (w, b, p) = (model.w.id, model.b.id, model.p.id);
        let parameters = [("dense.weight", w), ("dense.bias", b), ("1_Dense.linear.weight", p)];
        let args = TrainingArguments {
            learning_rate: 1e-2,
            weight_decay: 0.1,
            learning_rate_mapping: [("^1_Dense".to_owned(), 2e-3), ("bias$".to_owned(), 5e-2)].into(),
            ..Default::default()
        };
        let parameters = parameters.map(|(name, id)| parameter(name, id)).into();
        let mut optimizer = AdamW::from_arguments(&args, parameters).unwrap();
        for step in 0..3 {
            let mut gradients = GradientsParams::new();
            let of_w = Tensor::<2>::from_data([[0.1, -0.2, 0.3], [1e-3, 0.0, -2.0]], &device) * (step + 1);
            gradients.register(w, of_w);
            gradients.register(b, Tensor::<1>::from_data([0.5, -1e-4], &device));
            gradients.register(p, Tensor::<2>::from_data([[-0.5, 2.0]], &device) / (step + 1));
            model = optimizer.step(model, gradients, 1e-2 * (1.0 - f64::from(step) / 4.0));
        }
        near(
            model.w.val(),
            [
                0.4768630564212799,
                -1.2251766920089722,
                1.9734904766082764,
                0.007919962517917156,
                -0.6984261274337769,
                1.5186400413513184,
            ],
        );
        near(model.b.val(), [-0.012499991804361343, -0.08751125633716583]);
        near(model.p.val(), [0.4040908217430115, -0.304135799407959]);
    }

    fn near<const D: usize, const N: usize>(found: Tensor<D>, expected: [f64; N]) {
        let shape = found.dims();
        let expected = TensorData::new(expected.map(|value| value as f32).to_vec(), shape);
        found.inner().into_data().assert_approx_eq::<f32>(&expected, Tolerance::relative(1e-6));
    }

    #[test]
    fn only_the_given_parameters_move() {
        let device = Device::flex();
        let toy = Toy { w: Param::from_data([[1.0]], &device), b: Param::from_data([1.0], &device) };
        let mut gradients = GradientsParams::new();
        gradients.register(toy.w.id, Tensor::<2>::ones([1, 1], &device));
        gradients.register(toy.b.id, Tensor::<1>::ones([1], &device));
        let mut optimizer = AdamW::new(AdamWConfig::default(), [parameter("w", toy.w.id)]);
        let toy = optimizer.step(toy, gradients, 0.5);
        assert!((toy.w.val().into_scalar::<f32>() - 0.5).abs() < 1e-6);
        assert_eq!(toy.b.val().into_scalar::<f32>(), 1.0);
    }

    #[test]
    fn a_step_that_changed_nothing_is_not_counted() {
        let device = Device::flex();
        let mut toy = Toy { w: Param::from_data([[1.0, 2.0]], &device), b: Param::from_data([1.0], &device) };
        let (w, b) = (toy.w.id, toy.b.id);
        let mut optimizer = AdamW::new(AdamWConfig::default(), [parameter("w", w), parameter("b", b)]);
        let mut steps = Vec::new();
        for (squares, counted) in [(f32::NAN, 0), (2.0, 1), (f32::INFINITY, 1), (2.0, 2)] {
            let mut gradients = GradientsParams::new();
            gradients.register(w, Tensor::<2>::ones([1, 2], &device));
            let before = toy.w.val().into_data();
            let clip =
                Clip::ToNorm { numbers: Tensor::from_data([0.5, squares], &device), max_norm: 1.0, unscale: 1.0 };
            toy = optimizer.step_clipped_by(toy, gradients, &clip, 0.1);
            if !squares.is_finite() {
                assert_eq!(toy.w.val().into_data(), before);
                optimizer.uncount();
            }
            steps.push((optimizer.moments::<2>(&w).map_or(0, |moments| moments.step), counted));
        }
        assert!(steps.iter().all(|(found, expected)| found == expected), "{steps:?}");
        assert!(optimizer.moments::<1>(&b).is_none());
    }
}
