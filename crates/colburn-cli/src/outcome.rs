//! The outcome of a command that did not fail.

/// The outcome of a command that did not fail.
pub enum Outcome {
    Done,
    /// Ctrl-C: everything was saved, but the command is not done.
    Interrupted,
}
