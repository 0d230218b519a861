//! The result of a task.

/// A value, or the message of the failure for the terminal.
pub type Result<T> = std::result::Result<T, String>;
