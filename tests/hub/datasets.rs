//! Data sets: which files are a split, by the README, by names, or as the hub has converted them.

use std::{fs, path::PathBuf};

use colburn::hub::RepoKind;

use crate::{files, hub, id, server::Server};

const README: &[u8] = b"---\nlicense: mit\nconfigs:\n- config_name: triplet\n  data_files:\n  - split: train\n    path: triplet/train-*\n  - split: \
    test\n    path: triplet/test-*\n- config_name: pair\n  default: true\n  data_files: pair/*.parquet\n- config_name: old\n  data_files: \
    old/*.zip\n---\n# A data set\n";

fn server() -> Server {
    let server = Server::start();
    server.add_dataset(
        "org/data",
        &[
            ("README.md", README),
            ("old/all.zip", b"z"),
            ("pair/a.parquet", b"pair"),
            ("triplet/test-00000-of-00001.parquet", b"test"),
            ("triplet/train-00000-of-00002.parquet", b"train 0"),
            ("triplet/train-00001-of-00002.parquet", b"train 1"),
        ],
    );
    server
}

/// The rows in the files of a split.
fn rows(server: &Server, name: &str, config: Option<&str>, split: Option<&str>) -> Result<Vec<String>, String> {
    let cache = tempfile::tempdir().unwrap();
    let found: Vec<PathBuf> =
        hub(server, cache.path()).dataset(&id(name), config, split).map_err(|error| error.to_string())?;
    Ok(found.iter().map(|path| fs::read_to_string(path).unwrap()).collect())
}

#[test]
fn a_readme_tells_configurations_and_splits() {
    let server = server();
    assert_eq!(rows(&server, "org/data", Some("triplet"), Some("train")).unwrap(), ["train 0", "train 1"]);
    assert_eq!(rows(&server, "org/data", Some("triplet"), None).unwrap(), ["train 0", "train 1"]);
    assert_eq!(rows(&server, "org/data", Some("triplet"), Some("test")).unwrap(), ["test"]);
    assert_eq!(rows(&server, "org/data", None, None).unwrap(), ["pair"]);
}

#[test]
fn only_the_files_of_the_split_are_fetched() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let found = hub(&server, cache.path()).dataset(&id("org/data"), Some("triplet"), Some("test")).unwrap();
    let snapshot = found[0].parent().unwrap().parent().unwrap();
    assert_eq!(files(snapshot), ["README.md", "triplet/test-00000-of-00001.parquet"]);
    assert!(snapshot.starts_with(cache.path().join("datasets--org--data/snapshots")));
}

#[test]
fn what_there_is_not_is_told_with_what_there_is() {
    let server = server();
    for (config, split, message) in [
        (Some("triplets"), None, "there is no configuration \"triplets\"; there are: \"triplet\", \"pair\", \"old\""),
        (Some("triplet"), Some("dev"), "there is no split \"dev\"; there are: \"train\", \"test\""),
        (
            Some("old"),
            None,
            "there is no configuration \"old\" with Parquet, JSON Lines or CSV files, and no copy that the hub has converted (refs/convert/parquet)",
        ),
    ] {
        let error = rows(&server, "org/data", config, split).unwrap_err();
        assert_eq!(error, format!("data set org/data, revision main: {message}"));
    }
    server.state().repository("datasets", "org/data").commit("main", &[("README.md", b"---\nconfigs: 3\n---\n")]);
    let error = rows(&server, "org/data", None, None).unwrap_err();
    assert!(
        error.starts_with("data set org/data, revision main: README.md: the metadata are not the expected YAML"),
        "{error}"
    );
}

#[test]
fn what_is_not_read_here_is_taken_as_the_hub_has_converted_it() {
    let server = server();
    server.state().repository("datasets", "org/data").commit(
        "refs/convert/parquet",
        &[
            ("old/train/0000.parquet", b"converted 0"),
            ("old/train/0001.parquet", b"converted 1"),
            ("old/test/0000.parquet", b"converted test"),
            ("script/train/0000.parquet", b"by a script"),
        ],
    );
    assert_eq!(rows(&server, "org/data", Some("old"), None).unwrap(), ["converted 0", "converted 1"]);
    assert_eq!(rows(&server, "org/data", Some("old"), Some("test")).unwrap(), ["converted test"]);

    // No README, and no file that is read: the configurations are those that were converted.
    server.add_dataset("org/script", &[("script.py", b"x"), ("all.zip", b"z")]);
    server
        .state()
        .repository("datasets", "org/script")
        .commit("refs/convert/parquet", &[("a/train/0000.parquet", b"a"), ("b/train/0000.parquet", b"b")]);
    assert_eq!(rows(&server, "org/script", Some("b"), None).unwrap(), ["b"]);
    let error = rows(&server, "org/script", None, None).unwrap_err();
    assert!(error.ends_with("none is the default; name one of: \"a\", \"b\""), "{error}");
    server
        .state()
        .repository("datasets", "org/script")
        .commit("refs/convert/parquet", &[("default/train/0000.parquet", b"d")]);
    assert_eq!(rows(&server, "org/script", None, None).unwrap(), ["d"]);
    let error = rows(&server, "org/script", Some("c"), None).unwrap_err();
    assert!(error.ends_with("there is no configuration \"c\"; there are: \"a\", \"b\", \"default\""), "{error}");
}

#[test]
fn without_a_readme_names_tell_splits() {
    let server = Server::start();
    server.add_dataset("org/plain", &[("train.jsonl", b"{}"), ("dev.jsonl", b"{\"a\": 1}"), ("LICENSE", b"mit")]);
    assert_eq!(rows(&server, "org/plain", None, None).unwrap(), ["{}"]);
    assert_eq!(rows(&server, "org/plain", Some("default"), Some("validation")).unwrap(), ["{\"a\": 1}"]);
    server.add_dataset("org/one", &[("things.csv", b"a")]);
    assert_eq!(rows(&server, "org/one", None, None).unwrap(), ["a"]);
    server.add_dataset("org/empty", &[("README.md", b"# nothing")]);
    let error = rows(&server, "org/empty", None, None).unwrap_err();
    assert!(error.contains("there are no Parquet, JSON Lines or CSV files"), "{error}");
}

#[test]
fn the_format_is_that_of_the_split() {
    let server = Server::start();
    let there: [(&str, &[u8]); 6] = [
        ("corpus/documents.parquet", b"unrelated"),
        ("train.jsonl", b"train"),
        ("dev.csv", b"dev in CSV"),
        ("dev.jsonl", b"dev"),
        ("test.csv", b"test in CSV"),
        ("test.parquet", b"test"),
    ];
    server.add_dataset("org/plain", &there);
    let readme = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.*\n  - split: test\n    path: \
        test.*\n---\n";
    server.add_dataset("org/told", &[&there[..], &[("README.md", readme)]].concat());
    for name in ["org/plain", "org/told"] {
        assert_eq!(rows(&server, name, None, None).unwrap(), ["train"], "{name}");
        assert_eq!(rows(&server, name, None, Some("test")).unwrap(), ["test"], "{name}");
    }
    assert_eq!(rows(&server, "org/plain", None, Some("validation")).unwrap(), ["dev"]);
}

#[test]
fn a_snapshot_has_what_matches() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let there: [(&str, &[u8]); 4] =
        [("corpus/a.parquet", b"c"), ("queries/a.parquet", b"q"), ("qrels/a.parquet", b"r"), ("images/a.png", b"i")];
    server.add_dataset("zeta-alpha-ai/NanoSciFact", &there);
    let snapshot = |patterns: &[&str]| {
        let id = id("zeta-alpha-ai/NanoSciFact");
        hub(&server, cache.path()).snapshot(RepoKind::Dataset, &id, patterns).map_err(|error| error.to_string())
    };
    let folder = snapshot(&["corpus/*", "queries/*"]).unwrap();
    assert_eq!(files(&folder), ["corpus/a.parquet", "queries/a.parquet"]);
    assert_eq!(files(&snapshot(&["**/*.parquet"]).unwrap()).len(), 3);
    let error = snapshot(&["corpus/*", "documents/*"]).unwrap_err();
    assert_eq!(error, "data set zeta-alpha-ai/NanoSciFact, revision main: there is no file documents/*");
}
