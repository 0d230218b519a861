//! An index against brute force, through changes, crashes, damage and other writers.

use std::fs;
use std::path::Path;

use colburn_model::TokenEmbeddings;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::{Error, Floor, Packed, RerankResult, search};

const DIM: usize = 8;

/// Texts of up to 9 tokens, some of none.
fn texts(count: usize, seed: u64) -> Vec<TokenEmbeddings> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut text = || {
        let tokens = random.next_u32() as usize % 10;
        let values = (0..tokens * DIM).map(|_| random.next_u32() as f32 / u32::MAX as f32 - 0.5).collect();
        TokenEmbeddings { values, dim: DIM }
    };
    (0..count).map(|_| text()).collect()
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("d{number}")).collect()
}

fn index(directory: &Path, dtype: Dtype) -> Index {
    Index::create(directory.join("index"), &IndexOptions { dtype, ..IndexOptions::new(DIM) }).unwrap()
}

fn reopened(index: Index) -> Index {
    let directory = index.directory().to_owned();
    drop(index);
    Index::open(directory).unwrap()
}

/// The result of a search of these documents in memory.
fn brute(queries: &Packed, documents: &[(String, TokenEmbeddings)], k: usize) -> Vec<Vec<RerankResult<String>>> {
    let packed = Packed::from_embeddings(documents.iter().map(|(_, text)| text)).unwrap();
    let result = |hit: &crate::Hit| RerankResult { id: documents[hit.document].0.clone(), score: hit.score };
    let hits = search(queries, &packed, k, Floor::None).unwrap();
    hits.iter().map(|hits| hits.iter().map(result).collect()).collect()
}

fn queries() -> Packed {
    Packed::from_embeddings(&texts(5, 99)).unwrap()
}

fn order(results: &[Vec<RerankResult<String>>]) -> Vec<Vec<&str>> {
    results.iter().map(|hits| hits.iter().map(|hit| hit.id.as_str()).collect()).collect()
}

/// Asserts that two rankings have the same ids and, up to rounding, scores.
fn agree(found: &[Vec<RerankResult<String>>], expected: &[Vec<RerankResult<String>>]) {
    assert_eq!(order(found), order(expected));
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found.score - expected.score).abs() < 1e-5, "{found:?} {expected:?}");
    }
}

#[test]
fn a_search_equals_brute_force_through_all_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F32);
    let mut documents: Vec<(String, TokenEmbeddings)> = Vec::new();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut next = 0;
    for round in 0..60 {
        // A quarter of the added documents have an existing id.
        let count = random.next_u32() as usize % 12;
        let fresh: Vec<String> = ids(next..next + count)
            .into_iter()
            .map(|id| {
                if documents.len() > 20 && random.next_u32() % 4 == 0 {
                    documents[random.next_u32() as usize % 20].0.clone()
                } else {
                    id
                }
            })
            .collect();
        let mut fresh = fresh;
        fresh.sort_unstable();
        fresh.dedup();
        next += count;
        let new = texts(fresh.len(), 1000 + round);
        let replaced = fresh.iter().filter(|id| documents.iter().any(|(known, _)| known == *id)).count();
        assert_eq!(index.add(&fresh, &new).unwrap(), Added { documents: fresh.len(), replaced });
        documents.retain(|(id, _)| !fresh.contains(id));
        documents.extend(fresh.into_iter().zip(new));

        let gone: Vec<String> =
            documents.iter().map(|(id, _)| id.clone()).filter(|_| random.next_u32() % 8 == 0).collect();
        assert_eq!(index.remove(&gone).unwrap(), gone.len());
        documents.retain(|(id, _)| !gone.contains(id));
        match round % 20 {
            9 => index.compact().unwrap(),
            14 => index = reopened(index),
            _ => {}
        }
        assert_eq!(index.len(), documents.len());
        assert!(index.ids().eq(documents.iter().map(|(id, _)| id.as_str())));
        let k = 1 + random.next_u32() as usize % 400;
        agree(&index.search(&queries(), k).unwrap(), &brute(&queries(), &documents, k));
    }
    index.compact().unwrap();
    assert_eq!((index.segments(), index.removed()), (1, 0));
    agree(&reopened(index).search(&queries(), 10).unwrap(), &brute(&queries(), &documents, 10));
}

#[test]
fn tiles_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F32);
    let (ids, texts) = (ids(0..10_000), texts(10_000, 1));
    index.add(&ids, &texts).unwrap();
    let documents: Vec<_> = ids.into_iter().zip(texts).collect();
    agree(&index.search(&queries(), 50).unwrap(), &brute(&queries(), &documents, 50));
}

#[test]
fn smaller_types_find_nearly_the_same() {
    let (ids, texts) = (ids(0..300), texts(300, 3));
    let documents: Vec<_> = ids.iter().cloned().zip(texts.iter().cloned()).collect();
    let exact = brute(&queries(), &documents, 300);
    for (dtype, bound) in [(Dtype::F16, 0.005), (Dtype::Int8, 0.05)] {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(folder.path(), dtype);
        index.add(&ids, &texts).unwrap();
        let found = reopened(index).search(&queries(), 300).unwrap();
        for (found, exact) in found.iter().zip(&exact) {
            assert_eq!(found.len(), exact.len());
            for hit in found {
                let score = exact.iter().find(|other| other.id == hit.id).unwrap().score;
                assert!((hit.score - score).abs() < bound, "{dtype}: {} {score}", hit.score);
            }
        }
    }
}

#[test]
fn a_search_may_be_within_some_documents_and_as_if_padded() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F32);
    let (ids, texts) = (ids(0..40), texts(40, 3));
    index.add(&ids, &texts).unwrap();
    let within: Vec<String> = ["d30", "d4", "d17", "d4"].map(String::from).to_vec();
    let options = SearchOptions { within: Some(&within), ..SearchOptions::default() };
    let documents: Vec<_> = [4, 17, 30].map(|at| (ids[at].clone(), texts[at].clone())).to_vec();
    agree(&index.search_with(&queries(), 10, &options).unwrap(), &brute(&queries(), &documents, 10));
    assert_eq!(index.get(&["d30", "d4"]).unwrap(), [texts[30].clone(), texts[4].clone()]);

    let padded = SearchOptions { padded_to: Some(6), ..SearchOptions::default() };
    let packed = Packed::from_embeddings(&texts).unwrap();
    let expected = search(&queries(), &packed, 40, Floor::PaddedTo(6)).unwrap();
    let found = index.search_with(&queries(), 40, &padded).unwrap();
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found.score - expected.score).abs() < 1e-5);
    }
    assert_ne!(found, index.search(&queries(), 40).unwrap());

    let within = vec!["d1".to_owned(), "x".to_owned()];
    let options = SearchOptions { within: Some(&within), ..SearchOptions::default() };
    let message = index.search_with(&queries(), 10, &options).unwrap_err().to_string();
    assert!(message.ends_with("1 of the ids are not in the index: \"x\""), "{message}");
}

#[test]
fn an_empty_index_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F32);
    let nothing = vec![Vec::new(); 5];
    assert_eq!(index.search(&queries(), 3).unwrap(), nothing);
    index.add::<&str>(&[], &[]).unwrap();
    index.add(&["a"], &texts(1, 1)).unwrap();
    assert_eq!(index.remove(&["a", "a"]).unwrap(), 1);
    assert!(index.is_empty() && index.segments() == 0, "a segment without documents is gone");
    assert_eq!(reopened(index).search(&queries(), 3).unwrap(), nothing);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F16);
    index.add(&["a", "b"], &texts(2, 1)).unwrap();
    let before = fs::read(index.directory().join(manifest::FILE)).unwrap();
    let text = |values: &[f32], dim| TokenEmbeddings { values: values.to_vec(), dim };
    let good = || text(&[0.5; DIM], DIM);
    let mut message = |ids: &[&str], texts: &[TokenEmbeddings]| index.add(ids, texts).unwrap_err().to_string();
    assert_eq!(message(&["c", "d"], &[good()]), "1 embeddings; 2 are expected");
    assert_eq!(
        message(&["c", "c"], &[good(), good()]),
        "document \"c\": the id comes twice among those that are to be added"
    );
    assert_eq!(message(&[""], &[good()]), "document \"\": an id must not be empty");
    assert!(
        message(&["c"], &[text(&[0.5; 4], 4)]).starts_with("the embeddings of document \"c\" have 4 dimensions, 8 are")
    );
    assert!(
        message(&["c"], &[text(&[0.5; 9], DIM)]).contains("\"c\": 9 values are not a whole number of vectors of 8")
    );
    for (value, shown) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (70_000.0, "70000")] {
        let mut wrong = text(&[0.5; 2 * DIM], DIM);
        wrong.values[DIM + 1] = value;
        let message = message(&["c", "d"], &[good(), wrong]);
        assert!(message.starts_with(&format!("document \"d\": token 1 has the value {shown}; ")), "{message}");
    }
    let message = index.remove(&["a", "x", "y"]).unwrap_err().to_string();
    assert!(message.ends_with("2 of the ids are not in the index: \"x\", \"y\""), "{message}");
    assert_eq!(fs::read(index.directory().join(manifest::FILE)).unwrap(), before);
    assert!(index.search(&queries(), 0).unwrap_err().to_string().starts_with("k = 0"));
    let narrow = Packed::from_embeddings(&[text(&[0.5; 4], 4)]).unwrap();
    assert!(index.search(&narrow, 1).unwrap_err().to_string().starts_with("queries have 4 dimensions, 8 are"));
    let wrong = Packed::from_embeddings(&[text(&[f32::NAN; DIM], DIM)]).unwrap();
    assert!(index.search(&wrong, 1).unwrap_err().to_string().starts_with("queries = NaN"));
    assert!(Index::create(folder.path().join("other"), &IndexOptions::new(0)).is_err());
    assert!(Index::create(index.directory(), &IndexOptions::new(2)).unwrap_err().to_string().contains("already"));
}

#[test]
fn a_crash_leaves_the_index_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F32);
    index.add(&ids(0..20), &texts(20, 1)).unwrap();
    let expected = index.search(&queries(), 5).unwrap();
    let directory = index.directory().to_owned();
    // A second segment that was written, but came into no index.json; a half-written one; a half-written index.json.
    let old = fs::read(directory.join(manifest::FILE)).unwrap();
    index.add(&ids(20..40), &texts(20, 2)).unwrap();
    drop(index);
    fs::write(directory.join(manifest::FILE), &old).unwrap();
    fs::write(directory.join(".tmp-a1b2c3"), [1; 100]).unwrap();
    fs::write(directory.join(".tmp-d4e5f6"), &old[..old.len() / 2]).unwrap();

    let mut index = Index::open(&directory).unwrap();
    assert_eq!(index.search(&queries(), 5).unwrap(), expected);
    index.add(&ids(20..40), &texts(20, 2)).unwrap();
    assert_eq!(index.len(), 40);
    let mut left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let names = ["index.json", "index.lock", "segment-000001.safetensors", "segment-000002.safetensors"];
    assert_eq!(left, names, "the next writer deletes what is not in use");
}

#[test]
fn writers_take_turns_and_readers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = index(folder.path(), Dtype::F32);
    first.add(&ids(0..20), &texts(20, 1)).unwrap();
    let mut second = Index::open(first.directory()).unwrap();
    let before = second.search(&queries(), 5).unwrap();
    for refused in [second.add(&["x"], &texts(1, 2)).map(drop), second.remove(&["d1"]).map(drop), second.compact()] {
        assert!(matches!(refused, Err(Error::Locked { .. })));
    }
    first.remove(&ids(0..15)).unwrap();
    assert_eq!(first.segments(), 1);
    assert_eq!(second.search(&queries(), 5).unwrap(), before, "a reader keeps the index that it opened");
    drop(first);
    // Now the second may write, to the index as the first left it.
    second.add(&["x"], &texts(1, 2)).unwrap();
    assert_eq!((second.len(), second.contains("d1"), second.contains("d16")), (6, false, true));
}

#[test]
fn a_damaged_index_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = index(folder.path(), Dtype::F32);
    index.add(&ids(0..3), &[texts(1, 1), texts(1, 1), texts(1, 1)].concat()).unwrap();
    let directory = index.directory().to_owned();
    drop(index);
    let path = directory.join("segment-000001.safetensors");
    let whole = fs::read(&path).unwrap();
    let message = || Index::open(&directory).unwrap_err().to_string();

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(message().contains("segment-000001.safetensors: damaged or cut"), "{}", message());
    fs::remove_file(&path).unwrap();
    assert!(message().contains("segment-000001.safetensors: "), "{}", message());

    // The values come before the ids, which are last; these bytes are a NaN.
    let mut damaged = whole.clone();
    let end = whole.len() - "d0d1d2".len();
    assert_eq!(&whole[end..], b"d0d1d2");
    damaged[end - 4..end].fill(0xff);
    fs::write(&path, &damaged).unwrap();
    let index = Index::open(&directory).unwrap();
    let error = index.search(&queries(), 3).unwrap_err().to_string();
    assert!(error.contains("segment-000001.safetensors: damaged: the vectors of document \"d2\""), "{error}");
}
