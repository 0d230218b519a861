//! The kernels on the device against those of flex.

use burn::tensor::{Device, Tensor};

use super::portable;
use crate::adamw::{self, AdamWSettings, Clip, ParameterUpdate, adamw_all, composed, squared_norms};
use crate::any_tensor::AnyTensor;
use crate::cube::testing::{device, has_bf16, moved, tensor, values};
use crate::late_numbers::LateNumbers;
use crate::testing::{close, numbers, random};

const SETTINGS: AdamWSettings = AdamWSettings { betas: (0.9, 0.999), epsilon: 1e-8 };

/// Sizes of parameters: of one, of no whole vector, of more than a chunk, of nothing.
const SHAPES: [[usize; 2]; 8] = [[1, 1], [1, 5], [3, 16], [7, 19], [5, 10_000], [0, 4], [64, 64], [1, 8192]];

/// Parameters that differ in shape, rate, decay and step, with their gradients and moments.
fn parameters(count: usize, on: impl Fn(Tensor<2>) -> Tensor<2>) -> Vec<ParameterUpdate> {
    let parameter = |number: usize| {
        let draw = |kind: u64| random(SHAPES[number % SHAPES.len()], 10 * number as u64 + kind);
        let any = |x: Tensor<2>| AnyTensor::new(on(x));
        ParameterUpdate {
            rate: 1e-2 / (1 + number % 3) as f64,
            decay: [0.0, 1e-3][number % 2],
            step: 1 + number as u64 % 7,
            weight: any(draw(0)),
            gradient: any(draw(1)),
            moments: [any(draw(2) / 3.0), any(draw(3).abs() / 10.0)],
        }
    };
    (0..count).map(parameter).collect()
}

/// More parameters than a launch of CUDA takes; a launch for each is slow in software.
fn many() -> usize {
    if has_bf16() { 300 } else { 10 }
}

fn all(updated: Vec<(AnyTensor, [AnyTensor; 2])>) -> Vec<[Vec<f32>; 3]> {
    let numbers = |tensor: AnyTensor| values(tensor.into_tensor::<2>());
    updated.into_iter().map(|(weight, [mean, squares])| [weight, mean, squares].map(numbers)).collect()
}

fn near(found: Vec<(AnyTensor, [AnyTensor; 2])>, expected: Vec<(AnyTensor, [AnyTensor; 2])>) {
    let (found, expected) = (all(found), all(expected));
    assert_eq!(found.len(), expected.len());
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        for (kind, (found, expected)) in ["weight", "mean", "squares"].iter().zip(found.iter().zip(expected)) {
            close(found, expected, 1e-6, &format!("{kind} of parameter {number}"));
        }
    }
}

#[test]
fn the_update_of_all_is_that_of_flex() {
    for count in [1, 8, many()] {
        for factor in [1.0, 0.0371] {
            let found = adamw_all(SETTINGS, &Clip::By(factor), parameters(count, moved));
            near(found, adamw_all(SETTINGS, &Clip::By(factor), parameters(count, |x| x)));
        }
    }
}

#[test]
fn the_norm_is_clipped_on_the_device() {
    for (squared, max_norm) in [(100.0f32, 1.0), (0.25, 1.0), (100.0, 0.0), (0.0, 1.0)] {
        let clip = |device: &Device| Clip::ToNorm { numbers: Tensor::from_data([3.5, squared], device), max_norm };
        let found = adamw_all(SETTINGS, &clip(&device()), parameters(9, moved));
        let expected = adamw_all(SETTINGS, &clip(&Device::flex()), parameters(9, |x| x));
        near(found, expected);
        let factor = Clip::factor(f64::from(squared).sqrt(), max_norm);
        near(
            adamw_all(SETTINGS, &clip(&device()), parameters(9, moved)),
            adamw_all(SETTINGS, &Clip::By(factor), parameters(9, |x| x)),
        );
    }
}

#[test]
fn nothing_changes_where_a_number_is_not_finite() {
    let before = |parameters: Vec<ParameterUpdate>| {
        parameters.into_iter().map(|parameter| (parameter.weight, parameter.moments)).collect::<Vec<_>>()
    };
    for numbers in [[f32::NAN, 1.0], [1.0, f32::NAN], [f32::INFINITY, 1.0], [1.0, f32::INFINITY]] {
        for device in [device(), Device::flex()] {
            let clip = Clip::ToNorm { numbers: Tensor::from_data(numbers, &device), max_norm: 1.0 };
            let on = |x: Tensor<2>| Tensor::from_data(x.into_data(), &device);
            assert_eq!(all(adamw_all(SETTINGS, &clip, parameters(9, on))), all(before(parameters(9, on))));
        }
    }
}

#[test]
fn a_tensor_that_something_holds_stays() {
    // Of rows that Burn keeps at distances of their own.
    let update = parameters(4, moved).remove(3);
    let held = [&update.weight, &update.moments[0], &update.moments[1]].map(Clone::clone);
    let numbers = |tensors: [AnyTensor; 3]| tensors.map(|tensor| values(tensor.into_tensor::<2>()));
    let before = numbers(held.clone());
    let after = adamw_all(SETTINGS, &Clip::By(1.0), vec![update]);
    assert!(numbers(held) == before);
    near(after, adamw_all(SETTINGS, &Clip::By(1.0), vec![parameters(4, |x| x).remove(3)]));
}

#[test]
fn one_parameter_alone_and_one_of_other_strides_are_updated_too() {
    let numbers = parameters(7, |x| x).remove(6).numbers(SETTINGS, 0.5);
    let draw = |kind: u64| random([17, 30], kind);
    let inputs = [draw(0), draw(1), draw(2), draw(3).abs()];
    let [w, g, m, v] = inputs.clone().map(|x| moved(x).transpose());
    let (found, moments) = adamw::adamw(&numbers, w, g, [m, v]);
    let [w, g, m, v] = inputs.map(Tensor::transpose);
    let (expected, expected_moments) = composed::adamw(&numbers, w, g, [m, v]);
    for (found, expected) in [found].into_iter().chain(moments).zip([expected].into_iter().chain(expected_moments)) {
        close(&values(found), &values(expected), 1e-6, "a transposed parameter");
    }
}

#[test]
fn the_norm_is_that_of_its_definition() {
    let gradients = |count: usize| -> Vec<AnyTensor> {
        parameters(count, moved).into_iter().map(|parameter| parameter.gradient).collect()
    };
    for count in [1, 8, many()] {
        let all = parameters(count, |x| x).into_iter().flat_map(|one| values(one.gradient.into_tensor::<2>()));
        let exact: f64 = all.map(|x| f64::from(x) * f64::from(x)).sum();
        let run = || values(squared_norms(gradients(count)));
        let found = run();
        assert_eq!(found.len(), 1);
        assert!((f64::from(found[0]) - exact).abs() <= 1e-6 * exact, "{found:?}, {exact} expected");
        assert_eq!(found, run());
    }
    assert_eq!(values(squared_norms(vec![AnyTensor::new(moved(random([0, 4], 1)))])), [0.0]);
    for broken in [f32::NAN, f32::INFINITY] {
        let mut with = numbers(9000, 1);
        with[8500] = broken;
        let found = values(squared_norms(vec![AnyTensor::new(tensor(with, [9000]))]));
        assert!(!found[0].is_finite());
    }
    // By the kernels in CubeCL also where others serve.
    let array = |gradient: AnyTensor| super::contiguous(gradient);
    let parts: Vec<_> = gradients(5).into_iter().map(array).collect();
    let found = values(super::tensor(portable::squared_norm(&parts[0], &parts)));
    close(&found, &values(squared_norms(gradients(5))), 1e-6, "the portable norm");
}

#[test]
fn numbers_are_those_of_the_time_when_their_copy_was_queued() {
    let x = tensor(vec![1.0, f32::NAN, -3.0], [3]);
    let late = LateNumbers::new(x.clone());
    let y = x * 2.0;
    let read = late.read().unwrap();
    assert!(read[0] == 1.0 && read[1].is_nan() && read[2] == -3.0);
    assert_eq!(LateNumbers::new(y).read().unwrap()[2], -6.0);
    assert_eq!(LateNumbers::new(Tensor::from_data([5.0], &Device::flex())).read().unwrap(), [5.0]);
}
