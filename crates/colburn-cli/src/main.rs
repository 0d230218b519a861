//! The binary `colburn`: `train` from a TOML file, `encode` texts, `evaluate` a model, `index` documents, `search` and `rerank`, look at
//! `data`. It reads files and arguments, calls the library, and turns every error into one line on stderr.

mod command_line;
mod config;
mod data;
mod documents;
mod encode;
mod error;
mod evaluate;
mod evaluation;
mod file_format;
mod index;
mod known;
mod opened;
mod outcome;
mod output;
mod pipeline;
mod prompts;
mod rerank;
mod rows;
mod runs;
mod search;
mod source_options;
mod texts;
mod train;

use std::process::ExitCode;

use clap::Parser;
use colburn::train::LogLevel;

use command_line::{Command, CommandLine};
use error::{Error, Result};
use outcome::Outcome;

fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Encode(arguments) => {
            output::log(LogLevel::Passive);
            encode::run(&arguments)
        }
        Command::Evaluate(arguments) => {
            output::log(LogLevel::Passive);
            evaluate::run(&arguments)
        }
        Command::Index(arguments) => {
            output::log(LogLevel::Passive);
            index::run(&arguments.command)
        }
        Command::Search(arguments) => {
            output::log(LogLevel::Passive);
            search::run(&arguments)
        }
        Command::Data(arguments) => data::run(&arguments.command),
        Command::Rerank(arguments) => {
            output::log(LogLevel::Passive);
            rerank::run(&arguments)
        }
    }
}

fn main() -> ExitCode {
    colburn::ops::memory::keep_freed();
    let command_line = CommandLine::parse();
    match run(command_line.command) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        // What a shell reports for a program that SIGINT ended, so that `colburn train … && next` stops there.
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(error) => {
            output::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
