//! The writers of file formats.

mod arrays;
mod arrow;
pub(crate) mod column_type;
pub(crate) mod convert;
mod dataset;
mod delimited;
pub(crate) mod embeddings;
mod file_name;
mod json_lines;
mod layout;
mod output;
pub(crate) mod parquet;
mod row_groups;
mod row_writer;
mod sink;
#[cfg(test)]
mod tests;
