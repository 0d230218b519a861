//! Batches for the tests of losses, in which every score is a number of one's choice.

use burn::tensor::{Device, Tensor, TensorData};
use colburn_ops::{Embeddings, Spans};

use crate::loss::{Loss, Targets};

/// Texts of one token each.
pub fn texts<const D: usize>(rows: &[[f32; D]], device: &Device) -> Embeddings {
    let values = Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), D]), device);
    Embeddings::new(values, Spans::from_lengths(&vec![1; rows.len()])).expect("one token a text")
}

/// The loss, and its gradient with respect to the scores of each query with its own documents.
pub fn value_and_gradient(loss: &impl Loss, scores: &[&[f32]], targets: &Targets) -> (f32, Vec<f32>) {
    let device = Device::flex().autodiff();
    // A query is 1, so a document is its score and has its gradient.
    let queries = texts(&vec![[1.0]; scores.len()], &device);
    let mut documents = texts(&scores.concat().iter().map(|&score| [score]).collect::<Vec<_>>(), &device);
    documents.values = documents.values.require_grad();
    let value = loss.forward(&queries, &documents, targets).expect("a batch that the loss takes");
    let gradients = value.backward();
    let gradient =
        documents.values.grad(&gradients).expect("a gradient").into_data().try_into_vec().expect("32-bit floats");
    (value.into_scalar(), gradient)
}

/// Within 1e-6, relative for numbers above 1.
pub fn assert_close(found: (f32, Vec<f32>), value: f32, gradient: &[f32]) {
    let close = |a: f32, b: f32| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
    assert!(close(found.0, value), "{}, expected {value}", found.0);
    assert!(found.1.iter().zip(gradient).all(|(&a, &b)| close(a, b)), "{:?}, expected {gradient:?}", found.1);
    assert_eq!(found.1.len(), gradient.len());
}
