//! `colburn data`: look at rows, and write them in another format.

pub mod arguments;
mod checks;
mod convert;
mod distinct;
mod inspect;
mod lengths;
mod page;
mod report;
mod roles;
mod shown;
mod statistics;
mod table;
mod terminal;
mod tokens;
mod warnings;

use self::arguments::DataCommand;
use crate::{Outcome, Result};

pub fn run(command: &DataCommand) -> Result<Outcome> {
    match command {
        DataCommand::Inspect(arguments) => inspect::run(arguments)?,
        DataCommand::Convert(arguments) => convert::run(arguments)?,
    }
    Ok(Outcome::Done)
}
