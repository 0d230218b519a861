//! The speed of a run: rows and tokens per second, and the remaining time. Only training is timed, not evaluation and saving.

use std::time::Duration;

/// The work of some steps, and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Optimizer steps.
    pub steps: usize,
    /// Rows of the training data.
    pub rows: usize,
    /// Tokens of queries and documents, without any padding.
    pub tokens: usize,
    /// The time.
    pub time: Duration,
    /// The part of it in which the host did not wait for a device with a queue of its own.
    pub host: Duration,
    /// Number of kernels that were started on such a device.
    pub launches: u64,
}

/// The work of a run, and that since the last log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throughput {
    /// Since the start.
    pub run: Work,
    /// Since the last log.
    pub since_log: Work,
}

impl Work {
    /// Rows per second.
    pub fn rows_per_second(&self) -> f64 {
        per_second(self.rows, self.time)
    }

    /// Tokens per second.
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.tokens, self.time)
    }

    /// Number of kernels of a step that were started on a GPU, and the seconds of the host; none elsewhere.
    pub fn of_gpu(&self) -> Option<[f64; 2]> {
        let steps = self.steps.max(1) as f64;
        (self.launches > 0).then(|| [self.launches as f64 / steps, self.host.as_secs_f64() / steps])
    }

    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.rows += other.rows;
        self.tokens += other.tokens;
        self.time += other.time;
        self.host += other.host;
        self.launches += other.launches;
    }
}

impl Throughput {
    /// Counts a step.
    pub fn add(&mut self, step: &Work) {
        self.run.add(step);
        self.since_log.add(step);
    }

    /// Starts the work since the last log anew.
    pub fn logged(&mut self) {
        self.since_log = Work::default();
    }

    /// The training time of this many further steps, at the speed so far.
    pub fn left(&self, steps: usize) -> Duration {
        match self.run.steps {
            0 => Duration::ZERO,
            done => {
                let seconds = self.run.time.as_secs_f64() * (steps as f64 / done as f64);
                // `max_steps` may ask for longer than a `Duration` holds; such a run ends by Ctrl-C.
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
    fn rates_and_the_remaining_time() {
        let mut throughput = Throughput::default();
        assert_eq!((throughput.left(10), throughput.since_log.rows_per_second()), (Duration::ZERO, 0.0));
        for seconds in [1, 3] {
            throughput.add(&Work {
                steps: 1,
                rows: 8,
                tokens: 100,
                time: Duration::from_secs(seconds),
                ..Work::default()
            });
        }
        assert_eq!(throughput.left(10), Duration::from_secs(20));
        assert_eq!(throughput.left(usize::MAX), Duration::MAX);
        assert_eq!((throughput.since_log.rows_per_second(), throughput.since_log.tokens_per_second()), (4.0, 50.0));
        throughput.logged();
        assert_eq!((throughput.since_log, throughput.run.rows), (Work::default(), 16));
    }
}
