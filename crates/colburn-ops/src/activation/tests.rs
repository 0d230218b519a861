//! The numbers of PyTorch, and the kernels against their twins.

use burn::tensor::{Device, Tensor, TensorData};

use super::flex::{elementwise::Elementwise, function::SimdActivation, gated::Gated};
use super::{Activation, composed, flex};
use crate::kernel::flex::apply_1;
use crate::testing::{agree, instruction_sets, random, same_on_any_threads};

fn value_and_gradient<const D: usize>(x: Tensor<D>, function: impl Fn(Tensor<D>) -> Tensor<D>) -> (Vec<f32>, Vec<f32>) {
    let x = x.require_grad();
    let y = function(x.clone());
    let gradients = y.clone().sum().backward();
    let values = |data: TensorData| data.try_to_vec::<f32>().unwrap();
    (values(y.inner().into_data()), values(x.grad(&gradients).unwrap().into_data()))
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-6 * b.abs().max(1.0);
    assert!(found.iter().zip(expected).all(near), "{what}: {found:?} is not {expected:?}");
}

// for name in …:
//     x = torch.tensor([-30., -3., -.5, 0., .7, 2., 8., 30.], requires_grad=True)
//     y = transformers.activations.ACT2FN[name](x); y.sum().backward(); print(name, y, x.grad)
#[test]
fn values_and_gradients_are_those_of_torch() {
    let x = [-30.0, -3.0, -0.5, 0.0, 0.7, 2.0, 8.0, 30.0f32];
    let gelu = [0.0, -0.004050225, -0.15426877, 0.0, 0.53062546, 1.9544997, 8.0, 30.0f32];
    let gelu_slope = [0.0, -0.011945605, 0.13250491, 0.5, 0.9766141, 1.0852319, 1.0, 1.0f32];
    let tanh_gelu = [0.0, -0.003637433, -0.154286, 0.0, 0.53057015, 1.9545977, 8.0, 30.0f32];
    let tanh_gelu_slope = [0.0, -0.011584297, 0.1326301, 0.5, 0.9763572, 1.0860993, 1.0, 1.0f32];
    let silu = [-2.8e-12, -0.14227761, -0.18877034, 0.0, 0.46773142, 1.761594, 7.9973173, 30.0f32];
    let silu_slope = [-2.7e-12, -0.08810411, 0.26003882, 0.5, 0.8233867, 1.0907843, 1.0023464, 1.0f32];
    let expected: [(&[&str], [f32; 8], [f32; 8]); 13] = [
        (&["gelu", "gelu_python"], gelu, gelu_slope),
        (
            &["gelu_10"],
            [0.0, -0.004050225, -0.15426877, 0.0, 0.53062546, 1.9544997, 8.0, 10.0],
            [0.0, -0.011945605, 0.13250491, 0.5, 0.9766141, 1.0852319, 1.0, 0.0],
        ),
        (
            &["gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"],
            tanh_gelu,
            tanh_gelu_slope,
        ),
        (
            &["quick_gelu"],
            [-2.0e-21, -0.01807131, -0.14961156, 0.0, 0.53689396, 1.9356586, 7.9999905, 30.0],
            [-3.3e-21, -0.024548328, 0.120778084, 0.5, 0.9799132, 1.0738155, 1.000015, 1.0],
        ),
        (&["relu"], [0.0, 0.0, 0.0, 0.0, 0.7, 2.0, 8.0, 30.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
        (&["relu2"], [0.0, 0.0, 0.0, 0.0, 0.49, 4.0, 64.0, 900.0], [0.0, 0.0, 0.0, 0.0, 1.4, 4.0, 16.0, 60.0]),
        (&["relu6"], [0.0, 0.0, 0.0, 0.0, 0.7, 2.0, 6.0, 6.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
        (
            &["leaky_relu"],
            [-0.3, -0.03, -0.005, 0.0, 0.7, 2.0, 8.0, 30.0],
            [0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0, 1.0],
        ),
        (&["silu", "swish"], silu, silu_slope),
        (
            &["mish"],
            [-2.8e-12, -0.14564747, -0.22074376, 0.0, 0.56114835, 1.943959, 7.999998, 30.0],
            [-2.7e-12, -0.093393125, 0.28951064, 0.6, 0.9687949, 1.0693179, 1.0000036, 1.0],
        ),
        (
            &["sigmoid"],
            [9.4e-14, 0.047425874, 0.37754068, 0.5, 0.66818774, 0.880797, 0.99966466, 1.0],
            [9.4e-14, 0.04517666, 0.23500371, 0.25, 0.22171289, 0.10499363, 0.00033522327, 0.0],
        ),
        (
            &["tanh"],
            [-1.0, -0.9950548, -0.46211717, 0.0, 0.6043678, 0.9640276, 0.99999976, 1.0],
            [0.0, 0.009865982, 0.7864477, 1.0, 0.6347396, 0.070650816, 4.768371e-07, 0.0],
        ),
        (&["linear"], x, [1.0; 8]),
    ];
    for (names, y, slope) in &expected {
        for name in *names {
            let activation = Activation::from_name(name).unwrap();
            let x = Tensor::<1>::from_data(x, &Device::flex().autodiff());
            let found = value_and_gradient(x, |x| activation.forward(x));
            close(&found.0, y, name);
            close(&found.1, slope, name);
        }
    }
    let tested: Vec<&str> = expected.iter().flat_map(|(names, ..)| names.iter().copied()).collect();
    assert!(Activation::NAMES.iter().all(|name| tested.contains(name)), "a name without numbers");
    assert_eq!(Activation::from_name("prelu"), None);
}

// x = torch.tensor([[1., -.5, 2., 3.]], requires_grad=True); a, gate = x.chunk(2, dim=-1)
// y = torch.nn.functional.gelu(a) * gate; y.sum().backward(); print(y, x.grad)
#[test]
fn the_second_half_is_the_gate() {
    let x = Tensor::<2>::from_data([[1.0, -0.5, 2.0, 3.0]], &Device::flex().autodiff());
    let (y, dx) = value_and_gradient(x, |x| Activation::Gelu.gated(x));
    close(&y, &[1.6826895, -0.4628063], "value");
    close(&dx, &[2.1666307, 0.39751473, 0.8413447, -0.15426877], "gradient");
}

const WITH_KERNEL: [Activation; 5] =
    [Activation::Gelu, Activation::GeluNew, Activation::QuickGelu, Activation::Silu, Activation::Relu];

#[test]
fn every_element_agrees_with_its_twin() {
    for arch in instruction_sets() {
        for (seed, activation) in WITH_KERNEL.into_iter().enumerate() {
            let kernel = Elementwise::<2> { arch, activation: SimdActivation::of(activation).unwrap() };
            for shape in [[0, 5], [1, 1], [1, 3], [5, 15], [3, 16], [4, 17], [9, 31], [50, 384], [13, 1536]] {
                let x = random(shape, seed as u64) * 3.0;
                agree([x], |[x]| apply_1(kernel.clone(), x), |[x]| composed::activate(activation, x), 1e-6);
            }
        }
    }
}

#[test]
fn every_element_is_the_same_on_any_number_of_threads() {
    same_on_any_threads([random([70, 1536], 1)], |[x]| {
        flex::activate(SimdActivation::of(Activation::Gelu).unwrap(), x)
    });
}

#[test]
fn nan_stays_nan() {
    let x = || Tensor::<2>::from_floats([[f32::NAN; 20]], &Device::flex());
    let all_nan = |y: Tensor<2>| y.into_data().try_to_vec::<f32>().unwrap().iter().all(|y| y.is_nan());
    for name in Activation::NAMES {
        let activation = Activation::from_name(name).unwrap();
        assert!(all_nan(composed::activate(activation, x())), "{name}, composed");
        let Some(function) = SimdActivation::of(activation) else { continue };
        for arch in instruction_sets() {
            let kernel = Elementwise::<2> { arch, activation: function };
            assert!(all_nan(apply_1(kernel, x())), "{name}, {arch:?}");
        }
    }
}

#[test]
fn a_gated_unit_agrees_with_its_twin() {
    for arch in instruction_sets() {
        for activation in [Activation::Gelu, Activation::Silu, Activation::Relu] {
            let kernel = Gated { arch, activation: SimdActivation::of(activation).unwrap() };
            for (seed, shape) in
                [[3, 2], [4, 6], [5, 7], [5, 30], [3, 32], [4, 34], [9, 62], [40, 2304]].into_iter().enumerate()
            {
                let x = random(shape, seed as u64) * 2.0;
                agree([x], |[x]| apply_1(kernel.clone(), x), |[x]| composed::gated(activation, x), 1e-6);
            }
        }
    }
}

#[test]
fn a_gated_unit_of_nothing_is_nothing() {
    for (shape, expected) in [([0, 6], [0, 3]), ([2, 0], [2, 0]), ([2, 1], [2, 0])] {
        let x = random(shape, 1).autodiff().require_grad();
        let y = flex::gated(SimdActivation::of(Activation::Gelu).unwrap(), x.clone());
        assert_eq!(y.dims(), expected);
        let gradient = x.grad(&y.sum().backward()).unwrap();
        assert_eq!(gradient.into_data().try_to_vec::<f32>().unwrap(), vec![0.0; shape[0] * shape[1]]);
    }
}

#[test]
fn a_gated_unit_is_the_same_on_any_number_of_threads() {
    same_on_any_threads([random([70, 768], 1)], |[x]| flex::gated(SimdActivation::of(Activation::Gelu).unwrap(), x));
}
