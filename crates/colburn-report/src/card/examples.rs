//! Datasets by name.

use colburn_data::Examples;

/// A dataset, and the name that distinguishes it from others of the run; empty when it is alone.
#[derive(Clone)]
pub struct NamedExamples {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub examples: Examples,
}
