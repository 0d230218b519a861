//! The sizes of the runs of `scaling`.

pub const BATCHES: [usize; 6] = [4, 8, 16, 32, 64, 128];
pub const LENGTHS: [usize; 5] = [32, 64, 128, 256, 512];
/// The batch of the lengths.
pub const BATCH_OF_LENGTHS: usize = 8;
pub const WARMUP: usize = 1;
pub const STEPS: usize = 3;
/// The rows of the longest run.
pub const MOST_ROWS: usize = BATCHES[BATCHES.len() - 1] * (WARMUP + STEPS);
