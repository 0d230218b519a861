//! `colburn data`: the page and the JSON of `inspect`, and the files of `convert`.

use std::fs;

use colburn::data::Dataset;
use serde_json::{Value, json};

use crate::workspace::Workspace;

/// Rows to train on with all that is doubtful: a query twice, an empty positive, a positive that is a negative, and one that is the query.
const ROWS: &str = r#"{"_id": 1, "query": "what is late interaction", "positive": "Late interaction keeps a vector for each token, and compares the tokens of a query with those of a document when it is searched for; an index therefore holds many vectors a document, and more of them than one of single vectors, which is why they are compressed, pooled, or both, before they are written to the disk.", "negative": ["A king of France.", "An old\nuniversity."], "label": 0.75}
{"_id": 2, "query": "who was king", "positive": "  ", "negative": ["A king of France."], "label": 1}
{"_id": 3, "query": "what is late interaction", "positive": "A king of France.", "negative": ["A king of France.", "x\u001b[31m"], "source_id": 1999}
{"_id": 4, "query": "same", "positive": "same", "negative": ["日本語の文"], "source_id": null}
"#;

const PAGE: &str = r#"rows.jsonl
  4 rows in 1 file (JSON, 803 bytes)

Columns: rows to train on
  column     type           role      missing  empty  distinct
  _id        integer        ignored         0      0         4
  query      text           query           0      0         3
  positive   text           positive        0      1         4
  negative   list of texts  negative        0      0         4
  label      float          label           2      0         2
  source_id  integer        ignored         3      0         1

Lengths
  column    length in   p50  p95  max
  query     characters   12   24   24
  positive  characters    4  315  315
  negative  characters   17   18   18
  negative  values        1    2    2

Numbers
  column     smallest  largest  NaN
  _id               1        4    0
  label          0.75        1    0
  source_id      1999     1999    0

Tokens of model
  column    as        p50  p95  p99  max  limit     cut  unknown
  query     query       6   10   10   10     16     0 %      0 %
  positive  document    4  120  120  120     48  25.0 %      0 %
  negative  document    8    8    8    8     48     0 %    4.3 %

Doubtful rows
  rows                               count       first
  with a missing or empty text       1 (25.0 %)  rows.jsonl:2
  with the query of a row before     1 (25.0 %)
  whose query is the positive        1 (25.0 %)  rows.jsonl:4
  whose positive is a negative, too  1 (25.0 %)  rows.jsonl:3

rows.jsonl:1
  _id       1
  query     what is late interaction
  positive  Late interaction keeps a vector for each token, and compares the
            tokens of a query with those of a document when it is searched for;
            an index therefore holds many vectors a document, and more of them …
  negative  ["A king of France.", "An old\nuniversity."]
  label     0.75

rows.jsonl:2
  _id       2
  query     who was king
  positive  "  "
  negative  ["A king of France."]
  label     1
"#;

fn at(workspace: &Workspace, width: usize, arguments: &str) -> String {
    let output = workspace.command(arguments).env("COLUMNS", width.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_page_of_80_columns() {
    let workspace = Workspace::new();
    workspace.write("rows.jsonl", ROWS);
    let page = at(&workspace, 80, "data inspect rows.jsonl --model model --rows 2");
    assert_eq!(page, PAGE, "\n{page}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let workspace = Workspace::new();
    workspace.write("rows.jsonl", ROWS);
    fs::create_dir(workspace.path("many")).unwrap();
    for file in 0..7 {
        workspace.write(
            &format!("many/part-of-the-corpus-with-a-long-name-{file}.jsonl"),
            "{\"_id\": 1, \"title\": \"T\", \"text\": \"a b\"}\n",
        );
    }
    workspace.write("long.csv", format!("{},positive\nwhat,that\n", "query_of_a_very_long_name".repeat(5)));
    for (width, arguments) in [
        (80, "rows.jsonl"),
        (72, "rows.jsonl --rows 4"),
        (200, "rows.jsonl"),
        (80, "many"),
        (80, "long.csv"),
        (60, "many"),
    ] {
        let page = at(&workspace, width, &format!("data inspect {arguments} --model model"));
        for line in page.lines() {
            assert!(line.chars().count() <= width, "{arguments} at {width}: {line}");
            assert!(!line.contains(|character: char| character.is_control()), "{line:?}");
        }
    }
}

#[test]
fn json_has_everything() {
    let workspace = Workspace::new();
    workspace.write("rows.jsonl", ROWS);
    let found: Value =
        serde_json::from_str(&workspace.succeed("data inspect rows.jsonl --model model --rows 1 --json")).unwrap();
    assert_eq!((&found["rows"], &found["kind"]), (&json!(4), &json!("rows to train on")));
    assert_eq!(
        found["files"],
        json!([{"path": "rows.jsonl", "format": "JSON", "compressed": false, "bytes": ROWS.len()}])
    );
    let column =
        |name: &str| found["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap();
    let exact = |count: u64| json!({"count": count, "exact": true});
    for (name, of, role, missing, empty, distinct) in [
        ("_id", "integer", "ignored", 0, 0, 4),
        ("query", "text", "query", 0, 0, 3),
        ("positive", "text", "positive", 0, 1, 4),
        ("negative", "list of texts", "negative", 0, 0, 4),
        ("label", "float", "label", 2, 0, 2),
        ("source_id", "integer", "ignored", 3, 0, 1),
    ] {
        let column = column(name);
        let found = (&column["type"], &column["role"], &column["missing"], &column["empty"], &column["distinct"]);
        assert_eq!(found, (&json!(of), &json!(role), &json!(missing), &json!(empty), &exact(distinct)), "{name}");
    }
    assert_eq!(column("query")["characters"], json!({"p50": 12, "p95": 24, "max": 24}));
    assert_eq!(column("negative")["values"], json!({"p50": 1, "p95": 2, "max": 2}));
    assert_eq!(column("label")["numbers"], json!({"smallest": 0.75, "largest": 1}));
    assert_eq!(
        found["checks"],
        json!({
            "duplicated_queries": exact(1),
            "missing_text": {"rows": 1, "first": "rows.jsonl:2"},
            "query_is_positive": {"rows": 1, "first": "rows.jsonl:4"},
            "positive_is_negative": {"rows": 1, "first": "rows.jsonl:3"},
        })
    );
    let tokens = found["tokens"].as_array().unwrap();
    let names: Vec<&Value> = tokens.iter().map(|tokens| &tokens["column"]).collect();
    assert_eq!(names, ["query", "positive", "negative"]);
    assert_eq!((&tokens[0]["limit"], &tokens[1]["limit"]), (&json!(16), &json!(48)));
    assert_eq!((&tokens[0]["cut"], &tokens[1]["cut"], &tokens[2]["texts"]), (&json!(0), &json!(1), &json!(6)));
    assert!(tokens[1]["max"].as_u64().unwrap() > 48);
    assert_eq!(found["examples"][0]["place"], "rows.jsonl:1");
    assert_eq!(found["examples"][0]["values"]["negative"], json!(["A king of France.", "An old\nuniversity."]));
}

#[test]
fn kinds_of_rows() {
    let workspace = Workspace::new();
    for (name, content, kind, roles) in [
        (
            "corpus.jsonl",
            "{\"_id\": \"d1\", \"title\": \"T\", \"text\": \"a\", \"metadata\": {}}\n",
            "texts",
            "id title text ignored",
        ),
        ("queries.csv", "qid,query\n1,what\n", "texts", "id text"),
        ("texts.txt", "one\ntwo\n", "texts", "text"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n", "judgements", "query id;document id;score"),
        (
            "kd.jsonl",
            "{\"query_id\": 1, \"document_ids\": [1, 2], \"scores\": [0.5, 0.1]}\n",
            "rows to distil on",
            "query id;document ids;scores",
        ),
        (
            "triplets.csv",
            "query,positive,negative,label\na,b,c,1\n",
            "rows to train on",
            "query positive negative label",
        ),
        ("numbers.jsonl", "{\"a\": 1, \"b\": 2}\n", "of an unknown kind", "- -"),
    ] {
        workspace.write(name, content);
        let found: Value = serde_json::from_str(&workspace.succeed(&format!("data inspect {name} --json"))).unwrap();
        let separator = if roles.contains(';') { ';' } else { ' ' };
        let expected: Vec<&str> = roles.split(separator).collect();
        let columns = found["columns"].as_array().unwrap();
        let found_roles: Vec<&str> = columns.iter().map(|column| column["role"].as_str().unwrap()).collect();
        assert_eq!((found["kind"].as_str(), found_roles), (Some(kind), expected), "{name}: {found}");
        assert_eq!(found["problem"].is_null(), kind != "of an unknown kind", "{found}");
    }
}

#[test]
fn doubts_about_roles_are_on_the_page() {
    let workspace = Workspace::new();
    workspace.write("rows.csv", "first,second\na b,c d\n");
    let (page, said) = workspace.succeed_and_say("data inspect rows.csv");
    assert!(page.contains("\n  Warning: ") && page.contains("\"first\""), "{page}");
    assert_eq!(said, "");
    let found: Value = serde_json::from_str(&workspace.succeed("data inspect rows.csv --json")).unwrap();
    assert_eq!(found["warnings"].as_array().unwrap().len(), 1);
    assert!(!found["warnings"][0].as_str().unwrap().contains("memory"), "{found}");
}

#[test]
fn a_late_column_gets_its_role() {
    let workspace = Workspace::new();
    let mut rows = "{\"query\": \"q\", \"positive\": \"p\"}\n".repeat(300);
    rows.push_str("{\"query\": \"q\", \"positive\": \"p\", \"negative\": \"p\"}\n");
    workspace.write("rows.jsonl", rows);
    let found: Value = serde_json::from_str(&workspace.succeed("data inspect rows.jsonl --json")).unwrap();
    assert_eq!((&found["rows"], &found["columns"][2]["role"]), (&json!(301), &json!("negative")));
    assert_eq!(found["checks"]["positive_is_negative"], json!({"rows": 1, "first": "rows.jsonl:301"}));
    assert_eq!(found["checks"]["missing_text"]["rows"], 300);
}

#[test]
fn rows_are_converted() {
    let workspace = Workspace::new();
    workspace.write("rows.jsonl", ROWS);
    let convert = "data convert rows.jsonl";
    assert_eq!(workspace.succeed(&format!("{convert} new/out.parquet")), "4 rows, 6 columns: new/out.parquet\n");
    let rows = Dataset::load(workspace.path("new/out.parquet")).unwrap();
    assert_eq!(rows.columns(), ["_id", "query", "positive", "negative", "label", "source_id"]);
    assert_eq!((rows.integer(3, 0).unwrap(), rows.number(1, 4).unwrap()), (4, 1.0));
    assert_eq!(rows.list(0, 3).unwrap().len(), 2);

    let printed =
        workspace.succeed(&format!("{convert} out.csv.gz --columns positive,query --rename query=anchor --rows 2"));
    assert_eq!(printed, "2 rows, 2 columns: out.csv.gz\n");
    let rows = Dataset::load(workspace.path("out.csv.gz")).unwrap();
    assert_eq!((rows.len(), rows.columns()), (2, vec!["positive", "anchor"]));

    // The options of the source are those of the conversion.
    workspace.write("collection.tsv", "1\tfirst\n2\tsecond; text\n");
    workspace.succeed("data convert collection.tsv out.jsonl --column-names id,text --delimiter tab");
    let expected = "{\"id\": \"1\", \"text\": \"first\"}\n{\"id\": \"2\", \"text\": \"second; text\"}\n";
    assert_eq!(fs::read_to_string(workspace.path("out.jsonl")).unwrap(), expected);
}

#[test]
fn errors_say_what_would_be_right() {
    let workspace = Workspace::new();
    workspace.write("rows.jsonl", ROWS);
    workspace.write("out.csv", "old");
    for (arguments, expected) in [
        (
            "data convert rows.jsonl out.csv",
            "out.csv: the file is there already; choose another name, or overwrite it (--overwrite)",
        ),
        (
            "data convert rows.jsonl new.csv --columns querry",
            "new.csv: no column \"querry\"; the nearest is \"query\"; found: \"_id\", \"query\", \"positive\", \"negative\", \"label\", \"source_id\"",
        ),
        (
            "data convert rows.jsonl new.xlsx",
            "new.xlsx: not a format that can be written; expected a name that ends in .parquet, .arrow, .jsonl, .csv or .tsv; the last three may be followed by .gz or .zst",
        ),
    ] {
        assert_eq!(workspace.fail(arguments), expected);
    }
    assert_eq!(fs::read_to_string(workspace.path("out.csv")).unwrap(), "old");
    assert!(!workspace.path("new.csv").exists());
    workspace.succeed("data convert rows.jsonl out.csv --overwrite --columns _id");
    assert_eq!(fs::read_to_string(workspace.path("out.csv")).unwrap(), "_id\n1\n2\n3\n4\n");

    assert!(workspace.fail("data inspect absent.jsonl").contains("absent.jsonl"));
    workspace.write("pointer.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    assert!(workspace.fail("data inspect pointer.parquet").contains("git lfs pull"));
    for arguments in ["data convert rows.jsonl x.csv --rename query", "data inspect rows.jsonl --format xml", "data"] {
        assert_eq!(workspace.command(arguments).output().unwrap().status.code(), Some(2), "{arguments}");
    }
}
