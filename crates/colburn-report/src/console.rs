//! The live view of a run on stderr: a progress bar on a terminal, plain lines elsewhere.
//!
//! The trainer calls it with plain numbers. No error here ends a run: if stderr is closed, the lines are lost.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use colburn_eval::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The weight of the last value in a smoothed one.
const SMOOTHING: f64 = 0.9;

/// The time between two lines about an evaluation where there is no terminal.
const SILENCE: Duration = Duration::from_secs(20);

/// Seconds beyond which the remaining time is not shown as a clock.
const A_YEAR: u64 = 365 * 24 * 3600;

/// The numbers of an optimizer step. Those that are absent stay as they were in the view.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepNumbers {
    /// The mean loss over the micro-batches of the step.
    pub loss: Option<f64>,
    /// The learning rate used.
    pub learning_rate: Option<f64>,
    /// The global gradient norm before clipping.
    pub grad_norm: Option<f64>,
    /// Rows of the training data per second.
    pub triplets_per_second: Option<f64>,
    /// Tokens of queries and documents per second, without any padding.
    pub tokens_per_second: Option<f64>,
}

/// The view of a run; its clones are the same view.
#[derive(Clone)]
pub struct Console {
    view: Arc<Mutex<View>>,
}

struct View {
    max_steps: usize,
    output: Output,
    smoothed: StepNumbers,
    /// Batches of the evaluation that is running.
    evaluation: Option<usize>,
    /// The time of the last line about an evaluator, where there is no terminal.
    last_line: Option<Instant>,
}

/// The place that a view writes to.
enum Output {
    /// A terminal, with a bar below the lines.
    Bar(ProgressBar),
    /// A file or a pipe, or a terminal without a bar.
    Lines,
    /// Nothing is written.
    Quiet,
}

impl Console {
    /// The view of a run of so many steps. The bar is shown if stderr is a terminal.
    pub fn new(max_steps: usize) -> Self {
        Self::with_output(max_steps, if stderr().is_terminal() { Output::Bar(bar(max_steps)) } else { Output::Lines })
    }

    /// A view that writes nothing.
    pub fn quiet() -> Self {
        Self::with_output(0, Output::Quiet)
    }

    fn with_output(max_steps: usize, output: Output) -> Self {
        let view = View { max_steps, output, smoothed: StepNumbers::default(), evaluation: None, last_line: None };
        Self { view: Arc::new(Mutex::new(view)) }
    }

    /// Writes a line above the bar.
    pub fn say(&self, line: &str) {
        self.lock().say(line);
    }

    /// Moves the bar to a step.
    pub fn advance(&self, steps: usize, epoch: f64, left: Duration) {
        if let Output::Bar(bar) = &self.lock().output {
            bar.set_prefix(format!("epoch {epoch:.2}  left {}", clock(left)));
            bar.set_position(steps as u64);
        }
    }

    /// Shows the numbers of a step beside the bar, smoothed over the steps but for the learning rate.
    pub fn show(&self, numbers: &StepNumbers) {
        let mut view = self.lock();
        if matches!(view.output, Output::Bar(_)) {
            view.smoothed = smoothed(view.smoothed, numbers);
            view.show_numbers();
        }
    }

    /// Writes a line about an entry of the log.
    pub fn log(&self, steps: usize, epoch: f64, numbers: &StepNumbers, left: Duration) {
        let view = self.lock();
        view.say(&format!("{}  {}  left {}", view.position(steps, epoch), line_of(numbers), clock(left)));
    }

    /// Starts the view of an evaluation of a loss on so many batches.
    pub fn start_evaluation(&self, batches: usize) {
        self.lock().evaluation = Some(batches);
    }

    /// Shows the progress of that evaluation.
    pub fn evaluation_batch(&self, done: usize) {
        let view = self.lock();
        if let (Output::Bar(bar), Some(batches)) = (&view.output, view.evaluation) {
            bar.set_message(format!("evaluating: batch {done} of {batches}"));
        }
    }

    /// Ends the view of that evaluation.
    pub fn end_evaluation(&self) {
        let mut view = self.lock();
        if view.evaluation.take().is_some() {
            view.show_numbers();
        }
    }

    /// Shows the progress of an evaluator: beside the bar or, without a terminal, by a line every 20 seconds.
    pub fn evaluating(&self, progress: &colburn_eval::Progress<'_>) {
        let colburn_eval::Progress { what, done, total } = progress;
        let line = format!("evaluating: {what} {done} of {total}");
        let mut view = self.lock();
        if let Output::Bar(bar) = &view.output {
            bar.set_message(line);
        } else if view.last_line.get_or_insert_with(Instant::now).elapsed() >= SILENCE {
            view.last_line = Some(Instant::now());
            view.say(&line);
        }
    }

    /// Ends the view that [`Console::evaluating`] began.
    pub fn evaluated(&self) {
        let mut view = self.lock();
        view.last_line = None;
        view.show_numbers();
    }

    /// Writes the metrics of an evaluation or of the run, without rates and without `total_flos`, which is always 0; those of collections as
    /// a table.
    pub fn results(&self, steps: usize, epoch: f64, metrics: &[(String, f64)]) {
        let table = Table::new(metrics.iter().map(|(name, value)| (name.as_str(), *value)));
        let view = self.lock();
        let mut line = view.position(steps, epoch);
        for (name, value) in &table.others {
            let _ = match name.as_str() {
                name if name.ends_with("_per_second") || name == "total_flos" => Ok(()),
                name if name.ends_with("_runtime") => write!(line, "  {name} {value:.1} s"),
                name => write!(line, "  {name} {}", short(*value)),
            };
        }
        view.say(&line);
        for line in &table.lines {
            view.say(&format!("    {line}"));
        }
    }

    /// Removes the bar. Lines can still be written.
    pub fn close(&self) {
        let mut view = self.lock();
        if let Output::Bar(bar) = &view.output {
            bar.finish_and_clear();
            view.output = Output::Lines;
        }
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn say(&self, line: &str) {
        match &self.output {
            Output::Bar(bar) => bar.println(line),
            Output::Lines => drop(writeln!(stderr(), "{line}")),
            Output::Quiet => {}
        }
    }

    /// Shows the numbers, unless an evaluation has their place.
    fn show_numbers(&self) {
        if let (Output::Bar(bar), None) = (&self.output, self.evaluation) {
            bar.set_message(line_of(&self.smoothed));
        }
    }

    fn position(&self, steps: usize, epoch: f64) -> String {
        format!("step {steps}/{}  epoch {epoch:.2}", self.max_steps)
    }
}

fn bar(max_steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(max_steps as u64), ProgressDrawTarget::stderr());
    let template = "{percent:>3}% {wide_bar} {pos}/{len}  {prefix}\n     {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn smoothed(old: StepNumbers, new: &StepNumbers) -> StepNumbers {
    let mean = |old: Option<f64>, new: Option<f64>| match (old, new) {
        (Some(old), Some(new)) => Some(SMOOTHING * old + (1.0 - SMOOTHING) * new),
        (old, new) => new.or(old),
    };
    StepNumbers {
        loss: mean(old.loss, new.loss),
        learning_rate: new.learning_rate.or(old.learning_rate),
        grad_norm: mean(old.grad_norm, new.grad_norm),
        triplets_per_second: mean(old.triplets_per_second, new.triplets_per_second),
        tokens_per_second: mean(old.tokens_per_second, new.tokens_per_second),
    }
}

/// `loss 1.2345  lr 4.5e-5  grad_norm 2.31  12.3 triplets/s  2345 tokens/s`
fn line_of(numbers: &StepNumbers) -> String {
    let parts = [
        numbers.loss.map(|loss| format!("loss {}", short(loss))),
        numbers.learning_rate.map(|rate| format!("lr {}", short(rate))),
        numbers.grad_norm.map(|norm| format!("grad_norm {}", short(norm))),
        numbers.triplets_per_second.map(|rate| format!("{rate:.1} triplets/s")),
        numbers.tokens_per_second.map(|rate| format!("{rate:.0} tokens/s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// At most four digits behind the point, or behind the first one of a small number.
fn short(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-3..1e9).contains(&number.abs()) {
        return format!("{number:.4}");
    }
    let text = format!("{number:.3e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// `0:12:34`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds > A_YEAR {
        return "more than a year".to_owned();
    }
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let numbers = StepNumbers {
            loss: Some(1.23456),
            learning_rate: Some(4.5e-5),
            grad_norm: Some(2.31),
            triplets_per_second: Some(12.34),
            tokens_per_second: Some(2345.4),
        };
        assert_eq!(line_of(&numbers), "loss 1.2346  lr 4.5e-5  grad_norm 2.3100  12.3 triplets/s  2345 tokens/s");
        let numbers = [0.0, 3e-6, 2.5714285714285714e-05, -0.5, f64::NAN, 1e12, 1.0 / 3.0];
        assert_eq!(numbers.map(short), ["0", "3e-6", "2.571e-5", "-0.5000", "NaN", "1e12", "0.3333"]);
    }

    #[test]
    fn numbers_are_smoothed_and_stay_until_there_are_others() {
        let first = StepNumbers { loss: Some(2.0), learning_rate: Some(1e-5), ..StepNumbers::default() };
        let second = StepNumbers { loss: Some(1.0), learning_rate: Some(2e-5), ..StepNumbers::default() };
        let view = smoothed(smoothed(StepNumbers::default(), &first), &second);
        assert_eq!((view.loss, view.learning_rate, view.grad_norm), (Some(1.9), Some(2e-5), None));
        assert_eq!(smoothed(view, &StepNumbers::default()), view);
    }

    #[test]
    fn time_reads_as_a_clock() {
        assert_eq!(clock(Duration::from_secs(754)), "0:12:34");
        assert_eq!(clock(Duration::from_secs(100 * 3600 + 59)), "100:00:59");
        assert_eq!(clock(Duration::MAX), "more than a year");
    }

    #[test]
    fn a_quiet_view_takes_all_calls() {
        let console = Console::quiet();
        console.say("nothing");
        console.advance(1, 0.1, Duration::ZERO);
        console.show(&StepNumbers::default());
        console.start_evaluation(3);
        console.evaluation_batch(1);
        console.end_evaluation();
        console.results(1, 0.1, &[("eval_loss".to_owned(), 1.0)]);
        console.close();
        assert!(matches!(console.lock().output, Output::Quiet));
    }
}
