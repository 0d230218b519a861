//! Embeddings of the real all-MiniLM-L6-v2, within 1e-5.
//!
//! Its weights are not in the repository: `COLBURN_MINILM=DIR` names its directory (`cargo xtask parity --minilm DIR`).

use colburn::prelude::*;

use crate::support::*;

#[test]
#[ignore = "needs the weights: COLBURN_MINILM=DIR"]
fn all_minilm_l6_v2() {
    let directory = std::env::var("COLBURN_MINILM").expect("COLBURN_MINILM names the directory of all-MiniLM-L6-v2");
    let (golden, texts) = (tensors(&fixture("minilm.safetensors")), json("minilm.json"));
    let options = ColBertOptions { embedding_size: Some(16), ..Default::default() };
    let fresh = ColBert::from_pretrained_with(directory, &options, &device()).unwrap();

    // The projection and the rows of the prefix tokens are newly drawn; the fixture has its own.
    let folder = tempfile::tempdir().unwrap();
    fresh.save_pretrained(folder.path()).unwrap();
    let dense = [("linear.weight".to_owned(), golden["dense.weight"].clone())].into();
    write_tensors(&folder.path().join("1_Dense/model.safetensors"), &dense);
    let file = folder.path().join("model.safetensors");
    let mut weights = tensors(&file);
    let words = weights.get_mut("embeddings.word_embeddings.weight").unwrap();
    for (row, id) in golden["prefix_rows"].values.chunks(384).zip(numbers(&texts["prefix_ids"])) {
        words.values[id as usize * 384..][..384].copy_from_slice(row);
    }
    write_tensors(&file, &weights);

    let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    assert_embeddings(&model, &strings(&texts["query"]), Kind::Query, &golden, "query", 1e-5);
    assert_embeddings(&model, &strings(&texts["document"]), Kind::Document, &golden, "document", 1e-5);
}
