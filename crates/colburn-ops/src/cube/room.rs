//! The memory of new arrays of an operation.

/// The memory of a new array. It decides nothing but how long the memory is kept: a reservation costs the thread of a CUDA device more than a launch,
/// so arrays of one task share theirs where they are gone at the same time. Other devices know no tasks, and give each array its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Memory of its own: for an array that is gone before the other ones of its task, or after them.
    Own,
    /// One piece of memory with the other shared arrays of the task. It is kept as long as the last of them.
    Shared,
    /// The same, for arrays that nothing reads behind the task.
    Scratch,
}
