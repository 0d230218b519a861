//! The only rank of a run in one process.

use burn::optim::GradientsParams;
use colburn_model::{ColBert, Parameter};
use colburn_ops::Embeddings;

use super::Ranks;
use crate::Result;

/// One rank alone: everything stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn world_size(&self) -> usize {
        1
    }

    fn all_reduce(&self, _: &mut GradientsParams, _: &[Parameter]) -> Result<()> {
        Ok(())
    }

    fn all_gather(&self, embeddings: Embeddings) -> Result<Embeddings> {
        Ok(embeddings)
    }

    fn broadcast(&self, model: ColBert) -> Result<ColBert> {
        Ok(model)
    }

    fn barrier(&self) -> Result<()> {
        Ok(())
    }

    fn any(&self, flag: bool) -> Result<bool> {
        Ok(flag)
    }
}
