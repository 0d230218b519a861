//! Checkpoints in every kind of file: the tensors that are read, and the errors for those that do not fit.

use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

use super::*;

/// A tensor with a single dimension.
type Flat = (&'static str, Dtype, Vec<u8>);

fn write_file(path: &Path, tensors: &[Flat]) {
    let views = tensors.iter().map(|(name, dtype, bytes)| {
        let count = bytes.len() * 8 / dtype.bitsize();
        (*name, TensorView::new(*dtype, vec![count], bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A folder with one `model.safetensors`.
fn folder_of(tensors: &[Flat]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("model.safetensors"), tensors);
    folder
}

fn values(weights: &Weights, name: &str) -> Vec<f32> {
    weights.tensors[name].read().unwrap()
}

#[test]
fn every_float_is_read_as_f32() {
    let bytes = |each: fn(f32) -> Vec<u8>| [1.5f32, -0.25].into_iter().flat_map(each).collect::<Vec<u8>>();
    let folder = folder_of(&[
        ("a", Dtype::F16, bytes(|value| f16::from_f32(value).to_le_bytes().to_vec())),
        ("b", Dtype::BF16, bytes(|value| bf16::from_f32(value).to_le_bytes().to_vec())),
        ("c", Dtype::F32, bytes(|value| value.to_le_bytes().to_vec())),
        ("d", Dtype::F64, bytes(|value| f64::from(value).to_le_bytes().to_vec())),
        ("e.LayerNorm.gamma", Dtype::F32, bytes(|value| value.to_le_bytes().to_vec())),
        ("f.norm.beta", Dtype::F32, bytes(|value| value.to_le_bytes().to_vec())),
    ]);
    let weights = Weights::open(folder.path()).unwrap();
    let names = ["a", "b", "c", "d", "e.LayerNorm.weight", "f.norm.bias"];
    assert_eq!(weights.tensors.keys().collect::<Vec<_>>(), names);
    for name in names {
        assert_eq!(values(&weights, name), [1.5, -0.25], "{name}");
    }
}

/// Two weights of every type, where the second one is not finite in this type or as f32.
#[cfg(feature = "flex")]
#[test]
fn weights_that_are_not_finite_are_named() {
    use crate::dense::DenseConfig;
    let device = burn::tensor::Device::flex();
    let module = || DenseConfig { bias: true, ..DenseConfig::new(1, 2) }.init(&device);
    let bf16 = |value: f32| bf16::from_f32(value).to_le_bytes().to_vec();
    let f16 = |value: f32| f16::from_f32(value).to_le_bytes().to_vec();
    let f32 = |value: f32| value.to_le_bytes().to_vec();
    let mut versions = Vec::new();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        versions.extend([(Dtype::BF16, bf16(0.5), bf16(value)), (Dtype::F16, f16(0.5), f16(value))]);
        versions.push((Dtype::F32, f32(0.5), f32(value)));
    }
    versions.push((Dtype::F64, 0.5f64.to_le_bytes().to_vec(), 1e300f64.to_le_bytes().to_vec()));
    for (dtype, finite, other) in versions {
        let warning = |weight: [&[u8]; 2], bias: [&[u8]; 2]| {
            let folder = tempfile::tempdir().unwrap();
            let (weight, bias) = (weight.concat(), bias.concat());
            let tensors = [
                ("linear.weight", TensorView::new(dtype, vec![2, 1], &weight).unwrap()),
                ("linear.bias", TensorView::new(dtype, vec![2], &bias).unwrap()),
                ("buffer", TensorView::new(dtype, vec![1], &other).unwrap()),
            ];
            let bytes = safetensors::serialize(tensors, None).unwrap();
            std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
            let log = Log::default();
            tracing::subscriber::with_default(log.clone(), || {
                Weights::open(folder.path()).unwrap().load_into(module()).unwrap();
            });
            log.0.lock().unwrap().join("\n")
        };
        assert_eq!(
            warning([&finite; 2], [&finite; 2]),
            "",
            "{dtype:?}: tensors that the module does not have are not checked"
        );
        let one = warning([&finite; 2], [&finite, &other]);
        assert!(one.contains("model.safetensors: 1 tensor(s)") && one.contains("`linear.bias`"), "{dtype:?}: {one}");
        let two = warning([&other, &finite], [&finite, &other]);
        assert!(two.contains(" 2 tensor(s)") && two.contains("`linear.weight` is the first"), "{dtype:?}: {two}");
        assert!(!two.contains('\n'), "{two}");
    }
}

#[test]
fn a_value_that_is_not_finite_is_found_anywhere() {
    for length in [1, 7, 1023, 1024, 1025, 5000] {
        let values = |at: usize, value: f32| {
            let mut values = vec![0.5f32; length];
            values[at] = value;
            TensorData::new(values, [length])
        };
        for at in [0, length / 2, length - 1] {
            assert!(is_finite(&values(at, f32::MAX)));
            assert!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].iter().all(|value| !is_finite(&values(at, *value))));
        }
    }
    assert!(is_finite(&TensorData::new(Vec::<f32>::new(), [0])));
    assert!(!is_finite(&TensorData::new(vec![bf16::ONE, bf16::NAN], [2])));
}

#[test]
fn a_cut_file_is_named() {
    let folder = folder_of(&[("a", Dtype::F32, vec![0; 400])]);
    let path = folder.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 7, 8, 20, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Weights::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("model.safetensors") && error.contains("not a complete safetensors file"), "{error}");
    }
    // A header that claims more than there is is not believed.
    std::fs::write(&path, [u64::MAX.to_le_bytes().as_slice(), &whole[8..]].concat()).unwrap();
    assert!(Weights::open(folder.path()).is_err());
}

#[cfg(feature = "flex")]
#[test]
fn all_mismatches_are_named() {
    use crate::dense::DenseConfig;
    let device = burn::tensor::Device::flex();
    let module = || DenseConfig { bias: true, use_residual: true, ..DenseConfig::new(3, 2) }.init(&device);
    let error = |tensors: &[Flat]| {
        Weights::open(folder_of(tensors).path()).unwrap().load_into(module()).unwrap_err().to_string()
    };
    let message = error(&[("linear.bias", Dtype::F32, vec![0; 12])]);
    for part in ["2 tensor(s) missing: `linear.weight`, `residual.weight`", "`linear.bias` [3] instead of [2]"] {
        assert!(message.contains(part), "{message}");
    }
    let message = error(&[
        ("linear.weight", Dtype::F32, vec![0; 24]),
        ("linear.bias", Dtype::F32, vec![0; 8]),
        ("residual.weight", Dtype::F32, vec![0; 20]),
    ]);
    let shapes = "2 tensor(s) not of the shape that the configuration asks for: `linear.weight` [6] instead of [2, 3], `residual.weight` [5]";
    assert!(message.contains(shapes) && !message.contains("missing"), "{message}");
}

#[test]
fn of_many_that_are_missing_a_few_are_named() {
    let missing = (0..8).map(|number| format!("layer.{number}")).collect();
    let message = Error::Tensors { path: "m".into(), missing, misshaped: Vec::new() }.to_string();
    assert_eq!(message, "m: 8 tensor(s) missing: `layer.0`, `layer.1`, `layer.2`, `layer.3`, `layer.4` and 3 more");
}

#[cfg(feature = "flex")]
#[test]
fn a_quantised_weight_is_named_with_its_type() {
    use crate::dense::DenseConfig;
    let folder = tempfile::tempdir().unwrap();
    let view = TensorView::new(Dtype::I8, vec![2, 2], &[0; 4]).unwrap();
    let bytes = safetensors::serialize([("linear.weight", view)], None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let module = DenseConfig::new(2, 2).init(&burn::tensor::Device::flex());
    let error = Weights::open(folder.path()).unwrap().load_into(module).unwrap_err().to_string();
    assert!(error.contains("`linear.weight` is I8"), "{error}");
}

#[test]
fn surplus_is_kept_known_or_named() {
    let folder = folder_of(&[
        ("bert.pooler.dense.bias", Dtype::F32, floats(&[2.5])),
        ("cls.predictions.bias", Dtype::F32, floats(&[1.0])),
        ("bert.embeddings.position_ids", Dtype::I64, vec![0; 16]),
        ("bert.embeddings.token_type_ids", Dtype::F32, floats(&[1.0])),
        ("adapter.weight", Dtype::F32, floats(&[1.0])),
    ]);
    let said = Log::default();
    let kept = tracing::subscriber::with_default(said.clone(), || {
        Weights::open(folder.path()).unwrap().strip_prefix("bert.").surplus(&["pooler."], &["cls."]).unwrap()
    });
    let kept: Vec<_> = kept.into_iter().map(|(name, data)| (name, data.try_to_vec::<f32>().unwrap())).collect();
    assert_eq!(kept, [("pooler.dense.bias".to_owned(), vec![2.5])]);
    let said = said.0.lock().unwrap().join("\n");
    assert!(said.contains("1 tensor(s)") && said.contains("adapter.weight"), "{said}");
    for known in ["pooler", "cls", "position_ids", "token_type_ids"] {
        assert!(!said.contains(known), "{said}");
    }
}

/// The messages that were logged.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message<'a>(&'a mut Vec<String>);
        impl tracing::field::Visit for Message<'_> {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push(format!("{value:?}"));
            }
        }
        event.record(&mut Message(&mut self.0.lock().unwrap()));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Two shards and an index with this `weight_map`.
fn shards(weight_map: &str) -> (tempfile::TempDir, Result<Weights>) {
    let folder = tempfile::tempdir().unwrap();
    write_file(
        &folder.path().join("one.safetensors"),
        &[("a", Dtype::F32, floats(&[1.0])), ("b", Dtype::F32, floats(&[2.0]))],
    );
    write_file(&folder.path().join("two.safetensors"), &[("c", Dtype::F32, floats(&[3.0]))]);
    let index = format!(r#"{{"metadata": {{"total_size": 12}}, "weight_map": {weight_map}}}"#);
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let weights = Weights::open(folder.path());
    (folder, weights)
}

#[test]
fn shards_are_one_checkpoint() {
    let (_folder, weights) = shards(r#"{"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}"#);
    let weights = weights.unwrap();
    assert_eq!([values(&weights, "a"), values(&weights, "b"), values(&weights, "c")], [[1.0], [2.0], [3.0]]);
}

#[test]
fn an_index_that_does_not_fit_its_shards_is_named() {
    for (weight_map, culprit) in [
        (r#"{"a": "one.safetensors", "c": "one.safetensors"}"#, "`c` in one.safetensors"),
        (r#"{"a": "three.safetensors"}"#, "\"three.safetensors\" for 1 tensor(s), but there is no such file"),
        (r#"{"a": "../one.safetensors"}"#, "\"../one.safetensors\", which leads out of the model's folder"),
        (r#"{"a": "/etc/passwd"}"#, "\"/etc/passwd\", which leads out of the model's folder"),
        (r#"{"a": ""}"#, "no such file"),
        (r#"{"a": 1}"#, "invalid type"),
    ] {
        let error = shards(weight_map).1.unwrap_err().to_string();
        assert!(error.contains("model.safetensors.index.json") && error.contains(culprit), "{error}");
    }
}

#[test]
fn a_single_file_goes_before_shards() {
    let (folder, _) = shards("{}");
    write_file(&folder.path().join("model.safetensors"), &[("whole", Dtype::F32, floats(&[7.0]))]);
    assert_eq!(values(&Weights::open(folder.path()).unwrap(), "whole"), [7.0]);
}

#[test]
fn a_folder_without_weights_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Weights::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has no model.safetensors") && error.contains("pytorch_model.bin"), "{error}");
}

/// A call in a pickle is not executed.
///
/// `class Evil: __reduce__ = lambda self: (os.system, ("touch FILE",))`; `pickle.dumps({"linear.weight": Evil()}, protocol=2)`
#[test]
fn a_pickled_call_is_not_executed() {
    let folder = tempfile::tempdir().unwrap();
    let touched = folder.path().join("executed");
    let command = format!("touch {}", touched.display());
    let mut pickle = b"\x80\x02}X\x0d\x00\x00\x00linear.weightcposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85Rs.");
    std::fs::write(folder.path().join("pytorch_model.bin"), &pickle).unwrap();
    let weights = Weights::open(folder.path());
    assert!(!touched.exists());
    assert!(weights.is_err() || weights.unwrap().tensors.is_empty());
}
