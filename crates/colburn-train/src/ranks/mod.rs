//! Ranks: the processes that train one model together, each on its share of the data.
//!
//! The training loop meets the other ranks at four places: the sampler gives each rank its batches, embeddings are gathered before the loss, gradients
//! are averaged before their norm is read, and rank 0 logs, evaluates and writes. Decisions that all ranks must take alike (stop, skip a step,
//! halve the mini-batch) are agreed on by [`Ranks::any`]. Names are those of MPI and `torch.distributed`.

pub(crate) mod alone;

use burn::optim::GradientsParams;
use colburn_model::{ColBert, Parameter};
use colburn_ops::Embeddings;

use crate::Result;

/// The ranks of a run, seen from one of them. Every rank calls the same methods in the same order; a call returns when all have made it.
///
/// A method fails when another rank cannot be reached; [`Error::other`](crate::Error::other) takes the error of any transport. The run ends then.
pub trait Ranks: Send + Sync {
    /// The number of this rank, from 0. Rank 0 logs, evaluates, calls callbacks and writes.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn world_size(&self) -> usize;

    /// Replaces each gradient by its mean over the ranks. `parameters` are those of the model in the order of [`ColBert::parameters`], which is
    /// the same on every rank, where the ids in `gradients` are not. Gradients lie on the device without autodiff.
    ///
    /// # Errors
    /// When a rank cannot be reached.
    fn all_reduce(&self, gradients: &mut GradientsParams, parameters: &[Parameter]) -> Result<()>;

    /// The embeddings of all ranks, in the order of the ranks; each may have another number of texts and tokens. Those of this rank keep their graph,
    /// the others have none.
    ///
    /// # Shapes
    /// `values`: `[tokens, dim]` in, `[tokens of all ranks, dim]` out.
    ///
    /// # Errors
    /// When a rank cannot be reached.
    fn all_gather(&self, embeddings: Embeddings) -> Result<Embeddings>;

    /// The model with the weights of rank 0.
    ///
    /// # Errors
    /// When a rank cannot be reached.
    fn broadcast(&self, model: ColBert) -> Result<ColBert>;

    /// Waits until every rank is here.
    ///
    /// # Errors
    /// When a rank cannot be reached.
    fn barrier(&self) -> Result<()>;

    /// True if the flag is true on at least one rank.
    ///
    /// # Errors
    /// When a rank cannot be reached.
    fn any(&self, flag: bool) -> Result<bool>;
}
