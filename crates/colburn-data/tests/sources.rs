//! Every format under every compression, and files that are no data.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::io::Write;
use std::path::Path;

use colburn_data::{Dataset, Format, Records, Source};

const JSON: &str = "{\"query\": \"a\", \"positive\": \"x\"}\n{\"query\": \"é\", \"positive\": \"y\"}\n";
const ARRAY: &str = "[{\"query\": \"a\", \"positive\": \"x\"}, {\"query\": \"é\", \"positive\": \"y\"}]";
const CSV: &str = "query,positive\na,x\né,y\n";
const TSV: &str = "query\tpositive\na\tx\né\ty\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKS: [(&str, Pack); 4] = [("", plain), (".gz", gzip), (".zst", zstd), (".bz2", bzip2)];

fn message(path: &Path) -> String {
    let message = Dataset::load(path).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    assert_eq!(Records::open(&Source::new(path)).err().unwrap().to_string(), message);
    message
}

#[test]
fn every_format_is_read_under_every_compression() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.jsonl", JSON), ("a.json", ARRAY), ("a.csv", CSV), ("a.tsv", TSV)] {
        for (ending, pack) in PACKS {
            // The bytes tell the compression, so its ending may lack.
            for name in [format!("{name}{ending}"), name.to_owned()] {
                let path = folder.path().join(&name);
                fs::write(&path, pack(text.as_bytes())).unwrap();
                let data = Dataset::load(&path).unwrap();
                assert_eq!((data.columns(), data.len()), (vec!["query", "positive"], 2), "{name}");
                assert_eq!((data.text(1, 0).unwrap(), data.text(1, 1).unwrap()), ("é", "y"), "{name}");
            }
        }
    }
    for (ending, pack) in PACKS {
        let path = folder.path().join(format!("a.txt{ending}"));
        fs::write(&path, pack("a\né\n".as_bytes())).unwrap();
        let data = Dataset::load(&path).unwrap();
        assert_eq!((data.columns(), data.len(), data.text(1, 0).unwrap()), (vec!["text"], 2, "é"));
    }
}

#[test]
fn members_of_a_compressed_file_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    for (ending, pack) in PACKS {
        let path = folder.path().join(format!("a.jsonl{ending}"));
        let (first, second) = JSON.split_at(JSON.find('\n').unwrap() + 1);
        fs::write(&path, [pack(first.as_bytes()), pack(second.as_bytes())].concat()).unwrap();
        assert_eq!(Dataset::load(&path).unwrap().len(), 2, "{ending}");
    }
}

#[test]
fn a_file_larger_than_its_head_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..5000).map(|row| format!("{{\"query\": \"query {row}\", \"positive\": \"é\"}}\n")).collect();
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
    let csv: String = (0..5000).map(|row| format!("query {row},é\n")).collect();
    let csv = format!("query,positive\n{csv}");
    for (name, text) in [("a.jsonl", &lines), ("a.json", &array), ("a.csv", &csv)] {
        for (ending, pack) in PACKS {
            let path = folder.path().join(format!("{name}{ending}"));
            fs::write(&path, pack(text.as_bytes())).unwrap();
            let mut records = Records::open(&Source::new(&path)).unwrap();
            let mut row = 0;
            while let Some(record) = records.next().unwrap() {
                assert_eq!(record.value("query").id().unwrap(), format!("query {row}"), "{name}{ending}");
                row += 1;
            }
            assert_eq!(row, 5000, "{name}{ending}");
        }
    }
}

#[test]
fn a_cut_compressed_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (ending, pack) in &PACKS[1..] {
        let lines: String = (0..20_000).map(|row| format!("{{\"query\": \"query {row}\"}}\n")).collect();
        let bytes = pack(lines.as_bytes());
        let path = folder.path().join(format!("a.jsonl{ending}"));
        fs::write(&path, &bytes[..bytes.len() * 9 / 10]).unwrap();
        let message = Dataset::load(&path).unwrap_err().to_string();
        assert!(message.contains("not a complete ") && message.contains("copy or compress it again"), "{message}");
    }
}

#[test]
fn the_format_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.data");
    fs::write(&path, CSV).unwrap();
    let data = Dataset::from_source(&Source::new(&path).with_format(Format::Csv)).unwrap();
    assert_eq!(data.columns(), ["query", "positive"]);
    let data = Dataset::from_source(&Source::new(&path).with_format(Format::Text)).unwrap();
    assert_eq!((data.columns(), data.len()), (vec!["text"], 3));
    assert!(message(&path).contains("rows.data: not a known data format; expected a name that ends in .parquet, "));
    // A JSON object on the first line is certain, whatever the name.
    fs::write(&path, JSON).unwrap();
    assert_eq!(Dataset::load(&path).unwrap().columns(), ["query", "positive"]);
}

#[test]
fn other_files_are_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for (name, bytes, expected) in [
        (
            "a.parquet",
            &pointer[..],
            "a.parquet: a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`",
        ),
        ("a.jsonl", pointer, "a.jsonl: a Git LFS pointer"),
        ("a.csv", b"<!doctype html>\n<html>", "a.csv: a web page (HTML); download the file itself"),
        ("a.json", b"PK\x03\x04\x14\0\0\0", "a.json: a ZIP archive; unpack it"),
        ("a.xlsx", b"PK\x03\x04\x14\0\0\0", "a.xlsx: an Excel workbook; save the sheet as CSV"),
        ("a.pkl", b"\x80\x04\x95\0\0", "a.pkl: a pickle"),
        ("a.csv", b"\xff\xfeq\0u\0", "a.csv: a text in UTF-16; save it in UTF-8"),
        ("a.csv", b"a\0b", "a.csv: binary data of an unknown kind; expected "),
        ("a.jsonl", b"", "a.jsonl: an empty file (0 bytes)"),
        ("a.md", b"# Title\n", "a.md: not a known data format; expected a name that ends in "),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let message = message(&path);
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
    }
    let path = folder.path().join("a.parquet.gz");
    fs::write(&path, gzip(b"PAR1\x15\x04\x15")).unwrap();
    assert!(
        message(&path)
            .contains("a.parquet.gz: a compressed Parquet file, which has a compression of its own; decompress it")
    );
    fs::write(&path, gzip(b"")).unwrap();
    assert!(message(&path).contains("an empty file within a compression"));
}
