//! `colburn index`: what is put into an index is found, what is taken out is not, and whoever is interrupted spoils nothing.

use std::fs;

use crate::search::{CORPUS, MOON, ask, found, ids};
use crate::workspace::Workspace;

const CREATE: &str = "index create --index index --model model --input corpus.jsonl";

/// A workspace with documents and queries, and an index of the documents.
fn indexed(options: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("corpus.jsonl", CORPUS);
    let printed = workspace.succeed(&format!("{CREATE} {options}"));
    assert_eq!(printed, "6 documents added; index has 6\n");
    workspace
}

#[test]
fn an_index_is_made_changed_and_searched() {
    let workspace = indexed("--batch-size 4");
    let search = |query: &str| {
        // A query of several words, which the workspace would take for arguments.
        workspace.write("query.txt", query);
        workspace.succeed("search --index index --model model --queries query.txt --k 3 --output run.jsonl");
        found(&workspace, "run.jsonl").remove(0).1
    };
    // A text is most like itself.
    let river = "the river runs through the old town";
    assert_eq!(ids(&search(river))[0], "river");

    assert_eq!(workspace.succeed("index remove --index index --id river --id 7"), "2 documents removed; index has 4\n");
    let without = search(river);
    assert!(without.len() == 3 && !ids(&without).contains(&"river"), "{without:?}");

    workspace.write("more.txt", format!("{river}\nnothing of the kind\n"));
    let add = "index add --index index --model model --input more.txt";
    assert_eq!(workspace.succeed(add), "2 documents added; index has 6\n");
    assert_eq!(ids(&search(river))[0], "0");
    workspace.write(
        "more.jsonl",
        format!("{{\"id\": 0, \"text\": \"nothing of the kind\"}}\n{{\"id\": 1, \"text\": \"{river}\"}}\n"),
    );
    let add = "index add --index index --model model --input more.jsonl";
    assert_eq!(workspace.succeed(add), "2 documents added, 2 in place of older ones; index has 6\n");
    assert_eq!(ids(&search(river))[0], "1");

    let before = search("music");
    assert!(workspace.succeed("index compact --index index").starts_with("index: "));
    assert_eq!(search("music"), before);
    let info = workspace.succeed("index info --index index");
    for line in ["kind exact", "documents 6", "removed 0", "dim 24", "dtype f32", "segments 1", "model model"] {
        assert!(info.lines().any(|other| other == line), "no {line:?} in: {info}");
    }

    // With a byte order mark, which is no part of an id.
    workspace.write("ids.txt", "\u{feff}song\nmoon\n\nabsent\n");
    let remove = "index remove --index index --ids ids.txt";
    assert_eq!(workspace.fail(remove), "index: 1 of the ids are not in the index: \"absent\"");
    let printed = workspace.succeed(&format!("{remove} --ignore-unknown"));
    assert_eq!(printed, "2 documents removed, 1 ids were not there; index has 4\n");
}

#[test]
fn an_interrupted_add_leaves_the_index_that_was() {
    let workspace = indexed("");
    let search = "search --index index --model model --query music --k 6";
    let before = workspace.succeed(search);
    let index = fs::read(workspace.path("index/index.json")).unwrap();
    workspace.write("more.jsonl", "{\"id\": \"new\", \"text\": \"music\"}\n");
    let add = "index add --index index --model model --input more.jsonl";
    workspace.succeed(add);
    // As it is between the writing of a segment and the naming of it; and in the middle of a segment.
    workspace.write("index/index.json", &index);
    workspace.write("index/.tmp-a1b2c3", [0; 1000]);
    assert_eq!(workspace.succeed(search), before);
    assert_eq!(workspace.succeed(add), "1 documents added; index has 7\n");
    let after = workspace.succeed(search.replace("6", "7").as_str());
    assert!(after.lines().count() == 7 && after.contains("  new\n"), "{after}");
    assert!(!workspace.path("index/.tmp-a1b2c3").exists());
}

#[test]
fn smaller_values_take_less_room() {
    let bytes = |dtype: &str| {
        let workspace = indexed(&format!("--dtype {dtype}"));
        assert!(ask(&workspace, MOON).lines().next().is_some_and(|line| line.ends_with("  moon")), "{dtype}");
        let info = workspace.succeed("index info --index index");
        info.lines().find_map(|line| line.strip_prefix("bytes ")).unwrap().parse::<usize>().unwrap()
    };
    let [f32, f16, int8] = ["f32", "f16", "int8"].map(bytes);
    assert!(f32 > f16 && f16 > int8, "{f32} {f16} {int8}");
}

#[test]
fn pooled_documents_have_fewer_vectors() {
    let tokens = |options: &str| {
        let info = indexed(options).succeed("index info --index index");
        info.lines().find_map(|line| line.strip_prefix("tokens ")).unwrap().parse::<usize>().unwrap()
    };
    assert!(tokens("--pool-factor 2") < tokens("") * 3 / 4);
}

#[test]
fn what_cannot_be_indexed_is_refused() {
    let workspace = indexed("");
    assert_eq!(workspace.fail(CREATE), "index: there is an index already; open it, or name another folder");
    assert!(workspace.fail("index create --index model --model model --input corpus.jsonl").contains("other files"));
    assert!(workspace.fail("index info --index model").contains("model: there is no index"));
    workspace.write("bad.jsonl", "{\"id\": 1, \"text\": \"a\"}\n{\"id\": 1, \"text\": \"b\"}\n");
    let bad = workspace.fail("index add --index index --model model --input bad.jsonl");
    assert_eq!(bad, "bad.jsonl:2: the id \"1\" comes twice; each text needs one of its own");
    assert!(workspace.succeed("index info --index index").contains("documents 6\n"), "nothing was added");

    workspace.replace("index/index.json", "\"version\": 1", "\"version\": 2");
    assert!(workspace.fail("index info --index index").contains("index/index.json: format version 2"));
    workspace.replace("index/index.json", "\"version\": 2", "\"version\": 1");
    let segment = workspace.path("index/segment-000001.safetensors");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() / 2]).unwrap();
    assert!(workspace.fail("index info --index index").contains("segment-000001.safetensors: damaged or cut"));
    for arguments in ["index remove --index index", "index create --index i --model m --input t --dtype f64", "index"] {
        assert_eq!(workspace.command(arguments).output().unwrap().status.code(), Some(2), "{arguments}");
    }
}

#[test]
fn what_cannot_be_made_is_refused_before_there_is_work() {
    let workspace = indexed("");
    // Neither is there, so that the error would be another one if they were looked at.
    let create =
        |index: &str| workspace.fail(&format!("index create --index {index} --model absent --input absent.jsonl"));
    assert_eq!(create("index"), "index: there is an index already; open it, or name another folder");
    fs::create_dir_all(workspace.path("mine/plaid-4bit")).unwrap();
    workspace.write("mine/plaid-4bit/notes.txt", "mine");
    assert_eq!(
        create("mine"),
        "mine: the folder holds other files, such as \"plaid-4bit\"; an empty or a new one is expected"
    );
    assert!(workspace.path("mine/plaid-4bit/notes.txt").exists());
    assert!(create("new").contains("absent.jsonl") && !workspace.path("new").exists());

    let plaid = "index create --plaid --index new --model absent --input absent.jsonl";
    assert_eq!(
        workspace.fail(&format!("{plaid} --pool-factor 2")),
        "pool_factor = 2: a PLAID index keeps vectors at length 1, which pooled ones do not have; leave it out, or make an exact index"
    );
    #[cfg(not(feature = "plaid"))]
    assert!(workspace.fail(plaid).contains("build it with --features plaid"));
    let output = workspace.command(&format!("{plaid} --nbits 3")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1, 2, 4 or 8 is expected"), "{output:?}");
}

#[test]
fn the_number_of_a_line_replaces_nothing() {
    let workspace = Workspace::new();
    workspace.write("lines.txt", "the river\nmusic\n");
    let create = "index create --index index --model model --input lines.txt";
    assert_eq!(workspace.succeed(create), "2 documents added; index has 2\n");
    workspace.succeed("index remove --index index --id 0");
    let add = "index add --index index --model model --input lines.txt";
    assert_eq!(
        workspace.fail(add),
        "lines.txt: its ids are the numbers of its lines, and index has a document \"1\" already; give ids in a .jsonl file"
    );
    workspace.write("lines.txt", "only a first line\n");
    assert_eq!(workspace.succeed(add), "1 documents added; index has 2\n");
}

#[cfg(not(feature = "plaid"))]
#[test]
fn plaid_is_a_feature() {
    let workspace = indexed("");
    let create = "index create --plaid --index other --model model --input corpus.jsonl";
    assert!(workspace.fail(create).contains("build it with --features plaid"));
    assert!(!workspace.path("other").exists());
}

#[cfg(feature = "plaid")]
#[test]
fn a_plaid_index_is_made_changed_and_searched() {
    let workspace = Workspace::new();
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let documents = rows.lines().enumerate().map(|(at, line)| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{}\n", serde_json::json!({ "id": at, "text": row["positive"] }))
    });
    workspace.write("corpus.jsonl", documents.collect::<String>());
    assert_eq!(workspace.succeed(&format!("{CREATE} --plaid")), "24 documents added; index has 24\n");
    workspace.write("music.jsonl", "{\"id\": \"m\", \"text\": \"music of the river\"}\n");
    workspace.succeed("index add --index index --model model --input music.jsonl");
    assert_eq!(workspace.succeed("index remove --index index --id 3"), "1 documents removed; index has 24\n");
    let pooled = workspace.fail("index add --index index --model absent --input absent.jsonl --pool-factor 2");
    assert!(pooled.starts_with("pool_factor = 2: a PLAID index keeps vectors at length 1"), "{pooled}");
    let info = workspace.succeed("index info --index index");
    assert!(info.contains("kind plaid\ndocuments 24\n") && info.contains("nbits 4\n"), "{info}");
    workspace.write("queries.txt", "music of the river\n");
    let search = "search --index index --model model --queries queries.txt --n-ivf-probe 16 --output run.jsonl";
    workspace.succeed(search);
    let (_, results) = found(&workspace, "run.jsonl").remove(0);
    assert_eq!((results.len(), results[0].0.as_str()), (10, "m"), "{results:?}");
}
