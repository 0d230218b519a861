//! Encoding of corpora: shards, formats, types and options; an interrupted run that is resumed gives the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use colburn::data::{Dataset, List};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::workspace::Workspace;

const ENCODE: &str = "encode --model model --kind document --input texts.jsonl";

/// Texts of many lengths, with names.
fn corpus(workspace: &Workspace, count: usize) {
    let words = ["late", "interaction,", "token", "vectors", "of", "the", "university", "king", "1842."];
    let text =
        |at: usize| (0..at * 7 % 23).map(|word| words[(at + word * word) % words.len()]).collect::<Vec<_>>().join(" ");
    let lines = (0..count).map(|at| format!("{}\n", serde_json::json!({ "_id": format!("d{at}"), "text": text(at) })));
    workspace.write("texts.jsonl", lines.collect::<String>());
}

/// The files of a folder, hidden ones too.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(folder).unwrap().map(|entry| file(entry.unwrap())).collect()
}

fn floats(view: &TensorView) -> Vec<f32> {
    match view.dtype() {
        Dtype::F32 => view.data().chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect(),
        Dtype::F16 => {
            view.data().chunks_exact(2).map(|two| half::f16::from_le_bytes(two.try_into().unwrap()).to_f32()).collect()
        }
        Dtype::I8 => view.data().iter().map(|&byte| f32::from(byte as i8)).collect(),
        other => panic!("{other:?}"),
    }
}

/// The tensors of a file: name to shape and values.
fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().iter().map(|(name, view)| (name.clone(), (view.shape().to_vec(), floats(view)))).collect()
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_folder_holds_what_one_file_would() {
    let workspace = Workspace::new();
    corpus(&workspace, 25);
    let (_, said) = workspace.succeed_and_say(&format!("{ENCODE} --output all.safetensors"));
    assert!(said.contains("encoded 25 documents in ") && said.contains(" tokens/s"), "{said}");
    let printed = workspace.succeed(&format!("{ENCODE} --output new/folder/ --shard-size 10"));
    let whole = tensors(&workspace.path("all.safetensors"));
    let mut parts = BTreeMap::new();
    for shard in 0..3 {
        let part = tensors(&workspace.path(&format!("new/folder/embeddings-0000{shard}.safetensors")));
        assert_eq!(part.len(), [10, 10, 5][shard]);
        parts.extend(part);
    }
    assert_eq!(parts.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (name, (shape, values)) in &whole {
        assert_eq!(*shape, parts[name].0);
        assert!(far(values, &parts[name].1) < 1e-5, "{name}");
    }
    let manifest = workspace.json("new/folder/manifest.json");
    assert_eq!(manifest["model_name_or_path"], "model");
    let tokens: usize = whole.values().map(|(shape, _)| shape[0]).sum();
    assert_eq!((&manifest["texts"], &manifest["tokens"]), (&25.into(), &tokens.into()));
    assert_eq!((&manifest["complete"], &manifest["shard_size"]), (&true.into(), &10.into()));
    assert_eq!(
        manifest["model"]["model.safetensors"]["bytes"],
        fs::metadata(workspace.path("model/model.safetensors")).unwrap().len()
    );
    assert_eq!(manifest["shards"][2]["texts"], 5);
    assert_eq!(printed, format!("25 texts, {tokens} token embeddings: new/folder/\n"));
}

#[test]
fn halves_and_bytes_are_near() {
    let workspace = Workspace::new();
    corpus(&workspace, 12);
    for dtype in ["f32", "f16", "int8"] {
        workspace.succeed(&format!("{ENCODE} --output {dtype}.safetensors --dtype {dtype}"));
    }
    let [full, half, bytes] =
        ["f32", "f16", "int8"].map(|name| tensors(&workspace.path(&format!("{name}.safetensors"))));
    assert_eq!((full.len(), half.len(), bytes.len()), (12, 12, 24));
    for (name, (shape, values)) in &full {
        assert_eq!((shape, shape), (&half[name].0, &bytes[name].0));
        // Components of vectors of length 1 are at most 1, where halves are 2^-11 apart.
        assert!(far(values, &half[name].1) <= 2.0_f32.powi(-12), "{name}");
        let (of_tokens, scales) = &bytes[&format!("{name}.scale")];
        assert_eq!(of_tokens[..], shape[..1]);
        for ((expected, found), scale) in values.chunks(shape[1]).zip(bytes[name].1.chunks(shape[1])).zip(scales) {
            let back: Vec<f32> = found.iter().map(|value| value * scale).collect();
            assert!(far(expected, &back) <= scale * 0.501, "{name}");
            assert_eq!(found.iter().fold(0.0, |largest: f32, value| largest.max(value.abs())), 127.0);
        }
    }
}

#[test]
fn parquet_has_names_and_vectors() {
    let workspace = Workspace::new();
    corpus(&workspace, 300);
    workspace.succeed(&format!("{ENCODE} --output out.parquet --dtype int8"));
    workspace.succeed(&format!("{ENCODE} --output all.safetensors"));
    let rows = Dataset::load(workspace.path("out.parquet")).unwrap();
    // Lists of lists are not among the columns of a data set.
    assert_eq!((rows.len(), rows.columns()), (300, vec!["id", "scales"]));
    let expected = tensors(&workspace.path("all.safetensors"));
    for row in 0..300 {
        assert_eq!(rows.text(row, 0).unwrap(), format!("d{row}"));
        let List::Floats(scales) = rows.list(row, 1).unwrap() else { panic!("{row}") };
        assert_eq!(scales.len(), expected[&row.to_string()].0[0]);
    }

    workspace.write("texts.txt", "one\n\nthree\n");
    let encode = "encode --model model --kind query --input texts.txt";
    workspace.succeed(&format!("{encode} --output shards --format parquet --shard-size 2"));
    let rows = Dataset::load(workspace.path("shards/*.parquet")).unwrap();
    assert_eq!(rows.columns(), ["id"]);
    assert_eq!((0..3).map(|row| rows.integer(row, 0).unwrap()).collect::<Vec<_>>(), [0, 1, 2]);

    workspace.write("texts.jsonl", "{\"id\": 1, \"text\": \"\"}\n{\"id\": null, \"text\": \"\"}\n");
    let message = workspace.fail(&format!("{ENCODE} --output other.parquet"));
    assert!(message.starts_with("text 1 (counted from 0): it has no `_id` or `id`"), "{message}");
    workspace.succeed(&format!("{ENCODE} --output other.safetensors"));
    assert!(!workspace.path("other.parquet").exists());
}

#[test]
fn options_of_encoding() {
    let workspace = Workspace::new();
    workspace.write("texts.txt", "the university of notre dame was founded in the year of the king\n");
    let shape = |arguments: &str| {
        workspace.succeed(&format!("encode --model model --input texts.txt --output o.safetensors {arguments}"));
        tensors(&workspace.path("o.safetensors"))["0"].clone()
    };
    let document = shape("--kind document");
    let tokens = document.0[0];
    let pooled = shape("--kind document --pool-factor 2");
    assert_eq!(pooled.0[0], 1 + (tokens - 1) / 2);
    assert_eq!(pooled.1[..pooled.0[1]], document.1[..pooled.0[1]], "the first vector is not pooled");
    assert_eq!(shape("--kind document --pool-factor 4 --protected-tokens 3").0[0], 3 + (tokens - 3) / 4);
    assert_eq!(shape("--kind query --pool-factor 4"), shape("--kind query"));
    assert_eq!(shape("--kind query --length 40").0[0], 40);
    assert_eq!(shape("--kind document --length 6").0[0], 6);
    assert!(shape("--kind document --prompt king").0[0] > tokens);

    let fail = |arguments: &str| {
        workspace.fail(&format!("encode --model model --input texts.txt --kind document --output new {arguments}"))
    };
    assert_eq!(fail("--length 161"), "length: 161; at most 160 (max_position_embeddings) is possible");
    assert_eq!(fail("--length 3"), "length: 3; at least 4 is expected: 3 tokens are special ones");
    assert!(fail("--format parquet --dtype f16").contains("use --dtype f32 or int8"));
    assert_eq!(fs::read_dir(workspace.path("new")).map_or(0, Iterator::count), 0);
    for arguments in ["--pool-factor 0", "--shard-size 0", "--dtype i4", "--format npz"] {
        let arguments = format!("encode --model model --input texts.txt --kind query --output new {arguments}");
        assert_eq!(workspace.command(&arguments).output().unwrap().status.code(), Some(2), "{arguments}");
    }
}

#[test]
fn a_model_that_makes_no_numbers() {
    let workspace = Workspace::new();
    corpus(&workspace, 5);
    let mut weights = fs::read(workspace.path("model/1_Dense/model.safetensors")).unwrap();
    let end = weights.len();
    weights[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    workspace.write("model/1_Dense/model.safetensors", weights);
    let message = workspace.fail(&format!("{ENCODE} --output out.safetensors"));
    assert!(
        message.starts_with("texts.jsonl: text 0 (counted from 0) has an embedding that is not finite"),
        "{message}"
    );
    assert!(!workspace.path("out.safetensors").exists());
}

#[test]
fn damage_is_repaired() {
    let workspace = Workspace::new();
    corpus(&workspace, 45);
    let encode = format!("{ENCODE} --output out --shard-size 10 --resume");
    workspace.succeed(&encode);
    let whole = files(&workspace.path("out"));
    assert_eq!(whole.len(), 6);

    let mut damaged = whole["embeddings-00001.safetensors"].clone();
    *damaged.last_mut().unwrap() ^= 1;
    workspace.write("out/embeddings-00001.safetensors", damaged);
    fs::remove_file(workspace.path("out/embeddings-00004.safetensors")).unwrap();
    workspace.write("out/.colburn-left", "by a run that was killed");
    let (printed, said) = workspace.succeed_and_say(&encode);
    assert!(said.contains("embeddings-00001.safetensors is damaged"), "{said}");
    assert!(said.contains("embeddings-00004.safetensors is made again"), "{said}");
    assert!(said.contains("3 shards are there already") && said.contains("encoded 15 documents"), "{said}");
    assert!(printed.starts_with("45 texts, "), "{printed}");
    assert!(files(&workspace.path("out")) == whole);
}

#[test]
fn another_job_does_not_go_on() {
    let workspace = Workspace::new();
    corpus(&workspace, 25);
    let encode = |more: &str| format!("{ENCODE} --output out --shard-size 10 {more}");
    workspace.succeed(&encode(""));
    let whole = files(&workspace.path("out"));
    let refused = |more: &str, parts: &[&str]| {
        let message = workspace.fail(&encode(more));
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        assert!(files(&workspace.path("out")) == whole, "{message}");
    };
    refused("", &["out: the folder is not empty", "--resume", "delete it"]);
    refused("--resume --pool-factor 2", &["out: cannot resume: pool_factor was 1 and is 2 now", "manifest.json"]);
    refused("--resume --dtype int8", &["dtype was \"f32\" and is \"int8\" now"]);
    refused("--resume --format parquet", &["format was \"safetensors\" and is \"parquet\" now"]);
    refused("--resume --batch-size 8", &["batch_size was 32 and is 8 now"]);
    refused("--resume --length 20", &["length was not there and is 20 now"]);

    let texts = fs::read_to_string(workspace.path("texts.jsonl")).unwrap();
    workspace.write("texts.jsonl", texts.replacen("king", "ring", 1));
    refused("--resume", &["texts.jsonl: the texts of embeddings-00000.safetensors are others"]);
    workspace.write("texts.jsonl", format!("{texts}\"one more\"\n"));
    refused("--resume", &["input texts.jsonl was "]);
    workspace.write("texts.jsonl", &texts);
    let tokenizer = fs::read_to_string(workspace.path("model/tokenizer_config.json")).unwrap();
    workspace.write("model/tokenizer_config.json", format!("{tokenizer} "));
    refused("--resume", &["model tokenizer_config.json bytes was "]);
    workspace.write("model/tokenizer_config.json", &tokenizer);
    workspace.succeed(&encode("--resume"));
    assert!(files(&workspace.path("out")) == whole);

    workspace.write("out/manifest.json", "{}");
    assert!(workspace.fail(&encode("--resume")).contains("manifest.json: no manifest of encode"));
    fs::remove_file(workspace.path("out/manifest.json")).unwrap();
    assert!(workspace.fail(&encode("--resume")).contains("out: cannot resume: there is no manifest.json"));
}

#[cfg(unix)]
#[test]
fn killed_runs_end_in_the_same_bytes() {
    use std::process::Stdio;
    use std::thread::sleep;
    use std::time::Duration;

    let workspace = Workspace::new();
    corpus(&workspace, 610);
    for (name, options) in
        [("a", "--shard-size 20 --pool-factor 2"), ("b", "--shard-size 20 --format parquet --dtype int8")]
    {
        workspace.succeed(&format!("{ENCODE} --output {name}-whole {options}"));
        let whole = files(&workspace.path(&format!("{name}-whole")));
        assert_eq!(whole.len(), 32);

        let resume = format!("{ENCODE} --output {name} {options} --resume");
        let folder = workspace.path(name);
        let count = || fs::read_dir(&folder).map_or(0, Iterator::count);
        let mut kills = 0;
        // Once there are so many files, unfinished ones too.
        for present in [1, 2, 5, 6, 14, 15, 23, 24] {
            let mut child = workspace.command(&resume).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            while count() < present && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_micros(100));
            }
            child.kill().unwrap();
            kills += usize::from(!child.wait().unwrap().success());
            for (file, bytes) in files(&folder) {
                assert!(!file.starts_with("embeddings-") || whole[&file] == bytes, "{file} is half written");
            }
        }
        assert!(kills >= 4, "{kills} of 8 runs were killed");
        workspace.succeed(&resume);
        assert!(files(&folder) == whole, "{name}");
    }
}
