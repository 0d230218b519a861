//! Fixtures, and comparing with them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use colburn::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;

/// The device under test, by `BURN_DEVICE`.
pub fn device() -> Device {
    device_by_name(None).expect("a compiled backend")
}

/// A fixture in the folder `COLBURN_FIXTURES`, or in the repository that the tests were built in.
pub fn fixture(name: &str) -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    std::env::var_os("COLBURN_FIXTURES").map_or_else(here, PathBuf::from).join(name)
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixture(name)).unwrap()).unwrap()
}

pub fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// A tensor of a fixture: shape and values, integers as floats.
#[derive(Clone, Debug)]
pub struct Golden {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

pub fn tensors(path: &Path) -> BTreeMap<String, Golden> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let golden = |view: TensorView<'_>| {
        let values = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
            Dtype::I64 => view.data().as_chunks().0.iter().map(|chunk| i64::from_le_bytes(*chunk) as f32).collect(),
            other => panic!("unexpected type {other:?}"),
        };
        Golden { shape: view.shape().to_vec(), values }
    };
    file.tensors().into_iter().map(|(name, view)| (name, golden(view))).collect()
}

/// Writes tensors back as f32.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Golden>) {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, golden)| (name, golden.values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = tensors
        .iter()
        .map(|(name, golden)| (name, TensorView::new(Dtype::F32, golden.shape.clone(), &bytes[name]).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The largest difference, NaN when there is one; panics when the lengths differ.
pub fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "number of values");
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst: f32, off| if worst.is_nan() || off <= worst { worst } else { off })
}

/// `‖found − expected‖ / ‖expected‖`.
pub fn relative_difference(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "number of values");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    off / norm(&mut expected.iter().map(|value| f64::from(*value))).max(1e-12)
}

pub fn assert_close(what: &str, found: &[f32], golden: &Golden, tolerance: f32) {
    let difference = difference(found, &golden.values);
    assert!(difference <= tolerance, "{what}: off by {difference}, allowed {tolerance}");
}

/// Embeddings of texts against `PREFIX.0`, `PREFIX.1`, … of a fixture.
pub fn assert_embeddings(
    model: &ColBert,
    texts: &[String],
    kind: Kind,
    golden: &BTreeMap<String, Golden>,
    prefix: &str,
    tolerance: f32,
) {
    // Batches smaller than the list: sorting by length and packing must not show in the result.
    let options = EncodeOptions { batch_size: Some(3), ..Default::default() };
    for (index, text) in model.encode(texts, kind, &options).unwrap().iter().enumerate() {
        let golden = &golden[&format!("{prefix}.{index}")];
        assert_eq!([text.tokens(), text.dim], golden.shape[..], "{prefix}.{index}");
        assert_close(&format!("{prefix}.{index}"), &text.values, golden, tolerance);
    }
}

/// A model directory that a test may change.
pub fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&fixture(name), copy.path());
    copy
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy_folder(&entry, &target);
        } else {
            fs::copy(&entry, target).unwrap();
        }
    }
}

/// Sets a key of a JSON file.
pub fn set_json(path: &Path, key: &str, value: impl Into<Value>) {
    let mut json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    json[key] = value.into();
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}
