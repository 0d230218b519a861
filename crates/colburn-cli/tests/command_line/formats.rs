//! Every command that reads texts reads every format, plain or compressed: the embeddings and results are those of plain JSON Lines.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::workspace::{Workspace, fixtures};

/// Texts with what formats have to keep: commas, semicolons, tabs' place, quotes, digits, and letters beyond ASCII.
const DOCUMENTS: [&str; 6] = [
    "the river runs through the old town",
    "music, played \"slowly\"; then faster",
    "2004",
    "a court decides what the law means",
    "Käse und Brot, täglich",
    "0007",
];

const QUERIES: [&str; 3] = ["where does the river run?", "2004", "music; the law"];

/// Writes texts in one format. Their ids are their numbers.
type Encode = fn(&[&str]) -> Vec<u8>;

/// The formats that are written here, with the ends of their files' names. Of those with a word before the end, the end is the name's.
const WRITTEN: [(&str, Encode); 8] = [
    ("jsonl", |texts| objects(texts).join("\n").into_bytes()),
    ("ndjson", |texts| format!("{}\n", objects(texts).join("\r\n")).into_bytes()),
    ("json", |texts| format!("[\n{}\n]", objects(texts).join(",\n")).into_bytes()),
    ("csv", |texts| table(texts, ',')),
    ("semicolon.csv", |texts| table(texts, ';')),
    ("tab.csv", |texts| table(texts, '\t')),
    ("tsv", |texts| table(texts, '\t')),
    ("txt", |texts| format!("{}\n", texts.join("\n")).into_bytes()),
];

/// The formats that xtask/fixtures/make_formats.py writes.
const FIXTURES: [&str; 5] = ["parquet", "arrow", "feather", "jsonl.zst", "jsonl.bz2"];

fn objects(texts: &[&str]) -> Vec<String> {
    let object = |(id, text)| serde_json::json!({"_id": id, "text": text}).to_string();
    texts.iter().enumerate().map(object).collect()
}

fn table(texts: &[&str], delimiter: char) -> Vec<u8> {
    let mut table = format!("_id{delimiter}text\n");
    for (id, text) in texts.iter().enumerate() {
        let quoted =
            if text.contains([delimiter, '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { (*text).into() };
        table += &format!("{id}{delimiter}{quoted}\n");
    }
    table.into_bytes()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The results of each command on the corpus and the queries with this ending.
fn results(workspace: &Workspace, ending: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = |name: &str| fs::read(workspace.path(name)).unwrap();
    let folder = format!("data-{ending}");
    let (corpus, queries) = (format!("{folder}/corpus.{ending}"), format!("{folder}/queries.{ending}"));
    let run = |arguments: &str| drop(workspace.succeed(&format!("{arguments} --model model")));
    run(&format!("encode --kind document --input {corpus} --output out.safetensors"));
    run(&format!("index create --index index-{ending} --input {corpus}"));
    run(&format!("search --index index-{ending} --queries {queries} --output index.jsonl"));
    run(&format!("search --corpus {corpus} --queries {queries} --output corpus.jsonl"));
    run(&format!(
        "rerank --queries {queries} --documents {corpus} --candidates candidates.run --output reranked.jsonl"
    ));
    run(&format!("evaluate --beir {folder} --output results.json"));
    let results = fs::read_to_string(workspace.path("results.json")).unwrap().replace(&folder, "data");
    vec![
        ("encode", bytes("out.safetensors")),
        ("index", bytes("index.jsonl")),
        ("search", bytes("corpus.jsonl")),
        ("rerank", bytes("reranked.jsonl")),
        ("evaluate", results.into_bytes()),
    ]
}

/// Puts a corpus and queries in a folder of their own, with judgements.
fn write(workspace: &Workspace, ending: &str, corpus: &[u8], queries: &[u8]) {
    let folder = format!("data-{ending}");
    for leftover in [folder.clone(), format!("index-{ending}")] {
        _ = fs::remove_dir_all(workspace.path(&leftover));
    }
    fs::create_dir_all(workspace.path(&format!("{folder}/qrels"))).unwrap();
    workspace.write(&format!("{folder}/corpus.{ending}"), corpus);
    workspace.write(&format!("{folder}/queries.{ending}"), queries);
    workspace.write(&format!("{folder}/qrels/test.tsv"), "query-id\tcorpus-id\tscore\n0\t0\t1\n1\t2\t1\n2\t3\t1\n");
}

#[test]
fn every_command_reads_every_format() {
    let workspace = Workspace::new();
    workspace.write("candidates.run", "0 Q0 4 1 3 x\n0 Q0 0 2 2 x\n1 Q0 2 1 2 x\n1 Q0 5 2 1 x\n2 Q0 1 1 1 x\n");
    let mut files: Vec<(String, String, [Vec<u8>; 2])> = Vec::new();
    for (format, encode) in WRITTEN {
        // `semicolon.csv` is a file of CSV in a folder of its own.
        let ending = format.rsplit('.').next().unwrap();
        let plain = [encode(&DOCUMENTS), encode(&QUERIES)];
        let compressed = plain.each_ref().map(|bytes| gzipped(bytes));
        files.push((format.to_owned(), ending.to_owned(), plain));
        files.push((format!("{format}.gz"), format!("{ending}.gz"), compressed));
    }
    for ending in FIXTURES {
        let read = |name: &str| fs::read(fixtures().join(format!("formats/{name}.{ending}"))).unwrap();
        files.push((ending.to_owned(), ending.to_owned(), [read("corpus"), read("queries")]));
    }
    let mut plain = None;
    for (format, ending, [corpus, queries]) in files {
        write(&workspace, &ending, &corpus, &queries);
        let found = results(&workspace, &ending);
        let plain = plain.get_or_insert_with(|| found.clone());
        for ((command, found), (_, plain)) in found.iter().zip(plain.iter()) {
            assert!(found == plain, "{command} of {format}: {}", String::from_utf8_lossy(found));
        }
    }
}

#[test]
fn a_run_trains_on_every_format() {
    let workspace = Workspace::new();
    let train = |file: &str| {
        workspace.succeed(&format!(
            "train RUN.toml --set data.train={file} --set data.eval=[] --set evaluators=[] --set training.output_dir=out \
             --set training.eval_strategy=no --set training.eval_on_start=false --set training.save_strategy=no"
        ));
        fs::read(workspace.path("out/model.safetensors")).unwrap()
    };
    let plain = train("train.jsonl");
    let lines = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let array = format!("[{}]", lines.trim().replace('\n', ",\n"));
    workspace.write("array.json", &array);
    workspace.write("array.json.gz", gzipped(array.as_bytes()));
    for file in ["array.json", "array.json.gz"] {
        assert!(train(file) == plain, "{file}");
    }
    for ending in ["csv", "tsv", "parquet", "arrow", "jsonl.gz", "csv.zst"] {
        workspace.succeed(&format!("data convert train.jsonl rows.{ending}"));
        assert!(train(&format!("rows.{ending}")) == plain, "{ending}");
    }
}

#[test]
fn a_pattern_and_a_folder_are_read_as_files() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("parts")).unwrap();
    let objects = objects(&DOCUMENTS);
    workspace.write("whole.jsonl", objects.join("\n"));
    workspace.write("parts/part-0.jsonl", objects[..4].join("\n"));
    workspace.write("parts/part-1.jsonl", objects[4..].join("\n"));
    workspace.write("parts/README.md", "about the parts");
    let search = "search --model model --query music --k 6";
    let expected = workspace.succeed(&format!("{search} --corpus whole.jsonl"));
    assert_eq!(expected.lines().count(), 6);
    for corpus in ["parts", "parts/part-*.jsonl"] {
        assert_eq!(workspace.succeed(&format!("{search} --corpus {corpus}")), expected, "{corpus}");
    }
}

#[test]
fn columns_delimiters_and_formats_may_be_named() {
    let workspace = Workspace::new();
    let search = |more: &str| workspace.succeed(&format!("search --model model --k 2 {more}"));
    workspace.write("plain.jsonl", objects(&["music", "the river"]).join("\n"));
    workspace.write("queries.jsonl", "{\"_id\": \"q\", \"text\": \"a river\"}\n");
    let expected = search("--corpus plain.jsonl --queries queries.jsonl");
    assert_eq!(expected.lines().count(), 1);
    // Queries and documents with columns of other names, and without a header.
    workspace.write("corpus.csv", "key,answer,text\n0,music,x\n1,the river,y\n");
    workspace.write("queries.csv", "key,ask\nq,a river\n");
    let columns = "--id-column key --text-column ask,answer";
    assert_eq!(search(&format!("--corpus corpus.csv --queries queries.csv {columns}")), expected);
    workspace.write("corpus.data", "music\t0\nthe river\t1\n");
    workspace.write("queries.data", "a river\tq\n");
    let columns = "--input-format csv --delimiter tab --column-names text,id";
    assert_eq!(search(&format!("--corpus corpus.data --queries queries.data {columns}")), expected);
    let message = workspace.fail("search --model model --query x --corpus corpus.csv --text-column body");
    assert!(message.starts_with("corpus.csv:2: no column \"body\" for the text; found: \"key\", "), "{message}");
    let output = workspace.command("index create --index i --model m --input t --delimiter ;;").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
