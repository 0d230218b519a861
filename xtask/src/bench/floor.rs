//! The lower bound of a time: the floating-point operations that are necessary on the tokens that exist, at the measured rate of matrix products
//! of this machine.
//!
//! A linear layer of `m` inputs and `n` outputs costs 2 · m · n forward for each token and twice that backward (the gradients of input and weight).
//! Attention over a text of L tokens costs 4 · L² · hidden a layer forward (scores and weighted sums) and 8 · L² · hidden backward (four such products);
//! the recomputation of scores, by kernels that keep none, is not counted. MaxSim costs 2 · dimensions for each pair of a query's and a
//! document's token forward, and 4 · dimensions for each query token and document backward, where only the best token counts. Everything else is free.

use std::ops::Add;
use std::path::Path;

use serde_json::Value;

use crate::result::Result;

/// An encoder's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoder {
    layers: f64,
    hidden: f64,
    intermediate: f64,
    /// Dimensions of an embedding.
    pub dim: f64,
}

/// The tokens of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tokens {
    /// Tokens of queries and documents.
    pub all: f64,
    /// The sum of the squares of all texts' lengths.
    pub squares: f64,
    /// Pairs of a query's and a document's token within a batch.
    pub pairs: f64,
    /// Pairs of a query's token and a document within a batch.
    pub best: f64,
}

impl Encoder {
    /// Reads the size from a model's directory: its `config.json`, and its projection if it has one.
    pub fn read(model: &Path) -> Result<Self> {
        let json = |path: std::path::PathBuf| -> Result<Value> {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
        };
        let config = json(model.join("config.json"))?;
        let size = |key: &str| {
            config[key].as_f64().ok_or_else(|| {
                format!(
                    "{}: no number `{key}`; the floor is known for encoders of BERT's layout",
                    model.join("config.json").display()
                )
            })
        };
        let dense = json(model.join("1_Dense/config.json")).ok().and_then(|dense| dense["out_features"].as_f64());
        Ok(Self {
            layers: size("num_hidden_layers")?,
            hidden: size("hidden_size")?,
            intermediate: size("intermediate_size")?,
            dim: dense.unwrap_or(128.0),
        })
    }

    /// FLOP of encoding these tokens.
    pub fn forward(&self, tokens: &Tokens) -> f64 {
        2.0 * self.weights() * tokens.all + 4.0 * self.layers * self.hidden * tokens.squares
    }

    /// FLOP of training on them with the contrastive loss.
    pub fn training(&self, tokens: &Tokens) -> f64 {
        3.0 * self.forward(tokens) + scoring(tokens, self.dim)
    }

    /// Weights of the linear layers: four of attention, two of the feed-forward part, and the projection.
    fn weights(&self) -> f64 {
        let layer = 4.0 * self.hidden * self.hidden + 2.0 * self.hidden * self.intermediate;
        self.layers * layer + self.hidden * self.dim
    }
}

/// FLOP of MaxSim of all pairs, forward and backward.
pub fn scoring(tokens: &Tokens, dim: f64) -> f64 {
    dim * (2.0 * tokens.pairs + 4.0 * tokens.best)
}

impl Tokens {
    /// A batch whose texts have these lengths.
    pub fn of_batch(queries: &[usize], documents: &[usize]) -> Self {
        let sum = |lengths: &[usize]| lengths.iter().sum::<usize>() as f64;
        Self {
            all: sum(queries) + sum(documents),
            squares: queries.iter().chain(documents).map(|&length| (length * length) as f64).sum(),
            pairs: sum(queries) * sum(documents),
            best: sum(queries) * documents.len() as f64,
        }
    }

    /// A batch of which only the number of document tokens is known. All documents count as equally long, which is the lowest cost of
    /// attention.
    pub fn of_total(queries: usize, query_length: usize, documents: usize, document_tokens: f64) -> Self {
        let query_tokens = (queries * query_length) as f64;
        Self {
            all: query_tokens + document_tokens,
            squares: query_tokens * query_length as f64 + document_tokens * document_tokens / documents.max(1) as f64,
            pairs: query_tokens * document_tokens,
            best: query_tokens * documents as f64,
        }
    }
}

impl Add for Tokens {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            squares: self.squares + other.squares,
            pairs: self.pairs + other.pairs,
            best: self.best + other.best,
        }
    }
}

/// A machine's rate of matrix products in f32, in GFLOP/s, as the program `matmul_rate` prints it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub best: f64,
    pub median: f64,
}

impl Rate {
    pub fn parse(printed: &str) -> Result<Self> {
        let number = |name: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<f64>().ok().filter(|rate| *rate > 0.0)
        };
        let both = number("best ").zip(number("median "));
        both.map(|(best, median)| Self { best, median })
            .ok_or_else(|| format!("no rate in what matmul_rate printed: {printed:?}"))
    }

    /// The better of two measurements.
    pub fn better(self, other: Self) -> Self {
        if other.median > self.median { other } else { self }
    }

    /// The seconds that this number of operations takes at the median rate.
    pub fn seconds(&self, flop: f64) -> f64 {
        flop / (self.median * 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINILM: Encoder = Encoder { layers: 6.0, hidden: 384.0, intermediate: 1536.0, dim: 128.0 };

    #[test]
    fn a_triplet_of_the_sample_costs_about_13_gflop() {
        let tokens = Tokens::of_batch(&[32], &[85, 85]);
        // by hand: 202 tokens · 6 · (6 · 1,769,472 + 49,152), and attention 12 · 6 · 384 · (32² + 2 · 85²)
        let by_hand = 202.0 * 6.0 * 10_665_984.0 + 27_648.0 * 15_474.0 + 128.0 * (2.0 * 32.0 * 170.0 + 4.0 * 64.0);
        assert_eq!(MINILM.training(&tokens), by_hand);
        assert!((13.0..14.0).contains(&(by_hand / 1e9)), "{by_hand}");
    }

    #[test]
    fn attention_alone_grows_with_the_square() {
        let flop = |length: usize| MINILM.forward(&Tokens::of_batch(&[], &[length]));
        let attention = |length: usize| flop(length) - 2.0 * 10_665_984.0 * length as f64;
        assert_eq!(attention(100), 4.0 * 6.0 * 384.0 * 1e4);
        assert_eq!(attention(200), 4.0 * attention(100));
    }

    #[test]
    fn totals_are_exact_for_equal_lengths_and_a_lower_bound_otherwise() {
        let equal = Tokens::of_batch(&[32; 4], &[90; 8]);
        assert_eq!(Tokens::of_total(4, 32, 8, 720.0), equal);
        let unequal = Tokens::of_batch(&[32; 4], &[60, 120, 90, 90, 90, 90, 90, 90]);
        assert_eq!(unequal.all, equal.all);
        assert!(unequal.squares > equal.squares);
        assert_eq!((equal + equal).pairs, 2.0 * equal.pairs);
    }

    #[test]
    fn the_rate_is_read_from_the_programs_lines() {
        let rate = Rate::parse("best 231.7\nmedian 222.6\n").unwrap();
        assert_eq!(rate, Rate { best: 231.7, median: 222.6 });
        assert_eq!(rate.seconds(222.6e9), 1.0);
        assert_eq!(rate.better(Rate { best: 250.0, median: 200.0 }), rate);
        assert!(Rate::parse("best 1\n").is_err() && Rate::parse("best 0\nmedian 0").is_err());
    }

    #[test]
    fn sizes_come_from_the_models_files() {
        let folder = std::env::temp_dir().join(format!("xtask-floor-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("1_Dense")).unwrap();
        let config = r#"{"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}"#;
        std::fs::write(folder.join("config.json"), config).unwrap();
        std::fs::write(folder.join("1_Dense/config.json"), r#"{"out_features": 96}"#).unwrap();
        assert_eq!(Encoder::read(&folder), Ok(Encoder { dim: 96.0, ..MINILM }));
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        assert!(Encoder::read(&folder).unwrap_err().contains("num_hidden_layers"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
