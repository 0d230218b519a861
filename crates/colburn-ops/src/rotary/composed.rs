//! Rotary position embeddings made of Burn's operations.

use burn::tensor::Tensor;

/// Rotates the first `columns` of each row of `[tokens, width]`, and leaves the others; `cos` and `sin`: `[tokens, 1, half a head]`.
pub(super) fn rotate(x: Tensor<2>, columns: usize, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<2> {
    let [_, width] = x.dims();
    if columns == width {
        return heads(x, cos, sin);
    }
    let rotated = heads(x.clone().narrow(1, 0, columns), cos, sin);
    Tensor::cat(vec![rotated, x.narrow(1, columns, width - columns)], 1)
}

/// Rotates all heads of `[tokens, heads · head_dim]`.
fn heads(x: Tensor<2>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<2> {
    let [tokens, hidden] = x.dims();
    let half = cos.dims()[2];
    let x = x.reshape([tokens, hidden / (2 * half), 2 * half]);
    let (first, second) = (x.clone().narrow(2, 0, half), x.narrow(2, half, half));
    let rotated = [first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin];
    Tensor::cat(rotated.into(), 2).reshape([tokens, hidden])
}
