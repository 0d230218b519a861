//! The commands that the README shows. CI runs them, and `tidy` fails if the README shows others.

/// The README's first command: train a small model on real triplets.
pub const EXAMPLE: &str = "cargo run --release --example contrastive";

/// The README's second command: the tests.
pub const TESTS: &str = "cargo test --release --workspace";

/// The README's commands for the binary. Each uses the output of those before it; the first uses that of the example.
pub const BINARY: [&str; 6] = [
    "cargo run --release -p colburn-cli -- train examples/run.toml",
    "cargo run --release -p colburn-cli -- encode --model output/run --input examples/data/texts.txt --kind document --output output/documents.safetensors",
    "cargo run --release -p colburn-cli -- evaluate --model output/run --triplets examples/data/triplets-test.parquet --nano examples/data/nano/squad --output output/results.json",
    "cargo run --release -p colburn-cli -- index create --index output/index --model output/run --input examples/data/nano/squad/corpus/train-00000-of-00001.parquet",
    "cargo run --release -p colburn-cli -- search --index output/index --model output/run --queries examples/data/nano/squad/queries/train-00000-of-00001.parquet --k 10 --output output/found.jsonl",
    "cargo run --release -p colburn-cli -- train examples/distillation.toml",
];
