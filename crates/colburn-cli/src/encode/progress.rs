//! The progress of an encoding, on stderr, now and then.

use std::time::{Duration, Instant};

use colburn::model::Kind;

const INTERVAL: Duration = Duration::from_secs(5);

/// Counts what was encoded in this run, and leaves out what an earlier one did.
pub struct EncodingProgress {
    kind: Kind,
    started: Instant,
    said: Instant,
    texts: usize,
    tokens: usize,
}

impl EncodingProgress {
    pub fn new(kind: Kind) -> Self {
        Self { kind, started: Instant::now(), said: Instant::now(), texts: 0, tokens: 0 }
    }

    /// After so many more texts and the tokens that the encoder saw, this share of the input being done.
    pub fn add(&mut self, texts: usize, tokens: usize, share: f64) {
        self.texts += texts;
        self.tokens += tokens;
        if self.said.elapsed() >= INTERVAL {
            self.said = Instant::now();
            tracing::info!("{:.1}%: {}", 100.0 * share, self.line());
        }
    }

    /// Says it all once more.
    pub fn finish(&self) {
        tracing::info!("encoded {}", self.line());
    }

    fn line(&self) -> String {
        let elapsed = self.started.elapsed().as_secs_f64();
        let per_second = |count: usize| count as f64 / elapsed.max(1e-9);
        let texts = match self.kind {
            Kind::Query => "queries",
            Kind::Document => "documents",
        };
        let (documents, tokens) = (per_second(self.texts), per_second(self.tokens));
        format!("{} {texts} in {elapsed:.1} s, {documents:.1} {texts}/s, {tokens:.0} tokens/s", self.texts)
    }
}
