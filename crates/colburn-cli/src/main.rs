//! The binary `colburn`: `train` from a TOML file, `encode` texts, `evaluate` a model. It reads files and arguments, calls
//! the library, and turns every error into one line on stderr.

mod command_line;
mod config;
mod encode;
mod error;
mod evaluate;
mod evaluation;
mod evaluators;
mod output;
mod rows;
mod texts;
mod train;

use std::process::ExitCode;

use clap::Parser;
use colburn::train::LogLevel;

use command_line::{Command, CommandLine};
use error::{Error, Result};

/// What a finished command leaves to say about itself.
enum Outcome {
    Done,
    /// Ctrl-C: everything was saved, but what was asked for is not done.
    Interrupted,
}

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
    }
}

fn main() -> ExitCode {
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
