//! The texts of a window in batches, longest first.

use std::cmp::Reverse;

use burn::tensor::Device;
use colburn_ops::{Spans, device};

use super::options::EncodeOptions;

/// Texts of a batch on a CPU.
const CPU_TEXTS: usize = 32;

/// Tokens of a batch on a CUDA device: a layer of BERT-base then takes half a millisecond of an H200, ten times what it takes to start it.
const CUDA_TOKENS: usize = 1 << 15;

/// Tokens of a batch on any other device, which may have little memory.
const DEVICE_TOKENS: usize = 1 << 13;

/// Batches of a window: enough for batches of even size, and few enough to hold the vectors of several windows in memory.
const WINDOW_BATCHES: usize = 8;

/// The largest number of texts of a window.
const WINDOW_TEXTS: usize = 2048;

/// The size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchSize {
    /// So many texts.
    Texts(usize),
    /// About so many tokens, at most one text more.
    Tokens(usize),
}

impl BatchSize {
    /// The size that the options ask for, or the one for the device.
    pub fn of(options: &EncodeOptions, device: &Device) -> Self {
        match options.batch_size.or_else(|| device::is_cpu(device).then_some(CPU_TEXTS)) {
            Some(texts) => Self::Texts(texts),
            None => Self::Tokens(tokens(device)),
        }
    }
}

/// Texts of a window on a device other than the CPU, when each has at most `length` tokens.
pub(super) fn window(device: &Device, length: usize) -> usize {
    (WINDOW_BATCHES * tokens(device) / length.max(1)).clamp(1, WINDOW_TEXTS)
}

fn tokens(device: &Device) -> usize {
    if device::name(device) == "cuda" { CUDA_TOKENS } else { DEVICE_TOKENS }
}

/// The numbers of all texts, longest first, in batches. Batches of about so many tokens are of even size, so that none is nearly empty.
pub(super) fn batches(spans: &Spans, size: BatchSize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&text| Reverse(spans.length(text)));
    match size {
        BatchSize::Texts(texts) => order.chunks(texts).map(<[usize]>::to_vec).collect(),
        BatchSize::Tokens(tokens) => {
            // A text counts as one token more, so that texts without tokens are bounded too.
            let length = |text: usize| spans.length(text) + 1;
            let total = spans.tokens() + spans.len();
            let count = total.div_ceil(tokens.max(1)).max(1);
            let mut batches = vec![Vec::new(); count];
            let mut before = 0;
            for text in order {
                batches[before * count / total].push(text);
                before += length(text);
            }
            batches.retain(|batch| !batch.is_empty());
            batches
        }
    }
}

/// Cuts a list of texts into parts of at most `tokens` tokens each. A text with more tokens is a part of its own.
pub(super) fn parts(texts: &[usize], length: impl Fn(usize) -> usize, tokens: usize) -> Vec<&[usize]> {
    let (mut parts, mut start, mut sum) = (Vec::new(), 0, 0);
    for (at, &text) in texts.iter().enumerate() {
        if at > start && sum + length(text) > tokens {
            parts.push(&texts[start..at]);
            (start, sum) = (at, 0);
        }
        sum += length(text);
    }
    if start < texts.len() {
        parts.push(&texts[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_at_most_so_many_tokens() {
        let lengths = [9, 5, 5, 1, 1, 1, 1];
        let cut = |tokens: usize| parts(&[0, 1, 2, 3, 4, 5, 6], |text| lengths[text], tokens);
        assert_eq!(cut(8), [&[0][..], &[1], &[2, 3, 4, 5], &[6]]);
        assert_eq!(cut(10), [&[0][..], &[1, 2], &[3, 4, 5, 6]]);
        assert_eq!(cut(0).len(), 7);
        assert_eq!(cut(1000).len(), 1);
        assert!(parts(&[], |_| 1, 5).is_empty());
    }

    #[test]
    fn batches_hold_every_text_once_longest_first_and_are_even() {
        let lengths: Vec<usize> = (0..1000).map(|text| text * 7 % 300).collect();
        let spans = Spans::from_lengths(&lengths);
        for size in [1, 7, 299, 1000, 20_000, 1 << 30].map(BatchSize::Tokens) {
            let batches = batches(&spans, size);
            let all: Vec<usize> = batches.iter().flatten().copied().collect();
            assert!(all.is_sorted_by_key(|&text| Reverse(lengths[text])), "{size:?}");
            let BatchSize::Tokens(tokens) = size else { unreachable!() };
            let sum = |batch: &Vec<usize>| batch.iter().map(|&text| lengths[text] + 1).sum::<usize>();
            assert!(batches.iter().all(|batch| sum(batch) <= tokens + 300), "{size:?}");
            if tokens >= 1000 {
                let (least, most) = (batches.iter().map(sum).min(), batches.iter().map(sum).max());
                assert!(most.unwrap() - least.unwrap() <= 600, "{size:?}: {least:?} to {most:?}");
            }
            let mut sorted = all;
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..1000), "{size:?}");
        }
        assert_eq!(batches(&Spans::from_lengths(&[1, 2, 3]), BatchSize::Texts(2)), [vec![2, 1], vec![0]]);
        for size in [BatchSize::Texts(2), BatchSize::Tokens(9)] {
            assert!(batches(&Spans::from_lengths(&[]), size).is_empty());
        }
    }

    #[test]
    fn texts_without_tokens_have_batches_too() {
        let batches = batches(&Spans::from_lengths(&[0; 10]), BatchSize::Tokens(4));
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3, 3]);
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_size_that_is_given_is_the_size() {
        let (cpu, given) = (Device::flex(), EncodeOptions { batch_size: Some(5), ..Default::default() });
        assert_eq!(BatchSize::of(&given, &cpu), BatchSize::Texts(5));
        assert_eq!(BatchSize::of(&EncodeOptions::default(), &cpu), BatchSize::Texts(32));
        assert_eq!((window(&cpu, 180), window(&cpu, 32), window(&cpu, 1 << 20)), (364, 2048, 1));
    }
}
