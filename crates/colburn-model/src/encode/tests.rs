//! Overlapping windows, which GPUs have, give on flex what the plain path gives.

use std::path::Path;

use burn::tensor::Device;
use colburn_ops::Spans;

use super::*;

fn model() -> ColBert {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert");
    ColBert::from_pretrained(path, &Device::flex()).unwrap()
}

/// Texts of many lengths, among them empty ones.
fn texts(count: usize) -> Vec<String> {
    let words = ["late", "interaction,", "token", "vectors", "of", "the", "university", "king", "1842."];
    let text = |at: usize| (0..at * 7 % 23).map(|word| words[(at + word * word) % words.len()]).collect::<Vec<_>>();
    (0..count).map(|at| text(at).join(" ")).collect()
}

fn assert_near(found: &[TokenEmbeddings], expected: &[TokenEmbeddings], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (text, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!((found.dim, found.values.len()), (expected.dim, expected.values.len()), "text {text}");
        let far = |(found, expected): (&f32, &f32)| (found - expected).abs();
        let farthest = found.values.iter().zip(&expected.values).map(far).fold(0.0, f32::max);
        assert!(farthest <= tolerance, "text {text}: {farthest}");
    }
}

#[test]
fn overlapping_windows_give_the_same_vectors_in_the_same_order() {
    let model = model();
    for (count, window) in [(0, 5), (1, 5), (5, 5), (23, 1), (23, 4), (60, 100)] {
        let texts = texts(count);
        for (kind, batch_size, pool_factor, normalize_embeddings) in [
            (Kind::Document, None, 1, true),
            (Kind::Document, Some(1), 1, true),
            (Kind::Document, Some(3), 2, true),
            (Kind::Document, None, 3, true),
            (Kind::Document, Some(2), 1, false),
            (Kind::Query, Some(4), 1, true),
            (Kind::Query, None, 2, true),
        ] {
            let options = EncodeOptions { batch_size, pool_factor, normalize_embeddings, ..Default::default() };
            let plain = model.encode_by(&texts, kind, &options, window, false).unwrap();
            assert_near(&model.encode_by(&texts, kind, &options, window, true).unwrap(), &plain, 1e-5);
            assert_eq!(model.encode(&texts, kind, &options).unwrap().len(), count);
        }
        let options = EncodeOptions { f16: true, ..Default::default() };
        let plain = model.encode(&texts, Kind::Document, &options).unwrap();
        let rounded = model.encode_by(&texts, Kind::Document, &options, window, true).unwrap();
        assert_near(&rounded, &plain, 1e-3);
        let is_f16 = |value: &f32| half::f16::from_f32(*value).to_f32() == *value;
        assert!(rounded.iter().flat_map(|text| &text.values).all(is_f16));
    }
}

/// The batches are those of `batches`, and their vectors those of `embed`, to the bit.
#[test]
fn a_batch_is_one_pass() {
    let (model, texts) = (model(), texts(20));
    let options = EncodeOptions { batch_size: Some(6), ..Default::default() };
    let tokens = model.tokenize(&texts, Kind::Document, &options).unwrap();
    let windows = [Ok::<_, Error>(("all", tokens.clone()))].into_iter();
    let mut windows = EncodedWindows::new(&model, Kind::Document, &options, windows, true);
    let (carried, found) = windows.next().unwrap().unwrap();
    assert!(carried == "all" && windows.next().is_none());
    for batch in model.batches(&tokens, &options).unwrap() {
        let embeddings = model.embed(&tokens.select(&batch), &options).unwrap();
        assert!(embeddings.mask.iter().all(|&counts| counts));
        let expected: Vec<f32> = embeddings.values.try_into_vec_as::<f32>().unwrap();
        let found: Vec<f32> = batch.iter().flat_map(|&text| found[text].values.clone()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn an_error_comes_after_the_windows_before_it_and_ends_them() {
    let model = model();
    let options = EncodeOptions::default();
    let tokens = model.tokenize(&texts(9), Kind::Document, &options).unwrap();
    let unknown = TokenBatch::new(vec![u32::MAX], Spans::from_lengths(&[1]), vec![true], vec![false]).unwrap();
    let refused = |message: &str| Err::<(usize, TokenBatch), _>(Error::config("a window", message));
    for ahead in [false, true] {
        for bad in [refused("it is bad"), Ok((2, unknown.clone()))] {
            let windows = [Ok((0, tokens.clone())), Ok((1, tokens.clone())), bad, Ok((3, tokens.clone()))];
            let mut windows = EncodedWindows::new(&model, Kind::Document, &options, windows.into_iter(), ahead);
            for number in 0..2 {
                let (carried, vectors) = windows.next().unwrap().unwrap();
                assert_eq!((carried, vectors.len()), (number, 9));
            }
            let message = windows.next().unwrap().unwrap_err().to_string();
            assert!(message.contains("it is bad") || message.contains("token id 4294967295"), "{message}");
            assert!(windows.next().is_none() && windows.next().is_none());
        }
    }
}

#[test]
fn an_error_of_the_tokenizer_reaches_the_caller() {
    let (model, texts) = (model(), texts(50));
    let options = EncodeOptions { length: Some(1 << 20), ..Default::default() };
    for ahead in [false, true] {
        let message = model.encode_by(&texts, Kind::Document, &options, 4, ahead).unwrap_err().to_string();
        assert!(message.starts_with("length: 1048576; at most "), "{message}");
    }
    for options in [
        EncodeOptions { batch_size: Some(0), ..Default::default() },
        EncodeOptions { pool_factor: 0, ..Default::default() },
    ] {
        for ahead in [false, true] {
            let message = model.encode_by(&texts, Kind::Document, &options, 4, ahead).unwrap_err().to_string();
            assert!(message.ends_with("0; a positive number is expected"), "{message}");
        }
    }
}

/// Nobody waits for a reader that has left: the threads end with the iterator.
#[test]
fn a_reader_may_leave() {
    let model = model();
    let options = EncodeOptions::default();
    let tokens = model.tokenize(&texts(9), Kind::Document, &options).unwrap();
    let windows = std::iter::repeat_with(|| Ok::<_, Error>(((), tokens.clone())));
    let mut windows = EncodedWindows::new(&model, Kind::Document, &options, windows, true);
    assert_eq!(windows.next().unwrap().unwrap().1.len(), 9);
}
