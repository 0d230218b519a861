//! How fast a run goes: rows and tokens a second, and the time that is left. Only training is timed; evaluating and saving are not.

use std::time::Duration;

/// What a span of training took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Optimizer steps.
    pub steps: usize,
    /// Rows of the training data.
    pub rows: usize,
    /// Tokens of queries and documents, without any padding.
    pub tokens: usize,
    /// The time it took.
    pub time: Duration,
}

/// The work of a run, and that since the last log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// Since the start.
    pub run: Work,
    /// Since the last log.
    pub window: Work,
}

impl Work {
    /// Rows a second.
    pub fn rows_per_second(&self) -> f64 {
        per_second(self.rows, self.time)
    }

    /// Tokens a second.
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.tokens, self.time)
    }

    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.rows += other.rows;
        self.tokens += other.tokens;
        self.time += other.time;
    }
}

impl Meter {
    /// Counts a step.
    pub fn add(&mut self, step: &Work) {
        self.run.add(step);
        self.window.add(step);
    }

    /// Starts a new window.
    pub fn logged(&mut self) {
        self.window = Work::default();
    }

    /// The training time of that many further steps, at the speed so far.
    pub fn left(&self, steps: usize) -> Duration {
        match self.run.steps {
            0 => Duration::ZERO,
            done => {
                let seconds = self.run.time.as_secs_f64() * (steps as f64 / done as f64);
                // A run may be told to go on for longer than a `Duration` holds, and be stopped by Ctrl-C.
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
            }
        }
    }
}

fn per_second(count: usize, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_the_time_left() {
        let mut meter = Meter::default();
        assert_eq!((meter.left(10), meter.window.rows_per_second()), (Duration::ZERO, 0.0));
        for seconds in [1, 3] {
            meter.add(&Work { steps: 1, rows: 8, tokens: 100, time: Duration::from_secs(seconds) });
        }
        assert_eq!(meter.left(10), Duration::from_secs(20));
        assert_eq!(meter.left(usize::MAX), Duration::MAX);
        assert_eq!((meter.window.rows_per_second(), meter.window.tokens_per_second()), (4.0, 50.0));
        meter.logged();
        assert_eq!((meter.window, meter.run.rows), (Work::default(), 16));
    }
}
