//! The kernels against their twins and the definition.

use burn::tensor::{Device, Tensor};

use super::flex::{array, tensor};
use super::{
    AdamWSettings, AdamWUpdate, Clip, ParameterUpdate, adamw_all, composed, flex, squared_norm, squared_norms,
};
use crate::any_tensor::AnyTensor;
use crate::testing::{instruction_sets, numbers, random};

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    array(tensor).iter().map(|value| value.to_bits()).collect()
}

#[test]
fn is_its_twin_to_the_bit() {
    let plain = AdamWUpdate { betas: (0.9, 0.999), epsilon: 1e-8, rate: 1e-2, decay: 0.0, step: 1, factor: 1.0 };
    for update in [
        plain,
        AdamWUpdate { decay: 1e-3, ..plain },
        AdamWUpdate { factor: 0.0371, step: 7, ..plain },
        AdamWUpdate { betas: (0.8, 0.95), epsilon: 1e-5, rate: 3e-5, decay: 1e-6, step: 1000, factor: 0.5 },
    ] {
        for (seed, shape) in [[0, 3], [1, 1], [1, 5], [3, 16], [7, 19], [5, 10_000]].into_iter().enumerate() {
            let draw = |kind: u64| random(shape, 10 * seed as u64 + kind);
            let (weight, gradient, moments) = (draw(0), draw(1), [draw(2) / 3.0, draw(3).abs()]);
            let (expected, of_moments) = composed::adamw(&update, weight.clone(), gradient.clone(), moments.clone());
            let expected = [expected].into_iter().chain(of_moments).map(bits).collect::<Vec<_>>();
            for arch in instruction_sets() {
                let (found, of_moments) =
                    flex::adamw_on(arch, &update, weight.clone(), gradient.clone(), moments.clone());
                let found = [found].into_iter().chain(of_moments).map(bits).collect::<Vec<_>>();
                assert!(found == expected, "{arch:?}, {shape:?}, {update:?}");
            }
        }
    }
}

#[test]
fn tensors_are_updated_in_place_unless_something_holds_them() {
    let update = AdamWUpdate { betas: (0.9, 0.999), epsilon: 1e-8, rate: 1e-2, decay: 0.0, step: 1, factor: 1.0 };
    let (weight, gradient) = (array(random([30, 40], 1)), random([30, 40], 2));
    let moments = [random([30, 40], 3), random([30, 40], 4).abs()];
    let (before, place) = (weight.to_vec(), weight.as_ptr());
    let (held, kept) = (moments[0].clone(), bits(moments[0].clone()));
    let (weight, [mean, _]) = flex::adamw::<2>(&update, tensor(weight), gradient, moments);
    let weight = array(weight);
    assert!(weight.as_ptr() == place && weight.to_vec() != before);
    assert!(bits(held) == kept && bits(mean) != kept);
}

#[test]
fn the_norm_is_that_of_its_definition() {
    for (seed, shape) in [[1, 1], [3, 5], [1, 200_000], [700, 100], [0, 4]].into_iter().enumerate() {
        let x = random(shape, seed as u64);
        let exact: f64 = numbers(shape[0] * shape[1], seed as u64).iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        // The composed form adds up a row of 200,000 in 32 bits.
        for (found, tolerance) in [
            (squared_norm(x.clone()), 1e-6),
            (squared_norm(x.clone().autodiff()), 1e-6),
            (composed::squared_norm(x), 1e-4),
        ] {
            let found = f64::from(found.into_scalar::<f32>());
            assert!((found - exact).abs() <= tolerance * exact, "{shape:?}: {found}, {exact} expected");
        }
    }
    // Numbers that do not lie side by side.
    let part = random([40, 30], 1).slice([3..20, 4..9]);
    let (found, twin) = (squared_norm(part.clone()), composed::squared_norm(part));
    assert!((found.into_scalar::<f32>() - twin.into_scalar::<f32>()).abs() < 1e-4);
    let infinite = Tensor::<1>::from_data([1.0, f32::NAN], &Device::flex());
    assert!(squared_norm(infinite).into_scalar::<f32>().is_nan());
}

#[test]
fn clipping_only_shrinks() {
    assert_eq!(Clip::factor(0.5, 1.0), 1.0);
    assert_eq!(Clip::factor(5.0, 0.0), 1.0);
    assert_eq!(Clip::factor(4.0, 1.0), 1.0 / (4.0 + 1e-6));
}

/// One call for all parameters is a call for each.
#[test]
fn all_parameters_are_updated_as_one_by_one() {
    let settings = AdamWSettings { betas: (0.9, 0.999), epsilon: 1e-8 };
    let draw = |number: u64| [0, 1, 2].map(|kind| random([7, 5 + number as usize], 10 * number + kind).abs());
    let update = |number: u64| {
        let [weight, gradient, moment] = draw(number).map(AnyTensor::new);
        let (rate, decay, step) = (0.1 / (number + 1) as f64, 1e-3, number + 1);
        ParameterUpdate { rate, decay, step, weight, gradient, moments: [moment.clone(), moment] }
    };
    let found = adamw_all(settings, &Clip::By(0.5), (0..4).map(update).collect());
    for (number, (weight, moments)) in (0..4).zip(found) {
        let [expected, gradient, moment] = draw(number);
        let numbers = update(number).numbers(settings, 0.5);
        let (expected, of_moments) = flex::adamw(&numbers, expected, gradient, [moment.clone(), moment]);
        assert_eq!(bits(weight.into_tensor::<2>()), bits(expected));
        assert_eq!(moments.map(|moment| bits(moment.into_tensor::<2>())), of_moments.map(bits));
    }
    let gradients = || (0..4).map(|number| draw(number)[1].clone());
    let found = squared_norms(gradients().map(AnyTensor::new).collect());
    assert_eq!(bits(found), gradients().flat_map(|gradient| bits(squared_norm(gradient))).collect::<Vec<_>>());
}
