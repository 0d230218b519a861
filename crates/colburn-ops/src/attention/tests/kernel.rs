//! The kernel against its composed twin.

use burn::tensor::{Device, Tensor};
use pulp::Arch;

use crate::attention::composed::attention_within;
use crate::attention::flex::Attention;
use crate::attention::{AttentionOptions, RelativeBias};
use crate::batch::Batch;
use crate::kernel::flex::{apply_1, apply_2, apply_3, apply_4};
use crate::masks::Dropout;
use crate::seed::mix;
use crate::spans::Spans;
use crate::testing::{agree, instruction_sets, random};

/// Near distances by themselves, far ones together, before and after unlike.
pub(super) fn bucket(distance: i64) -> usize {
    (distance.clamp(-3, 3) + 3) as usize
}

/// Everything but the tensors.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub spans: Spans,
    pub heads: usize,
    pub head_dim: usize,
    pub window: Option<usize>,
    pub biased: bool,
    pub dropout: f64,
}

impl Case {
    pub fn options(&self, table: Option<Tensor<2>>) -> AttentionOptions {
        let bias = table.map(|table| RelativeBias { table, bucket });
        AttentionOptions { heads: self.heads, dropout: self.dropout, window: self.window, bias }
    }

    pub fn batch(&self, device: &Device) -> Batch {
        Batch::new(&self.spans, Dropout::seeded(11).from_text(3), device)
    }

    fn kernel(&self, table: Option<Tensor<2>>, arch: Arch) -> (Attention, Option<Tensor<2>>) {
        let mut batch = self.batch(&Device::flex());
        let masks = batch.masks(self.dropout);
        Attention::new(self.options(table), masks, &mut batch, arch)
    }

    pub fn twin(&self, inputs: [Tensor<2>; 3], table: Option<Tensor<2>>) -> Tensor<2> {
        let mut batch = self.batch(&Device::flex());
        let masks = batch.masks(self.dropout);
        attention_within(1 << 22, inputs, &self.options(table), masks, &mut batch)
    }

    pub fn draw(&self, seed: u64) -> [Tensor<2>; 4] {
        let shape = [self.spans.tokens(), self.heads * self.head_dim];
        let [q, k, v] = [0, 1, 2].map(|input| random(shape, seed + input));
        // Products of some size, so that the softmax is not flat.
        [q * 2.0, k * 2.0, v, random([7, self.heads], seed + 3)]
    }

    fn check(&self, seed: u64, arch: Arch) {
        let [q, k, v, table] = self.draw(seed);
        if self.biased {
            let kernel = |[q, k, v, table]: [Tensor<2>; 4]| {
                let (kernel, table) = self.kernel(Some(table), arch);
                apply_4(kernel, q, k, v, table.unwrap())
            };
            agree([q, k, v, table], kernel, |[q, k, v, table]| self.twin([q, k, v], Some(table)), 2e-5);
        } else {
            let kernel = |[q, k, v]: [Tensor<2>; 3]| apply_3(self.kernel(None, arch).0, q, k, v);
            agree([q, k, v], kernel, |inputs| self.twin(inputs, None), 2e-5);
        }
    }

    /// The same with q, k and v side by side.
    fn check_packed(&self, seed: u64, arch: Arch) {
        let [q, k, v, table] = self.draw(seed);
        let qkv = Tensor::cat(vec![q, k, v], 1);
        let parts = |qkv: Tensor<2>| {
            let hidden = self.heads * self.head_dim;
            [0, 1, 2].map(|part| qkv.clone().narrow(1, part * hidden, hidden))
        };
        if self.biased {
            let kernel = |[qkv, table]: [Tensor<2>; 2]| {
                let (kernel, table) = self.kernel(Some(table), arch);
                apply_2(kernel, qkv, table.unwrap())
            };
            agree([qkv, table], kernel, |[qkv, table]| self.twin(parts(qkv), Some(table)), 2e-5);
        } else {
            let kernel = |[qkv]: [Tensor<2>; 1]| apply_1(self.kernel(None, arch).0, qkv);
            agree([qkv], kernel, |[qkv]| self.twin(parts(qkv), None), 2e-5);
        }
    }
}

/// Some of so many sequences, each of one of these lengths and often with fewer keys than tokens.
fn draw_spans(seed: u64, lengths: &[usize]) -> Spans {
    let lengths: Vec<usize> =
        (0..1 + mix(seed, 0) % 4).map(|place| lengths[mix(seed, 1 + place) as usize % lengths.len()]).collect();
    let keys = lengths.iter().enumerate().map(|(place, &length)| match mix(seed, 10 + place as u64) % 4 {
        0 => mix(seed, 20 + place as u64) as usize % (length + 1),
        1 => length / 3,
        _ => length,
    });
    let keys: Vec<usize> = keys.collect();
    Spans::with_keys(&lengths, &keys).unwrap()
}

pub(super) fn draw(seed: u64, lengths: &[usize]) -> Case {
    let pick = |place: u64, count: u64| (mix(seed, 100 + place) % count) as usize;
    // A softmax of one key has no gradient, which differences relative to the largest one could not be taken from: there is always more.
    let spans = Spans::concat([&draw_spans(seed, lengths), &Spans::from_lengths(&[5])]);
    Case {
        spans,
        heads: 1 + pick(0, 3),
        head_dim: [1, 4, 20, 32, 64][pick(1, 5)],
        window: [None, None, Some(1), Some(2), Some(20), Some(70)][pick(2, 6)],
        biased: pick(3, 2) == 0,
        dropout: [0.0, 0.3][pick(4, 2)],
    }
}

#[test]
fn agrees_with_its_twin() {
    let lengths = [0, 1, 2, 3, 15, 16, 17, 47, 48, 49, 64, 65, 100, 180];
    for seed in 0..150 {
        let case = draw(seed, &lengths);
        for arch in instruction_sets() {
            if seed % 2 == 0 { case.check(1000 * seed, arch) } else { case.check_packed(1000 * seed, arch) }
        }
    }
}

#[test]
fn agrees_with_its_twin_at_many_parts() {
    for (seed, length) in [193, 384, 400, 512, 700].into_iter().enumerate() {
        for part in 0..4 {
            let case = draw(1000 + 10 * seed as u64 + part, &[length, 9]);
            let spans = Spans::concat([&case.spans, &Spans::from_lengths(&[length])]);
            let case = Case { spans, ..case };
            for arch in instruction_sets().into_iter().take(2) {
                case.check(seed as u64, arch);
            }
        }
    }
}

#[test]
fn a_largest_score_that_comes_late_corrects_what_was_summed() {
    let spans = Spans::from_lengths(&[600]);
    let case = Case { spans, heads: 1, head_dim: 4, window: None, biased: false, dropout: 0.0 };
    let [q, _, v, _] = case.draw(5);
    // Scores grow along the text, beyond what an exponential holds.
    let growth = random::<2>([600, 4], 6) * 0.1 + Tensor::arange(0..600, &q.device()).float().reshape([600, 1]) * 0.5;
    for arch in instruction_sets() {
        let kernel = |[q, k, v]: [Tensor<2>; 3]| apply_3(case.kernel(None, arch).0, q, k, v);
        agree([q.clone(), growth.clone(), v.clone()], kernel, |inputs| case.twin(inputs, None), 1e-4);
    }
}

#[test]
fn a_window_of_0_leaves_each_token_to_itself() {
    let spans = Spans::with_keys(&[70, 1, 9], &[60, 1, 0]).unwrap();
    let case = Case { spans, heads: 2, head_dim: 20, window: Some(0), biased: false, dropout: 0.0 };
    let [q, k, v, _] = case.draw(3).map(|x| x.autodiff().require_grad());
    let value = apply_3::<_, 2, 2, 2, 2>(case.kernel(None, Arch::new()).0, q.clone(), k.clone(), v.clone());
    let gradients = value.clone().sum().backward();
    let alone = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
    let (v_values, value, by_v) = (alone(v.clone().inner()), alone(value.inner()), alone(v.grad(&gradients).unwrap()));
    for (place, &value) in value.iter().enumerate() {
        let counts = place / 40 < 60 || place / 40 == 70;
        assert_eq!(value, if counts { v_values[place] } else { 0.0 });
        assert_eq!(by_v[place], f32::from(u8::from(counts)));
    }
    for x in [q, k] {
        assert!(alone(x.grad(&gradients).unwrap()).iter().all(|gradient| gradient.abs() < 1e-4));
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let spans = Spans::with_keys(&[180, 3, 0, 300, 64, 17], &[180, 0, 0, 250, 64, 9]).unwrap();
    for window in [None, Some(20)] {
        let case = Case { spans: spans.clone(), heads: 3, head_dim: 20, window, biased: true, dropout: 0.1 };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let inputs = case.draw(9).map(|x| x.autodiff().require_grad());
                let [q, k, v, table] = inputs.clone();
                let (kernel, table) = case.kernel(Some(table), Arch::new());
                let value = apply_4::<_, 2, 2, 2, 2, 2>(kernel, q, k, v, table.unwrap());
                let gradients = value.clone().powf_scalar(2.0).sum().backward();
                let mut all = vec![value.inner().into_data()];
                all.extend(inputs.iter().map(|input| input.grad(&gradients).unwrap().into_data()));
                all
            })
        };
        let one = run(1);
        assert!(run(2) == one && run(3) == one);
    }
}
