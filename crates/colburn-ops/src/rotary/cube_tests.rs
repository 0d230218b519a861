//! The kernel of CubeCL against its twin on flex.

use burn::tensor::{Device, Tensor};

use super::angles::Tables;
use super::{Rotary, composed};
use crate::cube::testing::{agree, device};
use crate::spans::Spans;
use crate::testing::random;

#[test]
fn the_kernel_of_cube_agrees_with_its_twin() {
    for (lengths, head_dim, heads) in
        [(vec![1], 2, 1), (vec![0], 4, 2), (vec![3, 0, 4], 6, 3), (vec![5, 9], 34, 2), (vec![40, 1, 90], 64, 6)]
    {
        let spans = Spans::from_lengths(&lengths);
        let rotary = Rotary(Tables::of_spans(&spans, head_dim, 10_000.0, &device()));
        let Tables { cos, sin } = Tables::of_spans(&spans, head_dim, 10_000.0, &Device::flex());
        let hidden = heads * head_dim;
        let twin = |columns| {
            let (cos, sin) = (cos.clone(), sin.clone());
            move |[x]: [Tensor<2>; 1]| {
                if x.dims()[0] == 0 { x } else { composed::rotate(x, columns, cos.clone(), sin.clone()) }
            }
        };
        agree([random([spans.tokens(), hidden], 1)], |[x]| rotary.apply(x), twin(hidden), 1e-6);
        let qkv = random([spans.tokens(), 3 * hidden], 2);
        agree([qkv.clone()], |[x]| rotary.apply_packed(x), twin(2 * hidden), 1e-6);
        // In place, because nothing else holds the array.
        agree([qkv], |[x]| rotary.apply_packed(x * 1.0), twin(2 * hidden), 1e-6);
    }
}
