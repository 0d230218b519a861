//! The roles of columns and rows: which columns are the query, the positive and the negatives, and which texts of a row are trained on.

pub(crate) mod columns;
pub(crate) mod finder;
pub(crate) mod mapping;
mod names;
pub(crate) mod options;
pub(crate) mod rows;
mod scan;
pub(crate) mod texts;
