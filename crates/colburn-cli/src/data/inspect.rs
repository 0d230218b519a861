//! `colburn data inspect`: one pass over the rows of a source, and a second one if a late row changes the roles of columns.

use std::time::{Duration, Instant};

use colburn::data::{Records, Source};
use colburn::train::LogLevel;

use super::arguments::InspectArguments;
use super::checks::Checks;
use super::page;
use super::report::{self, CheckReport, Example, FileReport, Report};
use super::roles::{Roles, Sample};
use super::shown::grouped;
use super::statistics::Statistics;
use super::terminal::Terminal;
use super::tokens::{TokenReport, Tokens};
use crate::{Error, Result, output};

/// Rows by which roles are guessed.
const FIRST: usize = 100;
/// The time between reports of progress.
const REPORT: Duration = Duration::from_secs(10);

pub fn run(arguments: &InspectArguments) -> Result<()> {
    output::log(LogLevel::Passive);
    let report = inspect(arguments)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&report);
        let failed =
            |error: serde_json::Error| Error::Texts { path: arguments.source.clone(), message: error.to_string() };
        output::say(&text.map_err(failed)?);
    } else {
        page::lines(&report, Terminal::stdout()).iter().for_each(|line| output::say(line));
    }
    Ok(())
}

fn inspect(arguments: &InspectArguments) -> Result<Report> {
    let source = arguments.options.source(&arguments.source);
    let tokens = arguments.model.as_deref().map(Tokens::of).transpose()?;
    let files = source.files()?.iter().map(FileReport::of).collect();
    let guess = first_rows(&source)?;
    let mut pass = Pass::over(&source, guess, tokens.as_ref(), arguments.rows)?;
    let roles = pass.sample.roles(&pass.statistics.types());
    if roles != pass.roles {
        pass = Pass::over(&source, roles, tokens.as_ref(), arguments.rows)?;
    }
    let Pass { roles, statistics, checks, tokens, examples, rows, .. } = pass;
    Ok(Report {
        source: arguments.source.display().to_string(),
        files,
        rows,
        kind: roles.rows.name(),
        problem: roles.problem.clone(),
        warnings: roles.warnings.clone(),
        columns: report::columns(&statistics, rows, &roles),
        model: arguments.model.as_ref().map(|model| model.display().to_string()),
        tokens,
        checks: CheckReport::of(checks, &statistics, &roles),
        examples,
    })
}

/// The roles that the first rows tell.
fn first_rows(source: &Source) -> Result<Roles> {
    let mut records = Records::open(source)?;
    let (mut statistics, mut sample) = (Statistics::default(), Sample::default());
    for _ in 0..FIRST {
        let Some(record) = records.next()? else { break };
        statistics.add(&record);
        sample.add(record.names().map(|name| (name, record.value(name))));
    }
    Ok(sample.roles(&statistics.types()))
}

/// All that a pass over the rows gives.
struct Pass {
    /// The roles that it went by.
    roles: Roles,
    sample: Sample,
    statistics: Statistics,
    checks: Checks,
    tokens: Vec<TokenReport>,
    examples: Vec<Example>,
    rows: u64,
}

impl Pass {
    fn over(source: &Source, roles: Roles, tokens: Option<&Tokens>, examples: usize) -> Result<Self> {
        let mut columns = tokens.map_or(Vec::new(), |tokens| tokens.columns(&roles));
        let mut pass = Self {
            roles,
            sample: Sample::default(),
            statistics: Statistics::default(),
            checks: Checks::default(),
            tokens: Vec::new(),
            examples: Vec::new(),
            rows: 0,
        };
        let mut records = Records::open(source)?;
        let mut reported = Instant::now();
        while let Some(record) = records.next()? {
            pass.rows += 1;
            let row = || record.names().map(move |name| (name, record.value(name)));
            let is_new = pass.statistics.add(&record);
            if pass.sample.wants(is_new) {
                pass.sample.add(row());
            }
            pass.checks.add(&record, &pass.roles);
            if let Some(tokens) = tokens {
                tokens.add(&mut columns, &record)?;
            }
            if pass.examples.len() < examples {
                pass.examples.push(Example::of(record.place().to_string(), row()));
            }
            if reported.elapsed() > REPORT {
                tracing::info!("{} rows so far", grouped(pass.rows));
                reported = Instant::now();
            }
        }
        if let Some(tokens) = tokens {
            pass.tokens = tokens.finish(columns)?;
        }
        Ok(pass)
    }
}
