//! The time of MaxSim on a device, on random vectors of length one: as a loss takes it, forward and backward, and as a search does. Beside it stands the
//! floor: all products at the rate of the device's matrix products, and each vector read and each gradient written once.
//!
//! ```text
//! cargo run --release -p colburn-ops --features cuda --example maxsim_rate -- cuda bf16 783 4800
//! ```
//!
//! The arguments: device, precision (`f32`, `tf32` or `bf16`), the device's rate of matrix products in that precision in TFLOP/s, and its memory bandwidth
//! in GB/s. The defaults are those of an H200 in bf16.
#![expect(clippy::print_stdout, reason = "the result of a measurement")]

use std::error::Error;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use colburn_ops::{
    Embeddings, MaskRule, Precision, PreparedDocuments, PreparedQueries, Spans, device, maxsim, mix, normalize, xtr,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DIM: usize = 128;
/// Tokens of a query.
const QUERY: usize = 32;
/// Batches of the losses, each query with three documents of 50 to 120 tokens, and the documents that a query token of XTR keeps.
const BATCHES: [usize; 2] = [256, 1024];
const DOCUMENTS: usize = 3;
const KEPT: usize = 256;
/// Queries of the search, documents that are on the device at a time, and tokens of each.
const SEARCHES: usize = 1000;
const PART: usize = 20_000;
const DOCUMENT: usize = 128;
/// Documents of the whole search.
const COLLECTION: usize = 1_000_000;

struct Rates {
    /// FLOP/s.
    products: f64,
    /// Bytes a second.
    memory: f64,
}

impl Rates {
    /// Seconds of so many multiplications of tokens with tokens, and of so many vectors of f32 read or written.
    fn floor(&self, pairs: f64, vectors: f64) -> f64 {
        let dim = DIM as f64;
        2.0 * dim * pairs / self.products + 4.0 * dim * vectors / self.memory
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |place: usize, default: &'static str| arguments.get(place).map_or(default, String::as_str);
    let device = device::by_name(arguments.first().map(String::as_str))?;
    let precision = match argument(1, "bf16") {
        "f32" => Precision::F32,
        "tf32" => Precision::Tf32,
        "bf16" => Precision::Bf16,
        other => return Err(format!("unknown precision {other}: f32, tf32 or bf16").into()),
    };
    let rates = Rates {
        products: argument(2, "783").parse::<f64>()? * 1e12,
        memory: argument(3, "4800").parse::<f64>()? * 1e9,
    };
    let smaller = |number: usize| if device::name(&device) == "cuda" { number } else { number / 16 };
    for batch in BATCHES {
        loss(&device, precision, &rates, smaller(batch))?;
    }
    kept(&device, precision, smaller(BATCHES[0]))?;
    search(&device, precision, &rates, smaller(SEARCHES), smaller(PART))
}

/// Texts of these lengths.
fn texts(lengths: &[usize], precision: Precision, device: &Device) -> Result<Embeddings> {
    let spans = Spans::from_lengths(lengths);
    let values = Tensor::random([spans.tokens(), DIM], Distribution::Normal(0.0, 1.0), device);
    Ok(Embeddings { precision, ..Embeddings::new(normalize(values), spans)? })
}

/// The queries and the documents of a batch.
fn batch(queries: usize, precision: Precision, device: &Device) -> Result<[Embeddings; 2]> {
    let lengths = |document: u64| 50 + (mix(1, document) % 71) as usize;
    let of_documents: Vec<usize> = (0..(DOCUMENTS * queries) as u64).map(lengths).collect();
    Ok([texts(&vec![QUERY; queries], precision, device)?, texts(&of_documents, precision, device)?])
}

/// Seconds of a call: the median of several, after one that compiles.
fn median(device: &Device, calls: usize, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(calls);
    for number in 0..=calls {
        device.sync()?;
        let start = Instant::now();
        call()?;
        device.sync()?;
        if number > 0 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn loss(device: &Device, precision: Precision, rates: &Rates, queries: usize) -> Result<()> {
    let [of_queries, of_documents] = batch(queries, precision, device)?;
    let tokens = [&of_queries, &of_documents].map(|texts| texts.spans.tokens() as f64);
    let (pairs, vectors) = (tokens[0] * tokens[1], tokens[0] + tokens[1]);
    let value = median(device, 10, || {
        maxsim(&of_queries, &of_documents, MaskRule::Zero)?;
        Ok(())
    })?;
    let [q, d] = [&of_queries, &of_documents].map(|texts| texts.values.clone().autodiff().require_grad());
    let (of_queries, of_documents) =
        (Embeddings { values: q.clone(), ..of_queries }, Embeddings { values: d.clone(), ..of_documents });
    let forward = median(device, 10, || {
        maxsim(&of_queries, &of_documents, MaskRule::Zero)?;
        Ok(())
    })?;
    let both = median(device, 10, || {
        let gradients = maxsim(&of_queries, &of_documents, MaskRule::Zero)?.sum().backward();
        q.grad(&gradients).and(d.grad(&gradients)).ok_or("no gradient")?;
        Ok(())
    })?;
    let (floor_forward, floor_both) = (rates.floor(pairs, vectors), rates.floor(pairs, 3.0 * vectors));
    let rate = |seconds: f64| 2.0 * DIM as f64 * pairs / seconds / 1e12;
    println!(
        "loss, {queries} queries, {} documents, {:.0} tokens: value {:.3} ms ({:.0} TFLOP/s), forward {:.3} ms ({:.0} TFLOP/s, {:.0} % of the floor), \
         forward and backward {:.3} ms ({:.0} % of the floor)",
        of_documents.len(),
        vectors,
        value * 1e3,
        rate(value),
        forward * 1e3,
        rate(forward),
        100.0 * floor_forward / forward,
        both * 1e3,
        100.0 * floor_both / both,
    );
    Ok(())
}

fn kept(device: &Device, precision: Precision, queries: usize) -> Result<()> {
    let [of_queries, of_documents] = batch(queries, precision, device)?;
    let [q, d] = [&of_queries, &of_documents].map(|texts| texts.values.clone().autodiff().require_grad());
    let (of_queries, of_documents) =
        (Embeddings { values: q.clone(), ..of_queries }, Embeddings { values: d.clone(), ..of_documents });
    let both = median(device, 3, || {
        let gradients = xtr(&of_queries, &of_documents, KEPT)?.sum().backward();
        q.grad(&gradients).and(d.grad(&gradients)).ok_or("no gradient")?;
        Ok(())
    })?;
    println!("XTR, {queries} queries, {} documents: forward and backward {:.1} ms", of_documents.len(), both * 1e3);
    Ok(())
}

fn search(device: &Device, precision: Precision, rates: &Rates, queries: usize, documents: usize) -> Result<()> {
    let queries = texts(&vec![QUERY; queries], precision, device)?;
    let documents = texts(&vec![DOCUMENT; documents], precision, device)?;
    let pairs = queries.spans.tokens() as f64 * documents.spans.tokens() as f64;
    let (count, part) = (queries.len(), documents.len());
    let prepare = median(device, 3, || {
        PreparedDocuments::new(documents.clone(), MaskRule::Zero)?;
        Ok(())
    })?;
    let (queries, documents) = (PreparedQueries::new(queries)?, PreparedDocuments::new(documents, MaskRule::Zero)?);
    let scores = median(device, 10, || {
        queries.scores(&documents)?;
        Ok(())
    })?;
    let read = median(device, 3, || {
        queries.scores(&documents)?.try_into_data()?;
        Ok(())
    })?;
    let floor = rates.floor(pairs, 0.0);
    println!(
        "search, {count} queries, {part} documents of {DOCUMENT} tokens: {:.2} ms ({:.0} TFLOP/s, {:.0} % of the floor); {:.2} ms with the read of all scores; \
         {:.2} ms to prepare the documents; {COLLECTION} documents in {:.2} s",
        scores * 1e3,
        2.0 * DIM as f64 * pairs / scores / 1e12,
        100.0 * floor / scores,
        read * 1e3,
        prepare * 1e3,
        scores * COLLECTION as f64 / part as f64,
    );
    Ok(())
}
