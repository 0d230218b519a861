//! `colburn data convert`: rows of any format to a file of another.

use std::num::NonZeroUsize;

use colburn::data::{WriteOptions, convert};
use colburn::train::LogLevel;

use super::arguments::ConvertArguments;
use super::shown::{counted, escaped};
use crate::{Result, output};

pub fn run(arguments: &ConvertArguments) -> Result<()> {
    output::log(LogLevel::Passive);
    let options = WriteOptions {
        columns: arguments.columns.clone(),
        rename: arguments.rename.clone(),
        rows: arguments.rows.map(NonZeroUsize::get),
        overwrite: arguments.overwrite,
    };
    let written = convert(&arguments.options.source(&arguments.source), &arguments.output, &options)?;
    let (rows, columns) = (counted(written.rows as u64, "row"), counted(written.columns.len() as u64, "column"));
    output::say(&format!("{rows}, {columns}: {}", escaped(&arguments.output.display().to_string())));
    Ok(())
}
