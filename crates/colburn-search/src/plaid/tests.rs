//! A PLAID index against exact search, and through changes, crashes and damage.

use std::fs;
use std::path::Path;

use colburn_model::TokenEmbeddings;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::{Added, Error, Floor, Index, IndexKind, Packed, search};

const DIM: usize = 32;

fn normal(random: &mut ChaCha8Rng) -> f32 {
    // The sum of uniform numbers is near enough.
    (0..12).map(|_| random.next_u32() as f32 / u32::MAX as f32).sum::<f32>() - 6.0
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= norm);
    vector
}

/// Texts of 8 to 16 tokens, each near one of 40 directions.
fn texts(count: usize, seed: u64) -> Vec<TokenEmbeddings> {
    let mut centres = ChaCha8Rng::seed_from_u64(1);
    let centres: Vec<Vec<f32>> = (0..40).map(|_| (0..DIM).map(|_| normal(&mut centres)).collect()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut text = || {
        let tokens = 8 + random.next_u32() as usize % 9;
        let mut token = || {
            let centre = &centres[random.next_u32() as usize % centres.len()];
            unit(centre.iter().map(|value| value + 0.6 * normal(&mut random)).collect())
        };
        TokenEmbeddings { values: (0..tokens).flat_map(|_| token()).collect(), dim: DIM }
    };
    (0..count).map(|_| text()).collect()
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("d{number}")).collect()
}

fn create(directory: &Path) -> PlaidIndex {
    PlaidIndex::create(directory.join("index"), &PlaidOptions::new(DIM)).unwrap()
}

fn queries() -> Packed {
    Packed::from_embeddings(&texts(30, 99)).unwrap()
}

/// The share of the best 10 of an exact search that is among the 10 found.
fn recall(index: &PlaidIndex, documents: &[(String, TokenEmbeddings)]) -> f64 {
    let packed = Packed::from_embeddings(documents.iter().map(|(_, text)| text)).unwrap();
    let exact = search(&queries(), &packed, 10, Floor::None).unwrap();
    let found = index.search(&queries(), 10).unwrap();
    let both = found.iter().zip(&exact).map(|(found, exact)| {
        exact.iter().filter(|hit| found.iter().any(|other| other.id == documents[hit.document].0)).count()
    });
    both.sum::<usize>() as f64 / (10 * exact.len()) as f64
}

#[test]
fn plaid_finds_what_exact_search_finds_through_all_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = create(folder.path());
    let mut documents: Vec<_> = ids(0..600).into_iter().zip(texts(600, 2)).collect();
    let parts = |documents: &[(String, TokenEmbeddings)]| -> (Vec<String>, Vec<TokenEmbeddings>) {
        documents.iter().cloned().unzip()
    };
    let (names, vectors) = parts(&documents);
    assert_eq!(index.add(&names, &vectors).unwrap(), Added { documents: 600, replaced: 0 });
    let check = |index: &PlaidIndex, documents: &[(String, TokenEmbeddings)], when: &str| {
        assert_eq!(index.len(), documents.len(), "{when}");
        assert!(index.ids().eq(documents.iter().map(|(id, _)| id.as_str())), "{when}");
        let recall = recall(index, documents);
        assert!(recall > 0.85, "{when}: recall@10 is {recall}");
        // Vectors of 4 bits a value give nearly the score of the embeddings.
        let packed = Packed::from_embeddings(documents.iter().map(|(_, text)| text)).unwrap();
        let exact = search(&queries(), &packed, documents.len(), Floor::None).unwrap();
        for (found, exact) in index.search(&queries(), 10).unwrap().iter().zip(&exact) {
            assert_eq!(found.len(), 10, "{when}");
            for hit in found {
                let score = exact.iter().find(|other| documents[other.document].0 == hit.id).unwrap().score;
                assert!((hit.score - score).abs() < 0.5, "{when}: {} {score}", hit.score);
            }
        }
    };
    check(&index, &documents, "after the first documents");

    // More than the thousand up to which next-plaid rebuilds the index; 150 at once bring new centroids, 20 do not.
    for (range, seed) in [(600..1100, 3), (1100..1250, 4), (1250..1270, 5)] {
        let new: Vec<_> = ids(range.clone()).into_iter().zip(texts(range.len(), seed)).collect();
        let (names, vectors) = parts(&new);
        index.add(&names, &vectors).unwrap();
        documents.extend(new);
        check(&index, &documents, &format!("after {range:?}"));
    }
    let gone: Vec<String> = (0..1270).step_by(7).map(|number| format!("d{number}")).collect();
    assert_eq!(index.remove(&gone).unwrap(), gone.len());
    documents.retain(|(id, _)| !gone.contains(id));
    check(&index, &documents, "after removing");

    // Some ids that are there, some that were, and a new one.
    let new: Vec<_> = ["d1", "d0", "d1269", "x"].map(String::from).into_iter().zip(texts(4, 6)).collect();
    let (names, vectors) = parts(&new);
    assert_eq!(index.add(&names, &vectors).unwrap(), Added { documents: 4, replaced: 2 });
    documents.retain(|(id, _)| !names.contains(id));
    documents.extend(new);
    check(&index, &documents, "after replacing");

    let before = index.search(&queries(), 10).unwrap();
    let directory = index.directory().to_owned();
    drop(index);
    let index = PlaidIndex::open(&directory).unwrap();
    check(&index, &documents, "after opening");
    assert_eq!(index.search(&queries(), 10).unwrap(), before);
    let folders = fs::read_dir(&directory).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(folders, 1, "old copies are gone");
}

#[test]
fn plaid_gives_the_same_twice() {
    let made = || {
        let folder = tempfile::tempdir().unwrap();
        let mut index = create(folder.path());
        index.add(&ids(0..200), &texts(200, 2)).unwrap();
        index.search(&queries(), 20).unwrap()
    };
    assert_eq!(made(), made());
}

#[test]
fn plaid_searches_within_some_documents() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = create(folder.path());
    index.add(&ids(0..200), &texts(200, 2)).unwrap();
    let within: Vec<String> = ["d30", "d4", "d17", "d4"].map(String::from).to_vec();
    let options = PlaidSearchOptions { within: Some(&within), ..PlaidSearchOptions::default() };
    for hits in index.search_with(&queries(), 10, &options).unwrap() {
        assert!(!hits.is_empty() && hits.iter().all(|hit| within.contains(&hit.id)), "{hits:?}");
    }
    let within = ["x".to_owned()];
    let options = PlaidSearchOptions { within: Some(&within), ..PlaidSearchOptions::default() };
    assert!(matches!(index.search_with(&queries(), 10, &options), Err(Error::UnknownIds { count: 1, .. })));
}

#[test]
fn plaid_of_few_documents_and_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = create(folder.path());
    assert_eq!(index.search(&queries(), 3).unwrap(), vec![Vec::new(); 30]);
    index.add::<&str>(&[], &[]).unwrap();
    index.add(&["a"], &texts(1, 2)).unwrap();
    assert_eq!(index.search(&queries(), 3).unwrap()[0][0].id, "a");
    index.add(&["b", "a"], &texts(2, 3)).unwrap();
    assert_eq!(index.len(), 2);
    assert_eq!(index.remove(&["b", "a", "b"]).unwrap(), 2);
    assert_eq!(index.search(&queries(), 3).unwrap(), vec![Vec::new(); 30]);
    let directory = index.directory().to_owned();
    drop(index);
    let mut index = PlaidIndex::open(&directory).unwrap();
    assert!(index.is_empty());
    index.add(&["c"], &texts(1, 2)).unwrap();
    let no_tokens = Packed::from_embeddings(&[TokenEmbeddings { values: Vec::new(), dim: DIM }]).unwrap();
    assert_eq!(index.search(&no_tokens, 3).unwrap(), [Vec::new()]);
}

#[test]
fn plaid_changes_happen_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = create(folder.path());
    index.add(&ids(0..100), &texts(100, 2)).unwrap();
    let before = index.search(&queries(), 10).unwrap();
    let directory = index.directory().to_owned();

    let mut update = index.update().unwrap();
    update.remove(&["d5"]).unwrap();
    update.add(&["x"], &texts(1, 7)).unwrap();
    assert_eq!(update.len(), 100);
    drop(update);
    assert_eq!(index.search(&queries(), 10).unwrap(), before);
    assert!(!directory.join("plaid-000002").exists());

    // A process that dies in the middle of a change.
    let mut update = index.update().unwrap();
    update.add(&["x"], &texts(1, 7)).unwrap();
    let half = directory.join("plaid-000002");
    assert!(half.is_dir());
    drop(update);
    drop(index);
    fs::create_dir(&half).unwrap();
    fs::write(half.join("metadata.json"), "{").unwrap();
    let mut index = PlaidIndex::open(&directory).unwrap();
    assert_eq!(index.search(&queries(), 10).unwrap(), before);
    index.add(&["x"], &texts(1, 7)).unwrap();
    assert_eq!((index.len(), index.contains("x")), (101, true));
    assert!(half.join("ids.json").exists() && !directory.join("plaid-000001").exists());
}

#[test]
fn plaid_refuses_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = create(folder.path());
    index.add(&ids(0..50), &texts(50, 2)).unwrap();
    let mut wrong = texts(1, 3);
    wrong[0].values[DIM] = f32::NAN;
    let message = index.add(&["x"], &wrong).unwrap_err().to_string();
    assert!(message.starts_with("document \"x\": token 1 has the value NaN"), "{message}");
    let empty = TokenEmbeddings { values: Vec::new(), dim: DIM };
    assert!(index.add(&["x"], &[empty]).unwrap_err().to_string().starts_with("document \"x\": no tokens"));
    assert!(matches!(index.remove(&["d1", "x"]), Err(Error::UnknownIds { count: 1, .. })));
    for (k, n_ivf_probe, n_full_scores, name) in [(0, 1, 1, "k"), (1, 0, 1, "n_ivf_probe"), (1, 1, 0, "n_full_scores")]
    {
        let options = PlaidSearchOptions { n_ivf_probe, n_full_scores, within: None };
        let message = index.search_with(&queries(), k, &options).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name} = 0: ")), "{message}");
    }
    let nan = Packed::from_embeddings(&[wrong[0].clone()]).unwrap();
    let message = index.search(&nan, 1).unwrap_err().to_string();
    assert!(message.starts_with("queries = NaN: embeddings of finite numbers are expected"), "{message}");
    let second = PlaidIndex::open(index.directory()).unwrap().add(&["x"], &texts(1, 3));
    assert!(matches!(second, Err(Error::Locked { .. })));
    let message = Index::open(index.directory()).unwrap_err().to_string();
    assert!(message.contains("this is a PLAID index"), "{message}");
    assert_eq!(IndexKind::of(index.directory()).unwrap(), IndexKind::Plaid);
    assert_eq!(index.len(), 50);
}

#[test]
fn plaid_notices_damage() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = create(folder.path());
    index.add(&ids(0..50), &texts(50, 2)).unwrap();
    let (directory, files) = (index.directory().to_owned(), index.manifest.files.clone());
    drop(index);
    for name in files.keys() {
        let path = directory.join("plaid-000001").join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let message = PlaidIndex::open(&directory).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("damaged or cut"), "{message}");
        fs::write(&path, &whole).unwrap();
    }
    PlaidIndex::open(&directory).unwrap();
    // Ids of which one comes twice; and one less than there are documents.
    let path = directory.join("plaid-000001/ids.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to) in [("\"d11\"", "\"d12\""), ("\"d10\",\"d11\"", "\"d10____d11\"")] {
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let message = PlaidIndex::open(&directory).unwrap_err().to_string();
        assert!(message.contains("ids.json: damaged"), "{message}");
    }
}
